//! `POST /api/v1/tasks/{task_id}/cancel`.

use actix_web::{HttpResponse, post, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::dto::{ErrorDto, TaskDto};
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
    let mut fields = Fields::of_body(body.0, true)?;
    let reason = fields.text("reason", 0..=1000);
    fields.finish()?;
    let task = state.detached(|tasks| async move { tasks.cancel(&caller.0, &id, reason).await }).await?;
    Ok(HttpResponse::Ok().json(TaskDto::from(task)))
}
