//! `GET /api/v1/tasks`.

use actix_web::{HttpRequest, HttpResponse, get, web};
use serde::Serialize;
use serde_json::{Value, json};
use task_domain::{Priority, TenantId, UserId};
use task_protocols::{TaskCursor, TaskFilter};
use task_service::ServiceError;
use utoipa::ToSchema;

use super::cursor;
use super::dto::{ErrorDto, TaskDto};
use crate::auth::Authenticated;
use crate::errors::{ApiError, FieldError};
use crate::routes::query::{MAX_TEXT, Query};
use crate::state::ApiState;

/// One page of tasks.
#[derive(Serialize, ToSchema)]
pub(crate) struct TaskPageDto {
    tasks: Vec<TaskDto>,
    /// Tasks on this page.
    count: usize,
    /// Tasks that fit in all, with `include_total=true`.
    #[serde(skip_serializing_if = "Option::is_none")]
    total: Option<i64>,
    limit: i64,
    offset: i64,
    /// Hand it in as `cursor` for the next page; null on the last one.
    next_cursor: Option<String>,
    /// The filters that were applied, those that come with the caller included.
    #[schema(value_type = Object)]
    filters: Value,
}

/// Lists the caller's tasks. Pages by `cursor` neither skip nor repeat a task while others are
/// created; `offset` does not promise that.
#[utoipa::path(
    tag = "Tasks",
    params(
        ("status" = Option<String>, Query), ("task_type" = Option<String>, Query, description = "Needed by a key that is limited to several types"), ("priority" = Option<String>, Query),
        ("tag" = Option<Vec<String>>, Query, description = "Repeatable; all must be there"),
        ("label" = Option<Vec<String>>, Query, description = "`name:value`, repeatable; all must be there"),
        ("q" = Option<String>, Query, max_length = 200, description = "Part of the name or the description, in either case"),
        ("due_before" = Option<chrono::DateTime<chrono::Utc>>, Query), ("due_after" = Option<chrono::DateTime<chrono::Utc>>, Query),
        ("created_after" = Option<chrono::DateTime<chrono::Utc>>, Query),
        ("sort" = Option<String>, Query, description = "`-created_at` (default), `created_at`, `due_date` or `priority`"),
        ("user_id" = Option<String>, Query, description = "Keys only"), ("origin" = Option<String>, Query, description = "Keys only"),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 100, description = "50 when absent"), ("offset" = Option<i64>, Query, minimum = 0),
        ("cursor" = Option<String>, Query), ("include_total" = Option<bool>, Query, description = "Count all that fit"),
    ),
    responses(
        (status = 200, description = "One page", body = TaskPageDto),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 422, body = ErrorDto), (status = 503, body = ErrorDto),
    )
)]
#[get("/api/v1/tasks")]
pub(crate) async fn list_tasks(
    state: web::Data<ApiState>,
    caller: Authenticated,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let asked = read(request.query_string(), caller.0.tenant_id.clone())?;
    let filter = state.tasks.list_filter(&caller.0, asked).map_err(in_query)?;
    let filters = applied(&filter);
    let (sort, limit, offset) = (filter.sort, filter.limit, filter.offset);
    let page = state.tasks.list(&caller.0, filter).await?;
    let last = page.tasks.last().filter(|_| page.more);
    let next_cursor = last.map(|task| cursor::encode(sort, &TaskCursor::from(task)));
    let total = page.total;
    let tasks: Vec<_> = page.tasks.into_iter().map(TaskDto::item).collect();
    Ok(HttpResponse::Ok().json(TaskPageDto { count: tasks.len(), tasks, total, limit, offset, next_cursor, filters }))
}

/// The problems of a query are not in a body.
fn in_query(error: ServiceError) -> ApiError {
    match error {
        ServiceError::Invalid(problems) => {
            ApiError::Invalid(problems.into_iter().map(|p| FieldError::query(&p.field, p.message)).collect())
        }
        error => error.into(),
    }
}

fn applied(filter: &TaskFilter) -> Value {
    let labels: Vec<_> = filter.labels.iter().map(|(name, value)| format!("{name}:{value}")).collect();
    json!({
        "status": filter.status, "task_type": filter.task_type, "priority": filter.priority.map(Priority::name),
        "tag": filter.tags, "label": labels, "q": filter.text, "due_before": filter.due_before,
        "due_after": filter.due_after, "created_after": filter.created_after, "sort": cursor::sort_name(filter.sort),
        "user_id": filter.user_id, "origin": filter.origin,
    })
}

fn read(query_string: &str, tenant_id: TenantId) -> Result<TaskFilter, ApiError> {
    let mut query = Query::of(query_string)?;
    let sort = query.get_with("sort", cursor::parse_sort);
    let after = query.get_with("cursor", cursor::decode);
    let filter = TaskFilter {
        user_id: query.get_with("user_id", |text| UserId::new(text).map_err(|p| p.to_string())),
        origin: query.get("origin"),
        status: query.get("status"),
        task_type: query.get::<String>("task_type"),
        priority: query.get_with("priority", |text| {
            let number = text.parse().ok().and_then(Priority::from_number);
            Priority::from_name(text).or(number).ok_or_else(|| Priority::ALLOWED.to_owned())
        }),
        tags: query.all_with("tag", |text| Ok(text.to_owned())),
        labels: query.all_with("label", |text| {
            let pair = text.split_once(':').ok_or_else(|| "must be `name:value`".to_owned())?;
            Ok((pair.0.to_owned(), pair.1.to_owned()))
        }),
        text: query.short_text("q", MAX_TEXT),
        due_before: query.instant("due_before"),
        due_after: query.instant("due_after"),
        created_after: query.instant("created_after"),
        sort: sort.or(after.as_ref().map(|(sort, _)| *sort)).unwrap_or_default(),
        offset: query.whole("offset", 0..=1_000_000, 0),
        limit: query.whole("limit", 1..=100, 50),
        count: query.flag("include_total"),
        ..TaskFilter::of(tenant_id)
    };
    query.finish()?;
    match after {
        Some((of, _)) if of != filter.sort => {
            Err(ApiError::Invalid(vec![FieldError::query("cursor", "belongs to another `sort`")]))
        }
        after => Ok(TaskFilter { after: after.map(|(_, place)| place), ..filter }),
    }
}
