//! `POST /api/v1/tasks/claim` and `/api/v1/tasks/{task_id}/claim`.

use actix_web::{HttpResponse, post, web};
use task_domain::Task;

use super::dto::{Claim, ClaimDto, ClaimTask, ClaimsDto};
use super::input;
use crate::auth::Authenticated;
use crate::errors::ApiError;
use crate::fields::Fields;
use crate::json::JsonBody;
use crate::routes::query::task_id;
use crate::routes::tasks::dto::ErrorDto;
use crate::state::ApiState;

/// Leases queued work of the types named to a worker, most urgent first; waits for some when asked to.
#[utoipa::path(
    tag = "Workers",
    request_body = Claim,
    responses(
        (status = 200, description = "The claims; empty when there was nothing", body = ClaimsDto),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto),
        (status = 413, body = ErrorDto), (status = 415, body = ErrorDto), (status = 422, body = ErrorDto), (status = 503, body = ErrorDto),
    )
)]
#[post("/api/v1/tasks/claim")]
pub(crate) async fn claim_tasks(
    state: web::Data<ApiState>,
    caller: Authenticated,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let mut fields = Fields::of_body(body.0, false)?;
    let order = input::claim(&mut fields);
    fields.finish()?;
    // Not detached: when the client goes away its place in the queue goes with it.
    let tasks = state.claims.claim_for(&caller.0, order, &state.keys).await?;
    Ok(HttpResponse::Ok().json(ClaimsDto { claims: claims(&state, tasks).await? }))
}

/// Leases this one task, when it is queued and for outside workers.
#[utoipa::path(
    tag = "Workers",
    params(("task_id" = String, Path)),
    request_body = ClaimTask,
    responses(
        (status = 200, description = "The claim", body = ClaimDto),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 404, body = ErrorDto),
        (status = 409, description = "`not_claimable`: somebody else has it, or it is not queued", body = ErrorDto),
        (status = 413, body = ErrorDto), (status = 415, body = ErrorDto), (status = 422, body = ErrorDto), (status = 503, body = ErrorDto),
    )
)]
#[post("/api/v1/tasks/{task_id}/claim")]
pub(crate) async fn claim_task(
    state: web::Data<ApiState>,
    caller: Authenticated,
    id: web::Path<String>,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let id = task_id(&id)?;
    let mut fields = Fields::of_body(body.0, false)?;
    let order = input::claim_task(&mut fields);
    fields.finish()?;
    let task = state.working(|workers| async move { workers.claim_task_for(&caller.0, id, order).await }).await?;
    let claim = claims(&state, vec![task]).await?.pop();
    claim.map(|claim| HttpResponse::Ok().json(claim)).ok_or_else(|| ApiError::bug("a claimed task has no lease"))
}

pub(super) async fn claims(state: &ApiState, tasks: Vec<Task>) -> Result<Vec<ClaimDto>, ApiError> {
    if tasks.is_empty() {
        return Ok(Vec::new());
    }
    let now = state.store.now().await?;
    Ok(tasks.into_iter().filter_map(|task| ClaimDto::of(task, now)).collect())
}
