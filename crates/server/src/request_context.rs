//! The request id: accepted or generated, logged, returned, and part of every error body.

use std::time::Instant;

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::middleware::Next;
use actix_web::{Error, web};
use uuid::Uuid;

use crate::errors::ApiError;
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
    let millis = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    let failure = response.response().error().and_then(|error| error.as_error::<ApiError>());
    // A run that failed is what a caller is told, not trouble of the service.
    if status >= 500 && !failure.is_some_and(ApiError::is_outcome) {
        tracing::error!(request_id = %id, %method, %path, status, millis, "request");
    } else {
        tracing::info!(request_id = %id, %method, %path, status, millis, "request");
    }
    Ok(response)
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::sync::{Arc, Mutex};

    use actix_web::middleware::from_fn;
    use actix_web::{App, HttpResponse, test};
    use serde_json::{Value, json};

    use super::*;

    /// Where a test reads what was logged.
    #[derive(Clone, Default)]
    struct Log(Arc<Mutex<Vec<u8>>>);

    impl io::Write for Log {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            self.0.lock().unwrap().write(bytes)
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    impl Log {
        fn lines(&self) -> Vec<Value> {
            let bytes = self.0.lock().unwrap();
            bytes.split(|byte| *byte == b'\n').filter_map(|line| serde_json::from_slice(line).ok()).collect()
        }
    }

    async fn answer(path: web::Path<String>) -> Result<HttpResponse, ApiError> {
        match path.as_str() {
            "fine" => Ok(HttpResponse::Ok().finish()),
            "failed" => Err(ApiError::ExecutionFailed { error_code: "timeout".into(), execution_id: "e".into() }),
            _ => Err(ApiError::bug("it broke")),
        }
    }

    #[actix_web::test]
    async fn only_trouble_of_the_service_is_logged_as_an_error() {
        let log = Log::default();
        let writer = log.clone();
        let subscriber =
            tracing_subscriber::fmt().json().flatten_event(true).with_writer(move || writer.clone()).finish();
        let _logging = tracing::subscriber::set_default(subscriber);
        let app = App::new().route("/{outcome}", web::get().to(answer)).wrap(from_fn(track));
        let app = test::init_service(app).await;
        for (path, status, level) in [("/fine", 200, "INFO"), ("/failed", 500, "INFO"), ("/broken", 500, "ERROR")] {
            let answer = test::call_service(&app, test::TestRequest::get().uri(path).to_request()).await;
            assert_eq!(answer.status().as_u16(), status);
            let line = log.lines().pop().unwrap();
            assert_eq!((&line["level"], &line["path"]), (&json!(level), &json!(path)), "{line}");
            assert!(line["millis"].is_u64(), "{line}");
        }
    }
}
