//! `GET /api/v1/tasks`.

use actix_web::{HttpRequest, HttpResponse, get, web};
use serde::Serialize;
use serde_json::Value;
use task_domain::{Priority, UserId};
use task_service::ListTasks;
use utoipa::ToSchema;

use super::dto::{ErrorDto, TaskDto};
use crate::auth::Authenticated;
use crate::errors::ApiError;
use crate::routes::query::Query;
use crate::state::ApiState;

/// One page of tasks.
#[derive(Serialize, ToSchema)]
pub(crate) struct TaskPageDto {
    tasks: Vec<TaskDto>,
    /// Tasks on this page.
    count: usize,
    limit: i64,
    offset: i64,
    /// Hand it in as `cursor` for the next page; null on the last one.
    next_cursor: Option<String>,
    /// The filters that were applied.
    #[schema(value_type = Object)]
    filters: Value,
}

/// Lists the caller's tasks, newest first. Pages by `cursor` neither skip nor repeat a task while
/// others are created; `offset` does not promise that.
#[utoipa::path(
    tag = "Tasks",
    params(
        ("status" = Option<String>, Query), ("task_type" = Option<String>, Query), ("priority" = Option<String>, Query),
        ("user_id" = Option<String>, Query, description = "Keys only"), ("origin" = Option<String>, Query, description = "Keys only"),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 100), ("offset" = Option<i64>, Query, minimum = 0),
        ("cursor" = Option<String>, Query),
    ),
    responses(
        (status = 200, description = "One page", body = TaskPageDto),
        (status = 401, body = ErrorDto), (status = 422, body = ErrorDto), (status = 503, body = ErrorDto),
    )
)]
#[get("/api/v1/tasks")]
pub(crate) async fn list_tasks(
    state: web::Data<ApiState>,
    caller: Authenticated,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let list = read(request.query_string())?;
    let filters = serde_json::json!({
        "status": list.status, "task_type": list.task_type, "priority": list.priority.map(Priority::name),
        "user_id": list.user_id, "origin": list.origin,
    });
    let (limit, offset) = (list.limit, list.offset);
    let page = state.tasks.list(&caller.0, list).await?;
    let next_cursor = page.tasks.last().filter(|_| page.more).map(|task| task.id.to_string());
    let tasks: Vec<_> = page.tasks.into_iter().map(TaskDto::item).collect();
    Ok(HttpResponse::Ok().json(TaskPageDto { count: tasks.len(), tasks, limit, offset, next_cursor, filters }))
}

fn read(query_string: &str) -> Result<ListTasks, ApiError> {
    let mut query = Query::of(query_string)?;
    let list = ListTasks {
        user_id: query.get_with("user_id", |text| UserId::new(text).map_err(|p| p.to_string())),
        origin: query.get("origin"),
        status: query.get("status"),
        task_type: query.get::<String>("task_type"),
        priority: query.get_with("priority", |text| {
            let number = text.parse().ok().and_then(Priority::from_number);
            Priority::from_name(text).or(number).ok_or_else(|| Priority::ALLOWED.to_owned())
        }),
        before_id: query.get_with("cursor", |text| {
            let id = text.parse::<i64>().ok().filter(|id| *id > 0);
            id.ok_or_else(|| "is not a cursor of this list; hand in a next_cursor as it was given".to_owned())
        }),
        offset: query.whole("offset", 0..=1_000_000, 0),
        limit: query.whole("limit", 1..=100, 50),
    };
    query.finish()?;
    Ok(list)
}
