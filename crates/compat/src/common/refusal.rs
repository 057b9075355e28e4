//! Answers that are not the one hoped for, in the words of the API that gives them.

use std::fmt;
use std::marker::PhantomData;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, ResponseError};
use serde_json::{Value, json};
use task_server::plumbing::ApiError;
use task_service::ServiceError;

/// How an API writes its errors.
pub(crate) trait Shape: 'static {
    /// The body of an error; `detail` is a sentence, or a list of `{loc, msg, type}`.
    fn body(status: StatusCode, detail: Value) -> Value;

    /// The status that stands for one of ours.
    fn status(status: StatusCode) -> StatusCode {
        status
    }
}

/// `{"detail": …}`, and nothing else.
pub(crate) struct Detail;

impl Shape for Detail {
    fn body(_: StatusCode, detail: Value) -> Value {
        json!({"detail": detail})
    }
}

/// An error in the shape of an API.
pub(crate) struct Refusal<S> {
    kind: Kind,
    shape: PhantomData<fn() -> S>,
}

#[derive(Debug)]
enum Kind {
    /// The API's own rule.
    Own(StatusCode, String),
    /// What every API of the process refuses.
    Shared(ApiError),
}

impl<S> Refusal<S> {
    pub(crate) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self { kind: Kind::Own(status, detail.into()), shape: PhantomData }
    }
}

impl<S, E: Into<ApiError>> From<E> for Refusal<S> {
    fn from(error: E) -> Self {
        Self { kind: Kind::Shared(error.into()), shape: PhantomData }
    }
}

/// What is wrong with a task's type is told of the field that this API calls `name`.
pub(crate) fn type_is(name: &'static str) -> impl Fn(ApiError) -> ApiError {
    move |error| match error {
        ApiError::Service(ServiceError::Invalid(mut problems)) => {
            for problem in problems.iter_mut().filter(|problem| problem.field == "task_type") {
                name.clone_into(&mut problem.field);
            }
            ApiError::Service(ServiceError::Invalid(problems))
        }
        other => other,
    }
}

impl<S> fmt::Debug for Refusal<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.kind.fmt(f)
    }
}

impl<S> fmt::Display for Refusal<S> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            Kind::Own(_, detail) => f.write_str(detail),
            Kind::Shared(error) => error.fmt(f),
        }
    }
}

impl<S: Shape> ResponseError for Refusal<S> {
    fn status_code(&self) -> StatusCode {
        match &self.kind {
            Kind::Own(status, _) => *status,
            Kind::Shared(error) => S::status(error.status_code()),
        }
    }

    fn error_response(&self) -> HttpResponse {
        match &self.kind {
            Kind::Own(status, detail) => HttpResponse::build(*status).json(S::body(*status, json!(detail))),
            Kind::Shared(error) => {
                let mut response = error.answer_as(S::body);
                *response.status_mut() = self.status_code();
                response
            }
        }
    }
}
