//! What became of a task: `GET /api/v1/tasks/{task_id}/status`, `/history` and `/progress`.

use actix_web::{HttpRequest, HttpResponse, get, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use task_protocols::{HistoryRecord, ProgressEntry};
use utoipa::ToSchema;

use super::dto::ErrorDto;
use crate::auth::Authenticated;
use crate::errors::ApiError;
use crate::routes::query::{Query, task_id};
use crate::state::ApiState;

/// Where a task stands.
#[derive(Serialize, ToSchema)]
pub(crate) struct StatusDto {
    task_id: String,
    #[schema(example = "running")]
    status: &'static str,
    is_completed: bool,
    /// The attempt that is queued, held back or running.
    execution: Option<CurrentDto>,
    next_run_time: Option<DateTime<Utc>>,
    last_run_time: Option<DateTime<Utc>>,
    last_error: Option<String>,
    updated_at: DateTime<Utc>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct CurrentDto {
    execution_id: String,
    #[schema(example = "running")]
    status: &'static str,
    attempt: i32,
    worker_id: Option<String>,
    started_at: Option<DateTime<Utc>>,
}

/// Tells where a task stands, in short.
#[utoipa::path(
    tag = "Tasks",
    params(("task_id" = String, Path)),
    responses(
        (status = 200, description = "Where it stands", body = StatusDto),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 404, body = ErrorDto), (status = 422, body = ErrorDto),
        (status = 503, body = ErrorDto),
    )
)]
#[get("/api/v1/tasks/{task_id}/status")]
pub(crate) async fn get_status(
    state: web::Data<ApiState>,
    caller: Authenticated,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let task = state.tasks.get(&caller.0, &task_id(&id)?).await?;
    Ok(HttpResponse::Ok().json(StatusDto {
        task_id: task.task_id.to_string(),
        status: task.status.as_str(),
        is_completed: task.is_completed(),
        execution: task.current.map(|current| CurrentDto {
            execution_id: current.execution_id.to_string(),
            status: current.status.as_str(),
            attempt: current.attempt,
            worker_id: current.worker_id,
            started_at: current.started_at,
        }),
        next_run_time: task.next_run_time,
        last_run_time: task.last_run_time,
        last_error: task.last_error,
        updated_at: task.updated_at,
    }))
}

/// One accepted command.
#[derive(Serialize, ToSchema)]
pub(crate) struct HistoryDto {
    /// Rises with time; hand in the last one as `after` for the next page.
    id: i64,
    /// The command: `create`, `execute`, `claim`, …
    #[schema(example = "execute")]
    action: String,
    /// `user:…`, `key:…`, `worker:…` or `system:…`.
    #[schema(example = "user:me")]
    actor: String,
    from_status: Option<&'static str>,
    to_status: &'static str,
    reason: Option<String>,
    execution_id: Option<String>,
    occurred_at: DateTime<Utc>,
}

impl From<HistoryRecord> for HistoryDto {
    fn from(HistoryRecord { id, entry }: HistoryRecord) -> Self {
        Self {
            id,
            action: entry.action,
            actor: entry.actor,
            from_status: entry.from_status.map(|status| status.as_str()),
            to_status: entry.to_status.as_str(),
            reason: entry.reason,
            execution_id: entry.execution_id.map(|id| id.to_string()),
            occurred_at: entry.occurred_at,
        }
    }
}

/// The audit trail of a task, oldest first.
#[utoipa::path(
    tag = "Tasks",
    params(
        ("task_id" = String, Path), ("after" = Option<i64>, Query, minimum = 0, description = "Only entries with a higher id"),
        ("after_seq_id" = Option<i64>, Query, minimum = 0, description = "The same as `after`"),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 100, description = "50 when absent"),
    ),
    responses(
        (status = 200, description = "The entries", body = [HistoryDto]),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 404, body = ErrorDto), (status = 422, body = ErrorDto),
        (status = 503, body = ErrorDto),
    )
)]
#[get("/api/v1/tasks/{task_id}/history")]
pub(crate) async fn list_history(
    state: web::Data<ApiState>,
    caller: Authenticated,
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let mut query = Query::of(request.query_string())?;
    let after = query.whole("after", 0..=i64::MAX, 0).max(query.whole("after_seq_id", 0..=i64::MAX, 0));
    let limit = query.whole("limit", 1..=100, 50);
    query.finish()?;
    let entries = state.tasks.history(&caller.0, &task_id(&id)?, after, limit).await?;
    Ok(HttpResponse::Ok().json(entries.into_iter().map(HistoryDto::from).collect::<Vec<_>>()))
}

/// One progress entry.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProgressDto {
    task_id: String,
    execution_id: String,
    /// 1, 2, 3… per task, no holes.
    seq_id: i64,
    timestamp: DateTime<Utc>,
    #[schema(value_type = Object)]
    data: Map<String, Value>,
}

impl ProgressDto {
    pub(crate) fn new(task_id: &str, entry: ProgressEntry) -> Self {
        Self {
            task_id: task_id.to_owned(),
            execution_id: entry.execution_id.to_string(),
            seq_id: entry.seq_id,
            timestamp: entry.timestamp,
            data: entry.data,
        }
    }
}

/// The progress entries of a task, in order.
#[utoipa::path(
    tag = "Tasks",
    params(
        ("task_id" = String, Path), ("after_seq_id" = Option<i64>, Query, minimum = 0),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 100, description = "100 when absent"),
    ),
    responses(
        (status = 200, description = "The entries", body = [ProgressDto]),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 404, body = ErrorDto), (status = 422, body = ErrorDto),
        (status = 503, body = ErrorDto),
    )
)]
#[get("/api/v1/tasks/{task_id}/progress")]
pub(crate) async fn list_progress(
    state: web::Data<ApiState>,
    caller: Authenticated,
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let mut query = Query::of(request.query_string())?;
    let after = query.whole("after_seq_id", 0..=i64::MAX, 0);
    let limit = query.whole("limit", 1..=100, 100);
    query.finish()?;
    let id = task_id(&id)?;
    let entries = state.tasks.progress(&caller.0, &id, after, limit).await?;
    let entries: Vec<_> = entries.into_iter().map(|entry| ProgressDto::new(id.as_str(), entry)).collect();
    Ok(HttpResponse::Ok().json(entries))
}
