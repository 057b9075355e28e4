//! What the service says of itself.

use actix_web::{HttpResponse, get, web};
use serde_json::json;

use crate::common::DropIn;

/// Liveness: the process answers.
#[utoipa::path(tag = "System", responses((status = 200, description = "It is alive", body = Value)))]
#[get("/health")]
pub(crate) async fn health(drop_in: web::Data<DropIn>) -> HttpResponse {
    let version = drop_in.engine.info.version;
    HttpResponse::Ok().json(json!({"status": "healthy", "service": "seedcore-api", "version": version}))
}

/// The service card.
#[utoipa::path(tag = "System", responses((status = 200, description = "The service", body = Value)))]
#[get("/")]
pub(crate) async fn card(drop_in: web::Data<DropIn>) -> HttpResponse {
    let version = drop_in.engine.info.version;
    HttpResponse::Ok()
        .json(json!({"message": "SeedCore API", "version": version, "docs": "/docs", "health": "/health"}))
}
