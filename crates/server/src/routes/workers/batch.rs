//! `POST /api/v1/tasks/complete/batch` and `/heartbeat/batch`: many reports, each for itself.

use actix_web::{HttpResponse, post, web};
use futures::{StreamExt, stream};
use task_domain::TaskId;

use super::dto::{CompleteBatch, HeartbeatBatch, HeartbeatDto, ReportDto, ReportsDto};
use super::input;
use crate::auth::Authenticated;
use crate::errors::ApiError;
use crate::fields::Fields;
use crate::json::LargeBody;
use crate::routes::query::task_id;
use crate::routes::tasks::dto::ErrorDto;
use crate::state::ApiState;

/// Reports under way at the same time: as many as fit into one statement of the store.
const AT_ONCE: usize = 64;

/// Reports up to 500 successes; each stands alone. The body is at most 1 MiB.
#[utoipa::path(
    tag = "Workers",
    request_body = CompleteBatch,
    responses(
        (status = 200, description = "A result an item, in their order", body = ReportsDto),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto),
        (status = 413, body = ErrorDto), (status = 415, body = ErrorDto), (status = 422, body = ErrorDto), (status = 503, body = ErrorDto),
    )
)]
#[post("/api/v1/tasks/complete/batch")]
pub(crate) async fn complete_batch(
    state: web::Data<ApiState>,
    caller: Authenticated,
    body: LargeBody,
) -> Result<HttpResponse, ApiError> {
    state.workers.allow(&caller.0)?;
    let items = input::items(body.0, |fields| (named(fields), input::token(fields), input::report(fields)))?;
    let reports = items.into_iter().map(|item| {
        let (state, caller) = (state.clone(), caller.0.clone());
        async move {
            let (id, token, report) = item?;
            let id = task_id(&id)?;
            let done = state
                .working(|workers| async move { workers.complete_for(&caller, &id, &token, report).await })
                .await?;
            Ok(ReportDto::Done { execution: Box::new(done.execution.into()) })
        }
    });
    let results = stream::iter(reports).buffered(AT_ONCE).map(or_error).collect().await;
    Ok(HttpResponse::Ok().json(ReportsDto { results }))
}

/// Extends up to 500 leases; each stands alone.
#[utoipa::path(
    tag = "Workers",
    request_body = HeartbeatBatch,
    responses(
        (status = 200, description = "A result an item, in their order", body = ReportsDto),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto),
        (status = 413, body = ErrorDto), (status = 415, body = ErrorDto), (status = 422, body = ErrorDto), (status = 503, body = ErrorDto),
    )
)]
#[post("/api/v1/tasks/heartbeat/batch")]
pub(crate) async fn heartbeat_batch(
    state: web::Data<ApiState>,
    caller: Authenticated,
    body: LargeBody,
) -> Result<HttpResponse, ApiError> {
    state.workers.allow(&caller.0)?;
    let items = input::items(body.0, |fields| (named(fields), input::token(fields), input::lease_seconds(fields)))?;
    let beats = items.into_iter().map(|item| {
        let (state, caller) = (state.clone(), caller.0.clone());
        async move {
            let (id, token, seconds) = item?;
            let id: TaskId = task_id(&id)?;
            let renewed = state
                .working(|workers| async move { workers.heartbeat_for(&caller, &id, &token, seconds).await })
                .await?;
            Ok(ReportDto::Renewed(HeartbeatDto { lease_expires_in_ms: renewed.expires_in.num_milliseconds() }))
        }
    });
    let results = stream::iter(beats).buffered(AT_ONCE).map(or_error).collect().await;
    Ok(HttpResponse::Ok().json(ReportsDto { results }))
}

fn named(fields: &mut Fields) -> String {
    fields.required_text("task_id", 1..=64)
}

fn or_error(result: Result<ReportDto, ApiError>) -> ReportDto {
    result.unwrap_or_else(|error| ReportDto::Refused { error: error.body() })
}
