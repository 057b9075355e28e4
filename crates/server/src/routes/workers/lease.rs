//! `POST /api/v1/tasks/{task_id}/heartbeat`, `/progress` and `/release`: while the lease is held.

use actix_web::{HttpResponse, post, web};

use super::dto::{Heartbeat, HeartbeatDto, KeptProgressDto, Progress, Release, ReleasedDto};
use super::input;
use crate::auth::Authenticated;
use crate::errors::ApiError;
use crate::fields::Fields;
use crate::json::{JsonBody, LargeBody};
use crate::routes::query::task_id;
use crate::routes::tasks::dto::ErrorDto;
use crate::state::ApiState;

/// Extends a lease. After a cancel it is lost, with reason `cancelled`.
#[utoipa::path(
    tag = "Workers",
    params(("task_id" = String, Path)),
    request_body = Heartbeat,
    responses(
        (status = 200, description = "The renewed lease", body = HeartbeatDto),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 404, body = ErrorDto),
        (status = 409, description = "`lease_lost` with a `reason`", body = ErrorDto),
        (status = 413, body = ErrorDto), (status = 415, body = ErrorDto), (status = 422, body = ErrorDto), (status = 503, body = ErrorDto),
    )
)]
#[post("/api/v1/tasks/{task_id}/heartbeat")]
pub(crate) async fn heartbeat(
    state: web::Data<ApiState>,
    caller: Authenticated,
    id: web::Path<String>,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let id = task_id(&id)?;
    let mut fields = Fields::of_body(body.0, false)?;
    let (token, seconds) = (input::token(&mut fields), input::lease_seconds(&mut fields));
    fields.finish()?;
    let renewed =
        state.working(|workers| async move { workers.heartbeat_for(&caller.0, &id, &token, seconds).await }).await?;
    Ok(HttpResponse::Ok().json(HeartbeatDto { lease_expires_in_ms: renewed.expires_in.num_milliseconds() }))
}

/// Keeps progress entries for whoever follows the task, and extends the lease by its length.
#[utoipa::path(
    tag = "Workers",
    params(("task_id" = String, Path)),
    request_body = Progress,
    responses(
        (status = 200, description = "Kept", body = KeptProgressDto),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 404, body = ErrorDto),
        (status = 409, description = "`lease_lost` with a `reason`", body = ErrorDto),
        (status = 413, body = ErrorDto), (status = 415, body = ErrorDto), (status = 422, body = ErrorDto), (status = 503, body = ErrorDto),
    )
)]
#[post("/api/v1/tasks/{task_id}/progress")]
pub(crate) async fn progress(
    state: web::Data<ApiState>,
    caller: Authenticated,
    id: web::Path<String>,
    body: LargeBody,
) -> Result<HttpResponse, ApiError> {
    let id = task_id(&id)?;
    let mut fields = Fields::of_body(body.0, false)?;
    let (token, entries) = (input::token(&mut fields), input::progress(&mut fields));
    fields.finish()?;
    let task = id.to_string();
    let kept =
        state.working(|workers| async move { workers.progress_for(&caller.0, &id, &token, &entries).await }).await?;
    Ok(HttpResponse::Ok().json(KeptProgressDto {
        task_id: task,
        seq_id: kept.seq_id,
        timestamp: kept.timestamp,
        lease_expires_in_ms: kept.lease.expires_in.num_milliseconds(),
    }))
}

/// Gives the work back untried: it costs no attempt, and its progress is kept.
#[utoipa::path(
    tag = "Workers",
    params(("task_id" = String, Path)),
    request_body = Release,
    responses(
        (status = 200, description = "Claimable again, after the delay", body = ReleasedDto),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 404, body = ErrorDto),
        (status = 409, description = "`lease_lost` with a `reason`", body = ErrorDto),
        (status = 413, body = ErrorDto), (status = 415, body = ErrorDto), (status = 422, body = ErrorDto), (status = 503, body = ErrorDto),
    )
)]
#[post("/api/v1/tasks/{task_id}/release")]
pub(crate) async fn release(
    state: web::Data<ApiState>,
    caller: Authenticated,
    id: web::Path<String>,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let id = task_id(&id)?;
    let mut fields = Fields::of_body(body.0, false)?;
    let (token, reason) = (input::token(&mut fields), fields.text("reason", 0..=1000));
    let delay = chrono::Duration::seconds(fields.whole("delay_seconds", 0..=86_400).flatten().unwrap_or_default());
    fields.finish()?;
    let released = state
        .working(|workers| async move { workers.release_for(&caller.0, &id, &token, reason, delay).await })
        .await?;
    Ok(HttpResponse::Ok().json(ReleasedDto {
        task_id: released.task.task_id.to_string(),
        status: released.task.status.as_str(),
        message: "Task released; its progress is kept",
    }))
}
