//! Creating, reading and retrying tasks.

use actix_web::{HttpResponse, get, post, web};
use serde_json::{Value, json};
use task_server::plumbing::{ApiError, task_id};
use utoipa::ToSchema;

use super::input;
use super::row::{Row, timeout_at};
use super::shape::{Flat, missing, refused, stamp, word};
use crate::common::{Answer, Authorised, Body, DropIn, type_is};

/// A new task.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body in the OpenAPI document")]
#[schema(rename_all = "camelCase")]
pub(crate) struct NewTask {
    /// A cuid2 when it is left out.
    #[schema(max_length = 64)]
    task_id: Option<String>,
    #[schema(max_length = 255)]
    task_type: String,
    #[schema(value_type = Option<Object>)]
    metadata: Option<Value>,
    #[schema(value_type = Option<Object>)]
    params: Option<Value>,
    /// From the creation; a task that is not done by then has timed out.
    #[schema(default = 86400)]
    timeout_seconds: Option<i64>,
}

async fn create(drop_in: web::Data<DropIn>, caller: Authorised<Flat>, body: Body<Flat>) -> Answer<Flat> {
    let draft = input::draft(body.0)?;
    let (tasks, id) = (drop_in.tasks.clone(), draft.task_id.clone());
    let made = drop_in.engine.to_the_end(async move { tasks.create(&caller.0, draft).await }).await;
    let task = made.map_err(type_is("taskType")).map_err(missing(id.as_ref().map_or("", |id| id.as_str())))?;
    Ok(HttpResponse::Created().json(json!({
        "taskId": task.task_id, "status": word(task.status), "createdAt": stamp(task.created_at), "timeoutAt": timeout_at(&task),
    })))
}

/// Creates a task; a worker may claim or start it at once.
#[utoipa::path(
    tag = "Tasks", request_body = NewTask,
    responses((status = 201, body = Value), (status = 400, body = Value), (status = 409, body = Value))
)]
#[post("/api/v1/tasks")]
pub(crate) async fn create_task(
    drop_in: web::Data<DropIn>,
    caller: Authorised<Flat>,
    body: Body<Flat>,
) -> Answer<Flat> {
    create(drop_in, caller, body).await
}

/// The same.
#[utoipa::path(
    tag = "Tasks", request_body = NewTask,
    responses((status = 201, body = Value), (status = 400, body = Value), (status = 409, body = Value))
)]
#[post("/api/v1/tasks/")]
pub(crate) async fn create_task_with_slash(
    drop_in: web::Data<DropIn>,
    caller: Authorised<Flat>,
    body: Body<Flat>,
) -> Answer<Flat> {
    create(drop_in, caller, body).await
}

/// Reads a task.
#[utoipa::path(
    tag = "Tasks", params(("id" = String, Path)),
    responses((status = 200, body = Row), (status = 404, body = Value))
)]
#[get("/api/v1/tasks/{id}")]
pub(crate) async fn get_task(
    drop_in: web::Data<DropIn>,
    caller: Authorised<Flat>,
    id: web::Path<String>,
) -> Answer<Flat> {
    let read = async { Ok::<_, ApiError>(Row::read(&drop_in, &caller.0, &task_id(&id)?).await?) };
    Ok(HttpResponse::Ok().json(read.await.map_err(missing(&id))?))
}

/// Repeats a failed or timed out task as a new one; the old one stays.
#[utoipa::path(
    tag = "Tasks", params(("id" = String, Path)),
    responses((status = 201, body = Value), (status = 400, body = Value), (status = 404, body = Value))
)]
#[post("/api/v1/tasks/{id}/retry")]
pub(crate) async fn retry_task(
    drop_in: web::Data<DropIn>,
    caller: Authorised<Flat>,
    id: web::Path<String>,
) -> Answer<Flat> {
    let tasks = drop_in.tasks.clone();
    let retried = async {
        let old = task_id(&id)?;
        drop_in.engine.to_the_end(async move { tasks.retry(&caller.0, &old, input::new_id()).await }).await
    };
    let conflict = |status: &str| format!("Only failed or timed-out tasks can be retried, current status: {status}");
    let task = retried.await.map_err(refused(&id, "retry", conflict))?;
    Ok(HttpResponse::Created().json(json!({
        "newTaskId": task.task_id, "originalTaskId": task.original_task_id, "status": word(task.status), "retryCount": task.retry_count,
    })))
}
