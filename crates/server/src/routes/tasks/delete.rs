//! `DELETE /api/v1/tasks/{task_id}`.

use actix_web::{HttpResponse, delete, web};
use serde::Serialize;
use utoipa::ToSchema;

use super::dto::ErrorDto;
use super::if_match::IfMatch;
use crate::auth::Authenticated;
use crate::errors::ApiError;
use crate::routes::query::task_id;
use crate::state::ApiState;

#[derive(Serialize, ToSchema)]
pub(crate) struct DeletedDto {
    #[schema(example = "Task deleted successfully")]
    message: &'static str,
    task_id: String,
}

/// Deletes a task; an active run is cancelled.
#[utoipa::path(
    tag = "Tasks",
    params(("task_id" = String, Path), ("If-Match" = Option<String>, Header, description = "ETags of the reads that the deletion builds on")),
    responses(
        (status = 200, description = "It is gone from every list and read", body = DeletedDto),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 404, body = ErrorDto), (status = 409, body = ErrorDto),
        (status = 412, description = "`If-Match` names another version", body = ErrorDto), (status = 503, body = ErrorDto),
    )
)]
#[delete("/api/v1/tasks/{task_id}")]
pub(crate) async fn delete_task(
    state: web::Data<ApiState>,
    caller: Authenticated,
    id: web::Path<String>,
    condition: IfMatch,
) -> Result<HttpResponse, ApiError> {
    let id = task_id(&id)?;
    let deleted = id.to_string();
    state.detached(|tasks| async move { tasks.delete(&caller.0, &id, &condition.0).await }).await?;
    Ok(HttpResponse::Ok().json(DeletedDto { message: "Task deleted successfully", task_id: deleted }))
}
