//! `GET /api/v1/tasks/{task_id}/explain`.

use actix_web::{HttpRequest, HttpResponse, get, web};
use serde::Serialize;
use serde_json::{Value, json};
use task_domain::TaskStatus;
use task_domain::explain::{Reason, Unfinished};
use task_service::Explanation;
use utoipa::ToSchema;

use super::dto::ErrorDto;
use crate::auth::Authenticated;
use crate::errors::ApiError;
use crate::routes::query::{Query, task_id};
use crate::state::ApiState;

/// Why a task is not running.
#[derive(Serialize, ToSchema)]
pub(crate) struct ExplanationDto {
    task_id: String,
    #[schema(example = "queued")]
    status: &'static str,
    /// `running`, `terminal`, `not_scheduled`, `not_due`, `paused`, `blocked`, `backoff`, `concurrency_limit`, `type_limit`,
    /// `quota`, `no_worker_seen` or `queued`.
    #[schema(example = "queued")]
    reason: &'static str,
    /// One sentence for people; its words may change.
    #[schema(example = "It is number 3 in the queue of its type.")]
    message: String,
    /// What belongs to the reason.
    #[schema(value_type = Object)]
    details: Value,
}

impl From<Explanation> for ExplanationDto {
    fn from(Explanation { task, reason }: Explanation) -> Self {
        Self {
            task_id: task.task_id.to_string(),
            status: task.status.as_str(),
            reason: reason.as_str(),
            message: reason.message(task.status),
            details: details(task.status, reason),
        }
    }
}

fn details(status: TaskStatus, reason: Reason) -> Value {
    match reason {
        Reason::Running { worker_id, attempt, lease_expires_at } => {
            json!({"worker_id": worker_id, "attempt": attempt, "lease_expires_at": lease_expires_at})
        }
        Reason::Terminal { completed_at, last_error } => {
            json!({"status": status, "completed_at": completed_at, "last_error": last_error})
        }
        Reason::NotScheduled => json!({"started_by": ["execute", "schedule", "next_run_time"]}),
        Reason::NotDue { next_run_time, due: _ } => json!({"next_run_time": next_run_time}),
        Reason::Paused { held_back } => json!({"held_back": held_back}),
        Reason::Blocked { waiting_for } => {
            let one = |task: Unfinished| json!({"task_id": task.task_id.as_str(), "status": task.status});
            json!({"waiting_for": waiting_for.into_iter().map(one).collect::<Vec<_>>()})
        }
        Reason::Backoff { until, failures, lost_leases } => {
            json!({"until": until, "failures": failures, "lost_leases": lost_leases})
        }
        Reason::ConcurrencyLimit { key, used, limit } => json!({"key": key, "used": used, "limit": limit}),
        Reason::TypeLimit { task_type, used, limit } => json!({"task_type": task_type, "used": used, "limit": limit}),
        Reason::Quota { limit_type, until } => json!({"limit_type": limit_type, "until": until}),
        Reason::NoWorkerSeen { task_type, handler, last_seen } => json!({
            "task_type": task_type, "handler": handler, "last_seen": last_seen, "other_instances": "unknown",
        }),
        Reason::Queued { position, more_than, estimated_wait_seconds } => json!({
            "position": position, "more_than": more_than, "estimated_wait_seconds": estimated_wait_seconds,
        }),
    }
}

/// Says why a task is not running: a reason for programs, a sentence for people.
#[utoipa::path(
    tag = "Tasks",
    params(("task_id" = String, Path)),
    responses(
        (status = 200, description = "The reason", body = ExplanationDto),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 404, body = ErrorDto), (status = 422, body = ErrorDto),
        (status = 503, body = ErrorDto),
    )
)]
#[get("/api/v1/tasks/{task_id}/explain")]
pub(crate) async fn explain_task(
    state: web::Data<ApiState>,
    caller: Authenticated,
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    Query::of(request.query_string())?.finish()?;
    let explanation = state.explain.explain(&caller.0, &task_id(&id)?).await?;
    Ok(HttpResponse::Ok().json(ExplanationDto::from(explanation)))
}
