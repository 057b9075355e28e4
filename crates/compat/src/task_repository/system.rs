//! What the service says of itself.

use actix_web::{HttpResponse, get, web};
use serde_json::json;

use crate::common::DropIn;

/// The service card.
#[utoipa::path(tag = "System", responses((status = 200, description = "The service", body = Value)))]
#[get("/")]
pub(crate) async fn card(drop_in: web::Data<DropIn>) -> HttpResponse {
    HttpResponse::Ok().json(json!({
        "service": "task_repository", "version": drop_in.engine.info.version, "status": "running",
        "docs": "/docs", "health": "/health",
    }))
}
