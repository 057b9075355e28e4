//! What the service says of itself, its worker and its tasks.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use actix_web::{HttpResponse, get, web};
use serde_json::json;
use task_domain::{Task, TaskStatus};
use task_protocols::TaskFilter;
use task_service::Caller;

use super::WORKER;
use super::dto::word;
use super::tasks::MOST;
use crate::common::{Answer, Authorised, Detail, DropIn};

/// Liveness: the process answers.
#[utoipa::path(tag = "System", responses((status = 200, description = "It is alive", body = Value)))]
#[get("/health")]
pub(crate) async fn health() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "healthy", "message": "Task management service is running"}))
}

fn worker_runs(drop_in: &DropIn) -> bool {
    let background = &drop_in.engine.background;
    background.loops().contains(&WORKER) && !background.stopping().is_cancelled()
}

async fn counts(drop_in: &DropIn, caller: &Caller) -> Result<BTreeMap<&'static str, i64>, task_service::ServiceError> {
    let words = ["pending", "processing", "completed", "failed", "cancelled"];
    let mut counts: BTreeMap<_, _> = words.into_iter().map(|word| (word, 0)).collect();
    for (status, _, count) in drop_in.tasks.counts(caller, Duration::ZERO).await? {
        *counts.entry(word(status)).or_insert(0) += count;
    }
    Ok(counts)
}

/// This instance and its worker.
#[utoipa::path(tag = "System", responses((status = 200, body = Value)))]
#[get("/status")]
pub(crate) async fn get_status(drop_in: web::Data<DropIn>, caller: Authorised<Detail>) -> Answer<Detail> {
    let instance = &drop_in.engine.info.instance_id;
    let all = TaskFilter::of(caller.0.tenant_id.clone());
    let running = TaskFilter { status: Some(TaskStatus::Running), limit: MOST, ..all };
    let running = drop_in.tasks.list(&caller.0, running).await?.tasks;
    let worker = |task: &Task| task.current.as_ref().and_then(|current| current.worker_id.clone()).unwrap_or_default();
    let ours: Vec<i64> = running.iter().filter(|task| worker(task).contains(instance)).map(|task| task.id).collect();
    Ok(HttpResponse::Ok().json(json!({
        "status": "running", "worker_instance_id": instance, "worker_running": worker_runs(&drop_in),
        "current_tasks": ours, "tasks": counts(&drop_in, &caller.0).await?,
    })))
}

/// Database and worker.
#[utoipa::path(tag = "System", responses((status = 200, body = Value), (status = 503, body = Value)))]
#[get("/health/detailed")]
pub(crate) async fn detailed_health(drop_in: web::Data<DropIn>, _: Authorised<Detail>) -> Answer<Detail> {
    let started = Instant::now();
    drop_in.engine.store.ping().await?;
    let latency_ms = started.elapsed().as_millis();
    let info = &drop_in.engine.info;
    Ok(HttpResponse::Ok().json(json!({
        "status": "healthy",
        "database": {"status": "healthy", "engine": info.engine, "latency_ms": latency_ms},
        "application": {"status": "healthy", "version": info.version, "worker_running": worker_runs(&drop_in)},
    })))
}

/// Counts and times.
#[utoipa::path(tag = "System", responses((status = 200, body = Value)))]
#[get("/metrics")]
pub(crate) async fn metrics(drop_in: web::Data<DropIn>, caller: Authorised<Detail>) -> Answer<Detail> {
    let info = &drop_in.engine.info;
    let counts = counts(&drop_in, &caller.0).await?;
    let uptime = drop_in.engine.store.now().await? - info.started_at;
    Ok(HttpResponse::Ok().json(json!({
        "database": {"engine": info.engine, "total_tasks": counts.values().sum::<i64>(), "tasks": counts},
        "application": {"worker_instance_id": info.instance_id, "uptime_seconds": uptime.num_seconds().max(0)},
    })))
}

/// What is running here.
#[utoipa::path(tag = "System", responses((status = 200, body = Value)))]
#[get("/info")]
pub(crate) async fn get_info(drop_in: web::Data<DropIn>, _: Authorised<Detail>) -> Answer<Detail> {
    let info = &drop_in.engine.info;
    Ok(HttpResponse::Ok().json(json!({
        "name": "task_management", "version": info.version,
        "database": {"engine": info.engine},
        "application": {"worker_instance_id": info.instance_id, "event_bus": info.bus, "started_at": info.started_at},
    })))
}
