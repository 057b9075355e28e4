//! Lists, most urgent first and then oldest first.

use actix_web::{HttpRequest, HttpResponse, get, web};
use serde_json::{Value, json};
use task_domain::Task;
use task_protocols::{TaskFilter, TaskSort};
use task_server::plumbing::{ApiError, Query};
use task_service::Caller;

use super::document::{Document, SERVICE, TENANT_ID, statuses};
use crate::common::{Answer, Authorised, Detail, DropIn};

/// Lists tasks; those that wait for a worker unless `status` says otherwise.
#[utoipa::path(
    tag = "Tasks",
    params(
        ("task_type" = Option<String>, Query), ("tenant_id" = Option<String>, Query), ("service_tag" = Option<String>, Query),
        ("status" = Option<String>, Query), ("limit" = Option<i64>, Query, minimum = 1, maximum = 100),
    ),
    responses((status = 200, body = Value), (status = 401, body = Value), (status = 422, body = Value))
)]
#[get("/api/v1/tasks")]
pub(crate) async fn list_tasks(
    drop_in: web::Data<DropIn>,
    caller: Authorised<Detail>,
    request: HttpRequest,
) -> Answer<Detail> {
    page(&drop_in, &caller.0, request.query_string()).await
}

/// The same, as the old client calls it.
#[utoipa::path(
    tag = "Tasks",
    params(
        ("task_type" = Option<String>, Query), ("tenant_id" = Option<String>, Query), ("service_tag" = Option<String>, Query),
        ("status" = Option<String>, Query), ("limit" = Option<i64>, Query, minimum = 1, maximum = 100),
    ),
    responses((status = 200, body = Value), (status = 401, body = Value), (status = 422, body = Value))
)]
#[get("/api/v1/tasks/pending")]
pub(crate) async fn list_pending_tasks(
    drop_in: web::Data<DropIn>,
    caller: Authorised<Detail>,
    request: HttpRequest,
) -> Answer<Detail> {
    page(&drop_in, &caller.0, request.query_string()).await
}

struct Asked {
    filter: TaskFilter,
    filters: Value,
}

async fn page(drop_in: &DropIn, caller: &Caller, query: &str) -> Answer<Detail> {
    let Asked { filter, filters } = read(query, TaskFilter::of(caller.tenant_id.clone()))?;
    let limit = filter.limit;
    let page = drop_in.tasks.list(caller, filter).await?;
    let mut ended = drop_in.tasks.last_ended(caller, &page.tasks, |_| true).await?;
    let document = |task: Task| {
        let last = ended.remove(&task.task_id);
        Document::new(task, last)
    };
    let tasks: Vec<_> = page.tasks.into_iter().map(document).collect();
    Ok(HttpResponse::Ok().json(json!({"tasks": tasks, "total": page.total, "limit": limit, "filters": filters})))
}

fn read(query: &str, filter: TaskFilter) -> Result<Asked, ApiError> {
    let mut query = Query::of(query)?;
    let task_type = query.get::<String>("task_type");
    let tenant_id = query.get::<String>("tenant_id");
    let service_tag = query.get::<String>("service_tag");
    let wanted = query.get_with("status", statuses);
    let limit = query.whole("limit", 1..=100, 10);
    query.finish_leniently()?;
    let filters = json!({"task_type": task_type, "tenant_id": tenant_id, "service_tag": service_tag});
    let named = [(TENANT_ID, tenant_id), (SERVICE, service_tag)];
    let attributes = named.into_iter().filter_map(|(name, text)| Some((name.to_owned(), text?))).collect();
    let filter = TaskFilter {
        statuses: wanted.unwrap_or_else(|| task_domain::TaskStatus::WAITING.to_vec()),
        task_type,
        attributes,
        sort: TaskSort::Priority,
        limit,
        count: true,
        ..filter
    };
    Ok(Asked { filter, filters })
}
