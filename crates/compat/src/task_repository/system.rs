//! What the service says of itself and of its tasks.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::{HttpResponse, get, web};
use serde_json::json;

use super::document::word;
use crate::common::{Answer, Authorised, Detail, DropIn, anybody};

/// `/health` is open and asked often: it counts no more often than this.
const TASKS_COUNT_AGE: Duration = Duration::from_secs(3);

fn service_card(drop_in: &DropIn) -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "service": "task_repository", "version": drop_in.engine.info.version, "status": "running",
        "docs": "/docs", "health": "/health",
    }))
}

/// The service card.
#[utoipa::path(tag = "System", responses((status = 200, description = "The service", body = Value)))]
#[get("/")]
pub(crate) async fn card(drop_in: web::Data<DropIn>) -> HttpResponse {
    service_card(&drop_in)
}

/// The service card.
#[utoipa::path(tag = "System", responses((status = 200, description = "The service", body = Value)))]
#[get("/api/v1/")]
pub(crate) async fn api_card(drop_in: web::Data<DropIn>) -> HttpResponse {
    service_card(&drop_in)
}

/// How many tasks there are, by status and by type.
#[utoipa::path(tag = "System", responses((status = 200, body = Value), (status = 401, body = Value)))]
#[get("/api/v1/stats")]
pub(crate) async fn stats(drop_in: web::Data<DropIn>, caller: Authorised<Detail>) -> Answer<Detail> {
    let counts = drop_in.tasks.counts(&caller.0, Duration::ZERO).await?;
    let (mut by_status, mut by_type) = (BTreeMap::new(), BTreeMap::new());
    let mut total = 0;
    for (status, task_type, count) in counts {
        total += count;
        *by_status.entry(word(status)).or_insert(0) += count;
        *by_type.entry(task_type).or_insert(0) += count;
    }
    let timestamp = drop_in.engine.store.now().await?;
    Ok(HttpResponse::Ok().json(json!({
        "total_tasks": total, "status_distribution": by_status, "type_distribution": by_type, "timestamp": timestamp,
    })))
}

/// Whether it works, and how many tasks the default tenant has, as of the last seconds.
#[utoipa::path(tag = "System", responses((status = 200, body = Value), (status = 503, body = Value)))]
#[get("/health")]
pub(crate) async fn health(drop_in: web::Data<DropIn>) -> Answer<Detail> {
    let counts = drop_in.tasks.counts(&anybody(&drop_in), TASKS_COUNT_AGE).await?;
    let timestamp = drop_in.engine.store.now().await?;
    Ok(HttpResponse::Ok().json(json!({
        "status": "healthy", "service": "task_repository", "version": drop_in.engine.info.version, "timestamp": timestamp,
        "tasks_count": counts.iter().map(|(.., count)| count).sum::<i64>(),
        "components": {"api": "healthy", "storage": "healthy", "memory": "healthy"},
    })))
}
