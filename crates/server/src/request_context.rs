//! The request id: accepted or generated, logged, returned, and part of every error body.

use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, web};
use uuid::Uuid;

use crate::state::ApiState;

pub(crate) const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");

/// Which API of this process an application serves; without it the canonical one.
#[derive(Debug, Clone, Copy)]
pub struct ApiName(pub &'static str);

tokio::task_local! {
    static CURRENT: String;
}

/// The id of the request that this code runs for.
pub(crate) fn request_id() -> Option<String> {
    CURRENT.try_with(Clone::clone).ok()
}

fn accepted(request: &ServiceRequest) -> Option<String> {
    let text = request.headers().get(REQUEST_ID)?.to_str().ok()?;
    let fine = (1..=128).contains(&text.len()) && text.chars().all(|c| c.is_ascii_alphanumeric() || "._:-".contains(c));
    fine.then(|| text.to_owned())
}

/// Labels must stay few, and a client may send any word as a method.
fn method_label(method: &Method) -> &'static str {
    const KNOWN: [&str; 7] = ["GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
    KNOWN.into_iter().find(|known| method.as_str() == *known).unwrap_or("OTHER")
}

/// Middleware: gives the request its id, counts it, logs it once.
pub async fn track(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let id = accepted(&request).unwrap_or_else(|| Uuid::now_v7().to_string());
    let state = request.app_data::<web::Data<ApiState>>().cloned();
    let method = method_label(request.method());
    let path = request.path().to_owned();
    let started = Instant::now();
    let mut response = CURRENT.scope(id.clone(), next.call(request)).await?;
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let status = response.status().as_u16();
    let elapsed = started.elapsed();
    // The pattern, not the path: labels must stay few.
    let mut route = response.request().match_pattern().unwrap_or_else(|| "unmatched".into());
    if let Some(ApiName(name)) = response.request().app_data() {
        route.insert_str(0, name);
    }
    if let Some(state) = state {
        state.metrics.observe(method, &route, status, elapsed);
    }
    let millis = elapsed.as_millis();
    if status >= 500 {
        tracing::error!(request_id = %id, %method, %path, status, millis, "request");
    } else {
        tracing::info!(request_id = %id, %method, %path, status, millis, "request");
    }
    Ok(response)
}
