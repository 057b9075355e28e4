//! `POST /api/v1/tasks/{task_id}/cancel`, `/pause`, `/resume` and `/retry`.

use actix_web::{HttpResponse, post, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::dto::{ErrorDto, TaskDto, created, task_response};
use crate::auth::Authenticated;
use crate::errors::ApiError;
use crate::fields::Fields;
use crate::json::JsonBody;
use crate::routes::query::task_id;
use crate::state::ApiState;

/// Why, for the history; the whole body may be left out.
#[derive(Serialize, ToSchema)]
pub(crate) struct Reason {
    #[schema(max_length = 1000)]
    reason: Option<String>,
}

fn reason(body: JsonBody) -> Result<Option<String>, ApiError> {
    let mut fields = Fields::of_body(body.0, true)?;
    let reason = fields.text("reason", 0..=1000);
    fields.finish()?;
    Ok(reason)
}

/// Cancels a task that is not done. A running lease is fenced at once.
#[utoipa::path(
    tag = "Tasks",
    params(("task_id" = String, Path)),
    request_body = Option<Reason>,
    responses(
        (status = 200, description = "The cancelled task", body = TaskDto),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 404, body = ErrorDto), (status = 409, body = ErrorDto),
        (status = 413, body = ErrorDto), (status = 415, body = ErrorDto), (status = 422, body = ErrorDto), (status = 503, body = ErrorDto),
    )
)]
#[post("/api/v1/tasks/{task_id}/cancel")]
pub(crate) async fn cancel_task(
    state: web::Data<ApiState>,
    caller: Authenticated,
    id: web::Path<String>,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let id = task_id(&id)?;
    let reason = reason(body)?;
    let task = state.detached(|tasks| async move { tasks.cancel(&caller.0, &id, reason).await }).await?;
    Ok(task_response(HttpResponse::Ok(), task))
}

/// Suspends a task. A queued run is held back; a running one may finish and is recorded.
#[utoipa::path(
    tag = "Tasks",
    params(("task_id" = String, Path)),
    request_body = Option<Reason>,
    responses(
        (status = 200, description = "The paused task", body = TaskDto),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 404, body = ErrorDto), (status = 409, body = ErrorDto),
        (status = 413, body = ErrorDto), (status = 415, body = ErrorDto), (status = 422, body = ErrorDto), (status = 503, body = ErrorDto),
    )
)]
#[post("/api/v1/tasks/{task_id}/pause")]
pub(crate) async fn pause_task(
    state: web::Data<ApiState>,
    caller: Authenticated,
    id: web::Path<String>,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let id = task_id(&id)?;
    let reason = reason(body)?;
    let task = state.detached(|tasks| async move { tasks.pause(&caller.0, &id, reason).await }).await?;
    Ok(task_response(HttpResponse::Ok(), task))
}

/// Lets a paused task go on: the run that was held back, else its schedule.
#[utoipa::path(
    tag = "Tasks",
    params(("task_id" = String, Path)),
    request_body = Option<Reason>,
    responses(
        (status = 200, description = "The task", body = TaskDto),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 404, body = ErrorDto), (status = 409, body = ErrorDto),
        (status = 413, body = ErrorDto), (status = 415, body = ErrorDto), (status = 422, body = ErrorDto), (status = 503, body = ErrorDto),
    )
)]
#[post("/api/v1/tasks/{task_id}/resume")]
pub(crate) async fn resume_task(
    state: web::Data<ApiState>,
    caller: Authenticated,
    id: web::Path<String>,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let id = task_id(&id)?;
    let reason = reason(body)?;
    let task = state.detached(|tasks| async move { tasks.resume(&caller.0, &id, reason).await }).await?;
    Ok(task_response(HttpResponse::Ok(), task))
}

/// Repeats a failed, timed out or cancelled task as a new one; the old one is untouched.
#[utoipa::path(
    tag = "Tasks",
    params(("task_id" = String, Path)),
    request_body = Option<Reason>,
    responses(
        (status = 201, description = "The new task, queued", body = TaskDto, headers(("Location" = String))),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 404, body = ErrorDto), (status = 409, body = ErrorDto),
        (status = 413, body = ErrorDto), (status = 415, body = ErrorDto), (status = 422, body = ErrorDto), (status = 429, body = ErrorDto), (status = 503, body = ErrorDto),
    )
)]
#[post("/api/v1/tasks/{task_id}/retry")]
pub(crate) async fn retry_task(
    state: web::Data<ApiState>,
    caller: Authenticated,
    id: web::Path<String>,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let id = task_id(&id)?;
    let reason = reason(body)?;
    let task = state.detached(|tasks| async move { tasks.retry(&caller.0, &id, reason).await }).await?;
    Ok(task_response(created(&task), task))
}
