//! Health, status and metrics.

use std::time::{Duration, Instant};

use actix_web::{HttpResponse, get, web};
use serde_json::{Value, json};

use super::tasks::dto::ErrorDto;
use crate::errors::ApiError;
use crate::state::ApiState;

const CHECK_TIMEOUT: Duration = Duration::from_secs(2);

/// Liveness: the process answers. No dependency is asked.
#[utoipa::path(tag = "System", responses((status = 200, description = "It is alive", body = Value)))]
#[get("/health")]
pub(crate) async fn health(state: web::Data<ApiState>) -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "healthy", "service": state.info.name, "version": state.info.version}))
}

/// Readiness: each dependency with its state and latency; 503 when a critical one is down, and
/// during shutdown.
#[utoipa::path(
    tag = "System",
    responses((status = 200, description = "Ready", body = Value), (status = 503, description = "Not ready", body = Value))
)]
#[get("/health/detailed")]
pub(crate) async fn detailed_health(state: web::Data<ApiState>) -> HttpResponse {
    let (database, database_ok) = check(async { state.store.ping().await.map_err(|e| e.to_string()) }).await;
    let (bus, _) = check(async { state.bus.check().await.map_err(|e| e.to_string()) }).await;
    let stopping = state.background.stopping().is_cancelled();
    // Without the bus nothing is lost: events wait in the outbox.
    let ready = database_ok && !stopping;
    let body = json!({
        "status": if ready { "healthy" } else { "unhealthy" },
        "stopping": stopping,
        "dependencies": {"database": database, "event_bus": bus},
    });
    if ready { HttpResponse::Ok().json(body) } else { HttpResponse::ServiceUnavailable().json(body) }
}

async fn check(work: impl Future<Output = Result<(), String>>) -> (Value, bool) {
    let started = Instant::now();
    let outcome =
        tokio::time::timeout(CHECK_TIMEOUT, work).await.unwrap_or_else(|_| Err("no answer within 2 s".into()));
    let latency_ms = started.elapsed().as_millis();
    match outcome {
        Ok(()) => (json!({"status": "up", "latency_ms": latency_ms}), true),
        Err(error) => (json!({"status": "down", "latency_ms": latency_ms, "error": error}), false),
    }
}

/// This instance.
#[utoipa::path(tag = "System", responses((status = 200, description = "Engine, loops, version, uptime", body = Value), (status = 503, body = ErrorDto)))]
#[get("/status")]
pub(crate) async fn status(state: web::Data<ApiState>) -> Result<HttpResponse, ApiError> {
    let info = &state.info;
    let now = state.store.now().await?;
    Ok(HttpResponse::Ok().json(json!({
        "service": info.name, "version": info.version, "instance_id": info.instance_id,
        "engine": info.engine, "event_bus": info.bus,
        "background_loops": state.background.loops(), "executor_concurrency": info.executor_concurrency,
        "started_at": info.started_at, "uptime_seconds": (now - info.started_at).num_seconds().max(0),
    })))
}

/// Prometheus metrics.
#[utoipa::path(tag = "System", responses((status = 200, description = "Text exposition format", content_type = "text/plain", body = String)))]
#[get("/metrics")]
pub(crate) async fn metrics(state: web::Data<ApiState>) -> Result<HttpResponse, ApiError> {
    if let Ok(Ok(backlog)) = tokio::time::timeout(CHECK_TIMEOUT, state.outbox.backlog()).await {
        state.metrics.outbox_backlog.set(backlog);
    }
    let text = state.metrics.render().map_err(ApiError::internal)?;
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4").body(text))
}
