//! The words of the API: its errors, and its names for where a task stands.

use actix_web::http::StatusCode;
use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use task_domain::TaskStatus;
use task_domain::decide::Rejection;
use task_server::plumbing::ApiError;
use task_service::ServiceError;

use crate::common::{Refusal, Shape};

/// `{"message", "error", "statusCode"}`.
pub(crate) struct Flat;

impl Shape for Flat {
    fn body(status: StatusCode, detail: Value) -> Value {
        let status = Self::status(status);
        let message = match detail {
            Value::Array(problems) => problems.iter().map(sentence).collect::<Vec<_>>().join("; "),
            Value::String(text) => text,
            other => other.to_string(),
        };
        json!({
            "message": message,
            "error": status.canonical_reason().unwrap_or("Error"),
            "statusCode": status.as_u16(),
        })
    }

    /// The older service knew one status for input that cannot stand.
    fn status(status: StatusCode) -> StatusCode {
        if status == StatusCode::UNPROCESSABLE_ENTITY { StatusCode::BAD_REQUEST } else { status }
    }
}

/// `taskType is required`.
fn sentence(problem: &Value) -> String {
    let field = problem["loc"].as_array().and_then(|loc| loc.last()).and_then(Value::as_str).unwrap_or("body");
    format!("{field} {}", problem["msg"].as_str().unwrap_or_default())
}

/// The word for where a task stands.
pub(super) fn word(status: TaskStatus) -> &'static str {
    use TaskStatus::{Blocked, Cancelled, Completed, Failed, Paused, Pending, Queued, Running, Scheduled, TimedOut};
    match status {
        Pending | Scheduled | Blocked | Paused | Queued => "pending",
        Running => "in_progress",
        Completed => "completed",
        Failed | Cancelled => "failed",
        TimedOut => "timeout",
    }
}

/// `2026-01-02T03:04:05.678Z`.
pub(super) fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

/// What the use cases refuse, in the older service's words. `act` is what a worker is not authorised
/// to do, `conflict` the sentence of a task that has another status.
pub(super) fn refused(id: &str, act: &str, conflict: impl Fn(&str) -> String) -> impl Fn(ApiError) -> Refusal<Flat> {
    move |error| match error {
        ApiError::Service(ServiceError::TaskNotFound { .. }) => {
            Refusal::new(StatusCode::NOT_FOUND, format!("Task {id} not found"))
        }
        ApiError::Service(ServiceError::DuplicateTask { .. }) => {
            Refusal::new(StatusCode::CONFLICT, format!("Task {id} already exists"))
        }
        ApiError::Service(ServiceError::NotHolder { worker_id, .. }) => {
            Refusal::new(StatusCode::FORBIDDEN, format!("Worker {worker_id} is not authorized to {act} task {id}"))
        }
        ApiError::Service(ServiceError::Rejected(Rejection::InvalidTransition { from, .. })) => {
            Refusal::new(StatusCode::BAD_REQUEST, conflict(word(from)))
        }
        other => other.into(),
    }
}

/// The same for calls that no status refuses.
pub(super) fn missing(id: &str) -> impl Fn(ApiError) -> Refusal<Flat> {
    refused(id, "read", |status| format!("Task is {status}"))
}
