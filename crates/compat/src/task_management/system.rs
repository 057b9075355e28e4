//! What the service says of itself.

use actix_web::{HttpResponse, get};
use serde_json::json;

/// Liveness: the process answers.
#[utoipa::path(tag = "System", responses((status = 200, description = "It is alive", body = Value)))]
#[get("/health")]
pub(crate) async fn health() -> HttpResponse {
    HttpResponse::Ok().json(json!({"status": "healthy", "message": "Task management service is running"}))
}
