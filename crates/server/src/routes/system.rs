//! Health, status and metrics.

use std::time::{Duration, Instant};

use actix_web::http::header::RETRY_AFTER;
use actix_web::{HttpResponse, get, web};
use futures::future::join_all;
use serde_json::{Map, Value, json};

use crate::errors::ApiError;
use crate::state::{ApiState, Dependency};

/// When who was told 503 may ask again.
const RETRY_AFTER_SECONDS: u32 = 2;
const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// Liveness: the process answers. No dependency is asked.
#[utoipa::path(tag = "System", security(()), responses((status = 200, description = "It is alive", body = Value)))]
#[get("/health")]
pub(crate) async fn health(state: web::Data<ApiState>) -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "healthy", "service": state.info.name, "version": state.info.version}))
}

/// Readiness: each dependency with its state and latency; 503 when a critical one is down, and
/// during shutdown.
#[utoipa::path(
    tag = "System",
    security(()),
    responses((status = 200, description = "Ready", body = Value), (status = 503, description = "Not ready", body = Value, headers(("Retry-After" = i64))))
)]
#[get("/health/detailed")]
pub(crate) async fn detailed_health(state: web::Data<ApiState>) -> HttpResponse {
    let stopping = state.background.stopping().is_cancelled();
    let checked = join_all(state.dependencies.iter().map(check)).await;
    let ready = !stopping && checked.iter().all(|(_, usable)| *usable);
    let dependencies: Map<String, Value> =
        state.dependencies.iter().zip(checked).map(|(dependency, (told, _))| (dependency.name.into(), told)).collect();
    let body = json!({
        "status": if ready { "healthy" } else { "unhealthy" },
        "stopping": stopping,
        "dependencies": dependencies,
    });
    if ready {
        return HttpResponse::Ok().json(body);
    }
    HttpResponse::ServiceUnavailable().insert_header((RETRY_AFTER, RETRY_AFTER_SECONDS)).json(body)
}

/// What is told of a dependency, and whether the instance can do with it as it is.
async fn check(dependency: &Dependency) -> (Value, bool) {
    let critical = dependency.critical;
    let Some(probe) = &dependency.probe else {
        return (json!({"status": "not_configured", "critical": critical}), !critical);
    };
    let started = Instant::now();
    let outcome = tokio::time::timeout(CHECK_TIMEOUT, probe.probe()).await;
    let outcome = outcome.unwrap_or_else(|_| Err("no answer within 2 s".into()));
    let mut told = json!({"status": "up", "critical": critical, "latency_ms": started.elapsed().as_millis() as u64});
    let Err(error) = outcome else { return (told, true) };
    told["status"] = json!("down");
    told["error"] = json!(error.to_string());
    (told, !critical)
}

/// This instance. No dependency is asked.
#[utoipa::path(tag = "System", security(()), responses((status = 200, description = "Instance, engine, workers, versions, uptime", body = Value)))]
#[get("/status")]
pub(crate) async fn status(state: web::Data<ApiState>) -> HttpResponse {
    let info = &state.info;
    HttpResponse::Ok().json(json!({
        "service": info.name, "version": info.version, "instance_id": info.instance_id,
        "versions": {"service": info.version, "api": "v1"},
        "engine": info.engine, "event_bus": info.bus,
        "workers": {"builtin": info.executor_pools.values().sum::<usize>(), "pools": info.executor_pools},
        "background_loops": state.background.loops(), "executor_concurrency": info.executor_concurrency,
        "stopping": state.background.stopping().is_cancelled(),
        "started_at": info.started_at, "uptime_seconds": info.started.elapsed().as_secs(),
    }))
}

/// Prometheus metrics.
#[utoipa::path(tag = "System", security(()), responses((status = 200, description = "Text exposition format", content_type = "text/plain", body = String)))]
#[get("/metrics")]
pub(crate) async fn metrics(state: web::Data<ApiState>) -> Result<HttpResponse, ApiError> {
    if let Ok(Ok(backlog)) = tokio::time::timeout(CHECK_TIMEOUT, state.outbox.backlog()).await {
        state.metrics.outbox_backlog.set(backlog);
    }
    state.metrics.set_pools(&state.pools.pools());
    if let Ok(Ok(queues)) = tokio::time::timeout(CHECK_TIMEOUT, state.overview.all_queues()).await
        && let Ok(now) = state.store.now().await
    {
        state.metrics.set_queues(&queues, now);
    }
    let text = state.metrics.render().map_err(ApiError::internal)?;
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(text))
}
