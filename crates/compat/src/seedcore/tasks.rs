//! Tasks: create, list, read, run, cancel.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, get, post, web};
use serde_json::{Map, Value, json};
use task_domain::{Origin, Task, TaskId, TaskStatus};
use task_protocols::TaskFilter;
use task_server::plumbing::{ApiError, Fields, Query, task_id, uuid};
use task_service::{Caller, ServiceError, TaskDraft};
use utoipa::ToSchema;

use super::task::{DOMAIN, DRIFT_SCORE, PARAMS, StatusDto, TaskDto, statuses};
use crate::common::{Answer, Authorised, Body, Detail, DropIn, type_is};

/// The most tasks of one answer.
const MOST: i64 = 10_000;

/// A new task.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body in the OpenAPI document")]
pub(crate) struct NewTask {
    #[serde(rename = "type")]
    #[schema(max_length = 255)]
    task_type: String,
    #[schema(value_type = Option<Object>)]
    params: Option<Value>,
    description: Option<String>,
    domain: Option<String>,
    #[schema(default = 0.0)]
    drift_score: Option<f64>,
    #[schema(default = false)]
    run_immediately: Option<bool>,
}

fn draft(body: Option<Value>) -> Result<TaskDraft, ApiError> {
    let mut fields = Fields::of_body(body, false)?;
    let task_type = fields.required_text("type", 1..=255);
    let params = fields.clearable_object(PARAMS).flatten().unwrap_or_default();
    let description = fields.text("description", 0..=10_000);
    let domain = fields.text(DOMAIN, 0..=255);
    let drift_score = match fields.take(DRIFT_SCORE).flatten() {
        Some(Value::Number(score)) => json!(score),
        Some(_) => {
            fields.problem(DRIFT_SCORE, "must be a number", "value_error");
            Value::Null
        }
        None => json!(0.0),
    };
    let run_immediately = fields.flag("run_immediately");
    fields.finish_leniently()?;
    let config = Map::from_iter([(PARAMS.to_owned(), Value::Object(params))]);
    let attributes = Map::from_iter([(DOMAIN.to_owned(), json!(domain)), (DRIFT_SCORE.to_owned(), drift_score)]);
    // Its handler is left to the service: the organism where one is configured, else an outside worker.
    Ok(TaskDraft {
        description,
        config,
        attributes,
        run_immediately,
        ..TaskDraft::new(Origin::Seedcore, task_type.clone(), task_type)
    })
}

/// The id of a path: a UUID, in any of its spellings.
fn id(text: &str) -> Result<TaskId, ApiError> {
    task_id(&uuid("task_id", text)?.to_string())
}

fn tells_result(task: &Task) -> bool {
    matches!(task.status, TaskStatus::Completed | TaskStatus::Failed)
}

/// A task as the calls that change it answer it.
async fn whole(drop_in: &DropIn, caller: &Caller, task: Task) -> Result<TaskDto, ServiceError> {
    let mut last = drop_in.tasks.last_ended(caller, std::slice::from_ref(&task), tells_result).await?;
    let last = last.remove(&task.task_id);
    Ok(TaskDto::new(task, last))
}

/// Creates a task; `run_immediately` queues it at once.
#[utoipa::path(tag = "Tasks", request_body = NewTask, responses((status = 200, body = TaskDto), (status = 422, body = Value)))]
#[post("/api/v1/tasks")]
pub(crate) async fn create_task(
    drop_in: web::Data<DropIn>,
    caller: Authorised<Detail>,
    body: Body<Detail>,
) -> Answer<Detail> {
    let draft = draft(body.0)?;
    let tasks = drop_in.tasks.clone();
    let made = drop_in.engine.to_the_end(async move { tasks.create(&caller.0, draft).await }).await;
    Ok(HttpResponse::Ok().json(TaskDto::new(made.map_err(type_is("type"))?, None)))
}

/// Lists tasks, newest first.
#[utoipa::path(
    tag = "Tasks",
    params(
        ("status" = Option<String>, Query, description = "created, queued, running, completed, failed or cancelled"),
        ("limit" = Option<i64>, Query, minimum = 1), ("offset" = Option<i64>, Query, minimum = 0),
    ),
    responses((status = 200, body = Value), (status = 422, body = Value))
)]
#[get("/api/v1/tasks")]
pub(crate) async fn list_tasks(
    drop_in: web::Data<DropIn>,
    caller: Authorised<Detail>,
    request: HttpRequest,
) -> Answer<Detail> {
    let mut query = Query::of(request.query_string())?;
    let wanted = query.get_with("status", statuses);
    let limit = query.whole("limit", 1..=i64::MAX, 1000).min(MOST);
    let offset = query.whole("offset", 0..=i64::MAX, 0);
    query.finish_leniently()?;
    let all = TaskFilter::of(caller.0.tenant_id.clone());
    let filter = TaskFilter { statuses: wanted.unwrap_or_default(), limit, offset, count: true, ..all };
    let page = drop_in.tasks.list(&caller.0, filter).await?;
    let mut ended = drop_in.tasks.last_ended(&caller.0, &page.tasks, tells_result).await?;
    let item = |task: Task| {
        let last = ended.remove(&task.task_id);
        TaskDto::new(task, last)
    };
    let items: Vec<_> = page.tasks.into_iter().map(item).collect();
    Ok(HttpResponse::Ok().json(json!({"total": page.total, "items": items})))
}

/// Reads a task.
#[utoipa::path(
    tag = "Tasks",
    params(("task_id" = uuid::Uuid, Path)),
    responses((status = 200, body = TaskDto), (status = 404, body = Value), (status = 422, body = Value))
)]
#[get("/api/v1/tasks/{task_id}")]
pub(crate) async fn get_task(
    drop_in: web::Data<DropIn>,
    caller: Authorised<Detail>,
    path: web::Path<String>,
) -> Answer<Detail> {
    let (task, last) = drop_in.tasks.get_with_last(&caller.0, &id(&path)?).await?;
    Ok(HttpResponse::Ok().json(TaskDto::new(task, last)))
}

/// Queues a task; one that is running or completed stays as it is.
#[utoipa::path(
    tag = "Tasks",
    params(("task_id" = uuid::Uuid, Path)),
    responses((status = 200, body = TaskDto), (status = 404, body = Value), (status = 422, body = Value))
)]
#[post("/api/v1/tasks/{task_id}/run")]
pub(crate) async fn run_task(
    drop_in: web::Data<DropIn>,
    caller: Authorised<Detail>,
    path: web::Path<String>,
) -> Answer<Detail> {
    set_status(drop_in, caller.0, id(&path)?, TaskStatus::Queued, &[TaskStatus::Running, TaskStatus::Completed]).await
}

/// Cancels a task, for good: a worker that finishes it later is refused. One that is completed or
/// failed stays as it is.
#[utoipa::path(
    tag = "Tasks",
    params(("task_id" = uuid::Uuid, Path)),
    responses((status = 200, body = TaskDto), (status = 404, body = Value), (status = 422, body = Value))
)]
#[post("/api/v1/tasks/{task_id}/cancel")]
pub(crate) async fn cancel_task(
    drop_in: web::Data<DropIn>,
    caller: Authorised<Detail>,
    path: web::Path<String>,
) -> Answer<Detail> {
    const ENDED: &[TaskStatus] = &[TaskStatus::Completed, TaskStatus::Failed, TaskStatus::TimedOut];
    set_status(drop_in, caller.0, id(&path)?, TaskStatus::Cancelled, ENDED).await
}

async fn set_status(
    drop_in: web::Data<DropIn>,
    caller: Caller,
    id: TaskId,
    to: TaskStatus,
    unless: &'static [TaskStatus],
) -> Answer<Detail> {
    let engine = Arc::clone(&drop_in.engine);
    let changed = async move {
        let task = drop_in.tasks.set_status(&caller, &id, to, unless).await?;
        whole(&drop_in, &caller, task).await
    };
    Ok(HttpResponse::Ok().json(engine.to_the_end(changed).await?))
}

/// Where a task stands.
#[utoipa::path(
    tag = "Tasks",
    params(("task_id" = uuid::Uuid, Path)),
    responses((status = 200, body = StatusDto), (status = 404, body = Value), (status = 422, body = Value))
)]
#[get("/api/v1/tasks/{task_id}/status")]
pub(crate) async fn get_task_status(
    drop_in: web::Data<DropIn>,
    caller: Authorised<Detail>,
    path: web::Path<String>,
) -> Answer<Detail> {
    let task = drop_in.tasks.get(&caller.0, &id(&path)?).await?;
    Ok(HttpResponse::Ok().json(StatusDto::from(task)))
}
