//! `GET /api/v1/workers` and `/api/v1/queues`: who works, and on how much.

use std::collections::BTreeMap;

use actix_web::{HttpResponse, get, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use task_protocols::{LiveLease, QueueFigures};
use utoipa::ToSchema;

use crate::auth::Authenticated;
use crate::errors::ApiError;
use crate::routes::tasks::dto::ErrorDto;
use crate::state::ApiState;

/// Workers that hold leases anywhere, or wait for work or listen in this instance.
#[derive(Serialize, ToSchema)]
pub(crate) struct WorkersDto {
    workers: Vec<WorkerDto>,
}

#[derive(Default, Serialize, ToSchema)]
struct WorkerDto {
    worker_id: String,
    /// What it holds; at most 1,000 claims of all workers are shown.
    claims: Vec<HeldDto>,
    /// Claims of it that wait for work in this instance.
    waiting: usize,
    /// The types that those wait for.
    waiting_for: Vec<String>,
    /// Whether it listens at this instance's control stream.
    listening: bool,
}

#[derive(Serialize, ToSchema)]
struct HeldDto {
    task_id: String,
    task_type: String,
    execution_id: String,
    attempt: i32,
    started_at: DateTime<Utc>,
    lease_expires_in_ms: i64,
}

/// The queue of each type.
#[derive(Serialize, ToSchema)]
pub(crate) struct QueuesDto {
    queues: Vec<QueueDto>,
}

#[derive(Serialize, ToSchema)]
struct QueueDto {
    task_type: String,
    /// `builtin` or `worker`.
    #[schema(example = "worker")]
    handler: &'static str,
    depth: DepthDto,
    /// Age of the oldest claimable task; null when there is none.
    oldest_age_seconds: Option<f64>,
    /// Executions that completed.
    completed: RateDto,
    /// Executions that failed or timed out.
    failed: RateDto,
}

#[derive(Serialize, ToSchema)]
struct DepthDto {
    /// May be claimed now.
    claimable: i64,
    /// A backoff or a delay is not over.
    delayed: i64,
    /// Held back: as many tasks of its concurrency key run as may.
    parked: i64,
    /// Leased to a worker.
    running: i64,
}

#[derive(Serialize, ToSchema)]
struct RateDto {
    last_minute: i64,
    last_5_minutes: i64,
}

impl From<(i64, i64)> for RateDto {
    fn from((last_minute, last_5_minutes): (i64, i64)) -> Self {
        Self { last_minute, last_5_minutes }
    }
}

/// Lists the workers that are alive, with what they hold, as far as the key's task types go. Up to 2 s old.
#[utoipa::path(
    tag = "Workers",
    responses(
        (status = 200, description = "The workers, by name", body = WorkersDto),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 503, body = ErrorDto),
    )
)]
#[get("/api/v1/workers")]
pub(crate) async fn list_workers(state: web::Data<ApiState>, caller: Authenticated) -> Result<HttpResponse, ApiError> {
    let leases = state.overview.leases(&caller.0).await?;
    let now = state.store.now().await?;
    let tenant_id = &caller.0.tenant_id;
    let mut workers: BTreeMap<String, WorkerDto> = BTreeMap::new();
    for lease in leases {
        workers.entry(lease.worker_id.clone()).or_default().claims.push(held(lease, now));
    }
    for waiting in state.claims.waiting(tenant_id) {
        let mut task_types = waiting.task_types;
        task_types.retain(|task_type| caller.0.may_use_type(task_type));
        if task_types.is_empty() {
            continue;
        }
        let worker = workers.entry(waiting.worker_id).or_default();
        worker.waiting += 1;
        worker.waiting_for.extend(task_types);
        worker.waiting_for.sort_unstable();
        worker.waiting_for.dedup();
    }
    for worker_id in state.control.listening(tenant_id) {
        // Who only listens does so for every type.
        if caller.0.task_types().is_empty() || workers.contains_key(&worker_id) {
            workers.entry(worker_id).or_default().listening = true;
        }
    }
    let workers = workers.into_iter().map(|(worker_id, worker)| WorkerDto { worker_id, ..worker }).collect();
    Ok(HttpResponse::Ok().json(WorkersDto { workers }))
}

fn held(lease: LiveLease, now: DateTime<Utc>) -> HeldDto {
    HeldDto {
        task_id: lease.task_id,
        task_type: lease.task_type,
        execution_id: lease.execution_id.to_string(),
        attempt: lease.attempt,
        started_at: lease.started_at,
        lease_expires_in_ms: (lease.expires_at - now).num_milliseconds().max(0),
    }
}

/// Lists the types that have work or ended some lately: how much, how old, how fast. Up to 2 s old.
#[utoipa::path(
    tag = "Workers",
    responses(
        (status = 200, description = "The queues, by type", body = QueuesDto),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 503, body = ErrorDto),
    )
)]
#[get("/api/v1/queues")]
pub(crate) async fn list_queues(state: web::Data<ApiState>, caller: Authenticated) -> Result<HttpResponse, ApiError> {
    let queues = state.overview.queues(&caller.0).await?;
    let now = state.store.now().await?;
    Ok(HttpResponse::Ok().json(QueuesDto { queues: queues.into_iter().map(|queue| dto(queue, now)).collect() }))
}

fn dto(queue: QueueFigures, now: DateTime<Utc>) -> QueueDto {
    QueueDto {
        task_type: queue.task_type,
        handler: queue.handler.as_str(),
        depth: DepthDto {
            claimable: queue.claimable,
            delayed: queue.delayed,
            parked: queue.parked,
            running: queue.running,
        },
        oldest_age_seconds: queue.oldest.map(|at| age(at, now)),
        completed: queue.completed.into(),
        failed: queue.failed.into(),
    }
}

/// Seconds since `at`.
pub(crate) fn age(at: DateTime<Utc>, now: DateTime<Utc>) -> f64 {
    (now - at).num_milliseconds().max(0) as f64 / 1000.0
}
