//! `POST /api/v1/tasks/timeouts/process`.

use actix_web::{HttpResponse, post, web};

use super::dto::ProcessedDto;
use crate::auth::Authenticated;
use crate::errors::ApiError;
use crate::routes::tasks::dto::ErrorDto;
use crate::state::ApiState;

/// Handles leases and deadlines that have run out, as the service does by itself every second.
/// Needs scope `admin`.
#[utoipa::path(
    tag = "Workers",
    responses(
        (status = 200, description = "How many", body = ProcessedDto),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 503, body = ErrorDto),
    )
)]
#[post("/api/v1/tasks/timeouts/process")]
pub(crate) async fn process_timeouts(
    state: web::Data<ApiState>,
    caller: Authenticated,
) -> Result<HttpResponse, ApiError> {
    let reaper = std::sync::Arc::clone(&state.reaper);
    let processed_count = state.to_the_end(async move { reaper.process(&caller.0).await }).await?;
    Ok(HttpResponse::Ok().json(ProcessedDto { processed_count }))
}
