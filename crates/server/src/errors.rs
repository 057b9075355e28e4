//! Every error of the canonical API: status codes and bodies in one place.

use actix_web::http::StatusCode;
use actix_web::http::header::{RETRY_AFTER, WWW_AUTHENTICATE};
use actix_web::{HttpResponse, ResponseError};
use serde_json::{Value, json};
use task_domain::decide::Rejection;
use task_protocols::StoreError;
use task_service::{Problem, ServiceError};

use crate::request_context::request_id;

/// One problem of the input, as the body lists it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldError {
    /// `["body", "config", "url"]`, `["query", "limit"]`, …
    pub loc: Vec<String>,
    pub msg: String,
    pub kind: &'static str,
}

impl FieldError {
    pub fn query(name: &str, msg: impl Into<String>) -> Self {
        Self { loc: vec!["query".into(), name.into()], msg: msg.into(), kind: "value_error" }
    }

    pub fn header(name: &str, msg: impl Into<String>) -> Self {
        Self { loc: vec!["header".into(), name.into()], msg: msg.into(), kind: "value_error" }
    }

    pub fn path(name: &str, msg: impl Into<String>) -> Self {
        Self { loc: vec!["path".into(), name.into()], msg: msg.into(), kind: "value_error" }
    }

    pub fn body(msg: impl Into<String>, kind: &'static str) -> Self {
        Self { loc: vec!["body".into()], msg: msg.into(), kind }
    }
}

impl From<Problem> for FieldError {
    fn from(problem: Problem) -> Self {
        let parts = problem.field.split('.').filter(|part| !part.is_empty());
        let loc = std::iter::once("body").chain(parts).map(str::to_owned).collect();
        Self { loc, msg: problem.message, kind: problem.kind }
    }
}

/// An answer that is not the one hoped for.
#[derive(Debug, thiserror::Error)]
pub enum ApiError {
    #[error("Invalid or missing authentication")]
    Unauthenticated,
    #[error("the input has problems")]
    Invalid(Vec<FieldError>),
    #[error("Unsupported content type; send application/json, uncompressed")]
    UnsupportedMediaType,
    #[error("Request body is larger than {limit} bytes")]
    TooLarge { limit: usize },
    #[error("Request headers are larger than {limit} bytes")]
    HeadersTooLarge { limit: usize },
    #[error(
        "Development mode answers to localhost, 127.0.0.1 and [::1] only, not to `{host}`; call it by one of these"
    )]
    OtherHost { host: String },
    #[error("The request body did not arrive in time")]
    SlowBody,
    /// As many streams as one instance serves are open.
    #[error("Too many open streams")]
    TooManyStreams,
    #[error("{detail}")]
    Gone { detail: &'static str },
    #[error("Not Found")]
    NoRoute,
    #[error("Method Not Allowed")]
    NoMethod { allowed: String },
    /// The documented outcome of a run that was waited for.
    #[error("Execution failed")]
    ExecutionFailed { error_code: String, execution_id: String },
    #[error(transparent)]
    Service(#[from] ServiceError),
    #[error("internal error")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        Self::Service(ServiceError::Store(error))
    }
}

impl ApiError {
    pub fn internal(source: impl std::error::Error + Send + Sync + 'static) -> Self {
        Self::Internal(Box::new(source))
    }

    /// Something that cannot be.
    pub(crate) fn bug(what: &'static str) -> Self {
        Self::Internal(what.into())
    }

    /// Status, stable code, and the body's own fields.
    fn parts(&self) -> (StatusCode, &'static str, Value) {
        let detail = json!({"detail": self.to_string()});
        match self {
            Self::Unauthenticated => (StatusCode::UNAUTHORIZED, "unauthenticated", detail),
            Self::Invalid(problems) => {
                (StatusCode::UNPROCESSABLE_ENTITY, "validation_error", json!({"detail": listed(problems)}))
            }
            Self::UnsupportedMediaType => (StatusCode::UNSUPPORTED_MEDIA_TYPE, "unsupported_media_type", detail),
            Self::TooLarge { .. } => (StatusCode::PAYLOAD_TOO_LARGE, "body_too_large", detail),
            Self::HeadersTooLarge { .. } => (StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "headers_too_large", detail),
            Self::OtherHost { .. } => (StatusCode::MISDIRECTED_REQUEST, "misdirected_request", detail),
            Self::SlowBody => (StatusCode::REQUEST_TIMEOUT, "request_timeout", detail),
            Self::TooManyStreams => (StatusCode::SERVICE_UNAVAILABLE, "too_many_streams", detail),
            Self::Gone { .. } => (StatusCode::GONE, "position_expired", detail),
            Self::NoRoute => (StatusCode::NOT_FOUND, "not_found", detail),
            Self::NoMethod { .. } => (StatusCode::METHOD_NOT_ALLOWED, "method_not_allowed", detail),
            Self::ExecutionFailed { error_code, execution_id } => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "execution_failed",
                json!({"detail": "Execution failed", "error_code": error_code, "execution_id": execution_id}),
            ),
            Self::Service(error) => service_parts(error),
            Self::Internal(_) => opaque(StatusCode::INTERNAL_SERVER_ERROR),
        }
    }
}

fn listed(problems: &[FieldError]) -> Vec<Value> {
    problems.iter().map(|p| json!({"loc": p.loc, "msg": p.msg, "type": p.kind})).collect()
}

/// No internals, ever: the log has them under the request id.
fn opaque(status: StatusCode) -> (StatusCode, &'static str, Value) {
    let code = if status == StatusCode::SERVICE_UNAVAILABLE { "unavailable" } else { "internal_error" };
    (status, code, json!({"detail": "Internal server error"}))
}

fn service_parts(error: &ServiceError) -> (StatusCode, &'static str, Value) {
    let message = error.to_string();
    match error {
        ServiceError::TaskNotFound { task_id } => {
            (StatusCode::NOT_FOUND, "task_not_found", json!({"detail": message, "task_id": task_id}))
        }
        ServiceError::ExecutionNotFound { execution_id } => {
            (StatusCode::NOT_FOUND, "execution_not_found", json!({"detail": message, "execution_id": execution_id}))
        }
        ServiceError::TemplateNotFound { template_id } => {
            (StatusCode::NOT_FOUND, "template_not_found", json!({"detail": message, "template_id": template_id}))
        }
        ServiceError::BrokenTemplate { .. } => opaque(StatusCode::INTERNAL_SERVER_ERROR),
        ServiceError::FactNotFound { fact_id } => {
            (StatusCode::NOT_FOUND, "fact_not_found", json!({"detail": message, "fact_id": fact_id}))
        }
        ServiceError::ConversationNotFound { conversation_id } => {
            let body = json!({"detail": message, "conversation_id": conversation_id});
            (StatusCode::NOT_FOUND, "conversation_not_found", body)
        }
        ServiceError::KeyNotFound { key_id } => {
            (StatusCode::NOT_FOUND, "key_not_found", json!({"detail": message, "key_id": key_id}))
        }
        ServiceError::Forbidden { action, required_level } => {
            let mut body = json!({"detail": message, "action": action});
            if let Some(level) = required_level {
                body["required_level"] = json!(level);
            }
            (StatusCode::FORBIDDEN, "permission_denied", body)
        }
        ServiceError::KeyEnded => (StatusCode::UNAUTHORIZED, "unauthenticated", json!({"detail": message})),
        ServiceError::NotHolder { task_id, .. } => {
            (StatusCode::FORBIDDEN, "not_holder", json!({"detail": message, "task_id": task_id}))
        }
        ServiceError::OtherTask { task_id, .. } => {
            (StatusCode::FORBIDDEN, "other_task", json!({"detail": message, "task_id": task_id}))
        }
        ServiceError::Invalid(problems) => {
            let problems: Vec<_> = problems.iter().cloned().map(FieldError::from).collect();
            (StatusCode::UNPROCESSABLE_ENTITY, "validation_error", json!({"detail": listed(&problems)}))
        }
        ServiceError::DuplicateTask { task_id } => {
            (StatusCode::CONFLICT, "duplicate_task", json!({"detail": message, "task_id": task_id}))
        }
        ServiceError::Rejected(Rejection::InvalidTransition { from, to, .. }) => {
            (StatusCode::CONFLICT, "invalid_transition", json!({"detail": message, "from": from, "to": to}))
        }
        ServiceError::Rejected(Rejection::LeaseLost(reason)) => {
            (StatusCode::CONFLICT, "lease_lost", json!({"detail": message, "reason": reason}))
        }
        ServiceError::NotClaimable { status, .. } => {
            (StatusCode::CONFLICT, "not_claimable", json!({"detail": message, "from": status, "to": "running"}))
        }
        ServiceError::Rejected(_) => (StatusCode::CONFLICT, "conflict", json!({"detail": message})),
        ServiceError::Limited { exceeded: limited, .. } => (
            StatusCode::TOO_MANY_REQUESTS,
            "limit_exceeded",
            json!({"detail": message, "limit_type": limited.limit_type, "limit": limited.limit, "used": limited.used}),
        ),
        ServiceError::KeyReused => (
            StatusCode::UNPROCESSABLE_ENTITY,
            "idempotency_key_reused",
            json!({"detail": [{"loc": ["header", "Idempotency-Key"], "msg": message, "type": "value_error"}]}),
        ),
        ServiceError::PreconditionFailed { version } => {
            (StatusCode::PRECONDITION_FAILED, "precondition_failed", json!({"detail": message, "version": version}))
        }
        ServiceError::Contended => (StatusCode::CONFLICT, "contended", json!({"detail": message})),
        ServiceError::Store(StoreError::Unavailable(_)) => opaque(StatusCode::SERVICE_UNAVAILABLE),
        ServiceError::Store(StoreError::Internal(_)) => opaque(StatusCode::INTERNAL_SERVER_ERROR),
    }
}

/// Seconds after which trying again may work.
fn retry_after(error: &ApiError) -> Option<i64> {
    match error {
        ApiError::Service(ServiceError::Limited { retry_after, .. }) => Some(*retry_after),
        ApiError::Service(ServiceError::Store(StoreError::Unavailable(_))) => Some(2),
        ApiError::Service(ServiceError::Contended) => Some(1),
        ApiError::TooManyStreams => Some(5),
        _ => None,
    }
}

impl ApiError {
    /// The body of the answer. What is our own fault is logged, once.
    pub(crate) fn body(&self) -> Value {
        let (status, code, mut body) = self.parts();
        self.log(status);
        body["code"] = json!(code);
        body["request_id"] = json!(request_id());
        body
    }

    /// The answer in another API's words: `shape` makes the body of status and `detail`.
    pub fn answer_as(&self, shape: impl FnOnce(StatusCode, Value) -> Value) -> HttpResponse {
        let (status, _, mut body) = self.parts();
        self.log(status);
        self.respond(status, shape(status, body["detail"].take()))
    }

    /// Whether a 5xx is an answer like any other: a run that failed, or one stream too many.
    pub(crate) fn is_outcome(&self) -> bool {
        matches!(self, Self::ExecutionFailed { .. } | Self::TooManyStreams)
    }

    fn log(&self, status: StatusCode) {
        if status.is_server_error() && !self.is_outcome() {
            tracing::error!(request_id = request_id(), error = self as &dyn std::error::Error, chain = %chain(self), "request failed");
        }
    }

    fn respond(&self, status: StatusCode, body: Value) -> HttpResponse {
        let mut response = HttpResponse::build(status);
        if let Some(seconds) = retry_after(self) {
            response.insert_header((RETRY_AFTER, seconds.to_string()));
        }
        if let Self::NoMethod { allowed } = self {
            response.insert_header((actix_web::http::header::ALLOW, allowed.as_str()));
        }
        if status == StatusCode::UNAUTHORIZED {
            // Every 401 has to say how to authenticate (RFC 9110); of our ways this is the one with a name.
            response.insert_header((WWW_AUTHENTICATE, "Bearer"));
        }
        response.json(body)
    }
}

impl ResponseError for ApiError {
    fn status_code(&self) -> StatusCode {
        self.parts().0
    }

    fn error_response(&self) -> HttpResponse {
        self.respond(self.status_code(), self.body())
    }
}

/// The causes of an error, outermost first.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        text.push_str(": ");
        text.push_str(&cause.to_string());
        source = cause.source();
    }
    text
}
