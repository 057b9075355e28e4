//! `GET /api/v1/tasks/{task_id}`.

use actix_web::{HttpResponse, get, web};

use super::dto::{ErrorDto, TaskDto, task_response};
use crate::auth::Authenticated;
use crate::errors::ApiError;
use crate::routes::query::task_id;
use crate::state::ApiState;

/// Reads a task.
#[utoipa::path(
    tag = "Tasks",
    params(("task_id" = String, Path)),
    responses(
        (status = 200, description = "The task", body = TaskDto, headers(("ETag" = String))),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 404, body = ErrorDto), (status = 503, body = ErrorDto),
    )
)]
#[get("/api/v1/tasks/{task_id}")]
pub(crate) async fn get_task(
    state: web::Data<ApiState>,
    caller: Authenticated,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let task = state.tasks.get(&caller.0, &task_id(&id)?).await?;
    Ok(task_response(HttpResponse::Ok(), task))
}
