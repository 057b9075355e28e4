//! `POST /api/v1/tasks/{task_id}/complete` and `/fail`: the outcome.

use actix_web::{HttpResponse, post, web};

use super::claim::claims;
use super::dto::{Complete, CompletedDto, Fail, FailedDto};
use super::input;
use crate::auth::Authenticated;
use crate::errors::ApiError;
use crate::fields::Fields;
use crate::json::{JsonBody, LargeBody};
use crate::routes::query::task_id;
use crate::routes::tasks::dto::ErrorDto;
use crate::state::ApiState;

/// Reports success. Repeating the accepted report is answered 200 again. With `claim_next` further
/// work is claimed in the same round trip.
#[utoipa::path(
    tag = "Workers",
    params(("task_id" = String, Path)),
    request_body = Complete,
    responses(
        (status = 200, description = "The finished execution, and what was claimed next", body = CompletedDto),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 404, body = ErrorDto),
        (status = 409, description = "`lease_lost` with a `reason`: the report changed nothing", body = ErrorDto),
        (status = 413, body = ErrorDto), (status = 415, body = ErrorDto), (status = 422, body = ErrorDto), (status = 503, body = ErrorDto),
    )
)]
#[post("/api/v1/tasks/{task_id}/complete")]
pub(crate) async fn complete(
    state: web::Data<ApiState>,
    caller: Authenticated,
    id: web::Path<String>,
    body: LargeBody,
) -> Result<HttpResponse, ApiError> {
    let id = task_id(&id)?;
    let mut fields = Fields::of_body(body.0, false)?;
    let (token, report) = (input::token(&mut fields), input::report(&mut fields));
    let next = fields.nested("claim_next", input::claim);
    fields.finish()?;
    let request = match next {
        Some(order) => Some((task_service::authorised_claim(&caller.0, &order)?, order.wait)),
        None => None,
    };
    let by = caller.0.clone();
    let done = state.working(|workers| async move { workers.complete_for(&by, &id, &token, report).await }).await?;
    let next = match request {
        // What was completed stays so: trouble with the next claim is not its trouble.
        Some((request, wait)) => {
            let claimed = state.claims.claim_authorised(&caller.0, request, wait, &state.keys).await;
            let tasks = claimed.unwrap_or_default();
            Some(claims(&state, tasks).await.unwrap_or_default())
        }
        None => None,
    };
    Ok(HttpResponse::Ok().json(CompletedDto { execution: done.execution.into(), claims: next }))
}

/// Reports failure: the run is queued again after its backoff while attempts are left, else it has failed.
#[utoipa::path(
    tag = "Workers",
    params(("task_id" = String, Path)),
    request_body = Fail,
    responses(
        (status = 200, description = "The failed execution, and what happens next", body = FailedDto),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 404, body = ErrorDto),
        (status = 409, description = "`lease_lost` with a `reason`: the report changed nothing", body = ErrorDto),
        (status = 413, body = ErrorDto), (status = 415, body = ErrorDto), (status = 422, body = ErrorDto), (status = 503, body = ErrorDto),
    )
)]
#[post("/api/v1/tasks/{task_id}/fail")]
pub(crate) async fn fail(
    state: web::Data<ApiState>,
    caller: Authenticated,
    id: web::Path<String>,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let id = task_id(&id)?;
    let mut fields = Fields::of_body(body.0, false)?;
    let (token, failure) = (input::token(&mut fields), input::failure(&mut fields));
    fields.finish()?;
    let failed =
        state.working(|workers| async move { workers.fail_for(&caller.0, &id, &token, failure).await }).await?;
    Ok(HttpResponse::Ok().json(FailedDto::from(failed)))
}
