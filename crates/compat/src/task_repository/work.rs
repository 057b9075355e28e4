//! What workers do: claim, complete, fail. They name themselves and know no lease token.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, post, web};
use serde_json::{Value, json};
use task_domain::JsonObject;
use task_domain::decide::{Failure, Rejection, Report};
use task_server::plumbing::{ApiError, FieldError, Query, task_id};
use task_service::{NamedClaim, ServiceError};

use super::document::{Document, TENANT_ID, word};
use crate::common::{Answer, Authorised, Body, Detail, DropIn, Refusal, ResultBody};

const MAX_NAME: usize = 255;
const PROCESSOR_ID: &str = "processor_id";
const NO_MESSAGE: &str = "Error must contain 'message' field";

/// The old service's words for what the use cases refuse.
pub(super) fn refusal(error: ApiError) -> Refusal<Detail> {
    match error {
        ApiError::Service(ServiceError::NotHolder { .. }) => {
            Refusal::new(StatusCode::FORBIDDEN, "Processor ID mismatch")
        }
        ApiError::Service(ServiceError::OtherTask { .. }) => Refusal::new(StatusCode::FORBIDDEN, "Tenant ID mismatch"),
        ApiError::Service(ServiceError::Rejected(Rejection::InvalidTransition { action: "claim", from, .. })) => {
            Refusal::new(StatusCode::CONFLICT, format!("Task is already {}", word(from)))
        }
        ApiError::Service(ServiceError::Rejected(Rejection::InvalidTransition { from, .. })) => {
            Refusal::new(StatusCode::CONFLICT, format!("Task is not processing, status: {}", word(from)))
        }
        other => other.into(),
    }
}

/// A name in the body, if there is one.
fn named(body: &JsonObject, key: &str) -> Result<Option<String>, ApiError> {
    match body.get(key) {
        Some(Value::String(text)) if text.chars().count() <= MAX_NAME => {
            Ok(Some(text.clone()).filter(|text| !text.is_empty()))
        }
        None | Some(Value::Null) => Ok(None),
        Some(_) => {
            let (loc, msg) = (vec!["body".to_owned(), key.to_owned()], "must be a text of at most 255 characters");
            Err(ApiError::Invalid(vec![FieldError { loc, msg: msg.into(), kind: "value_error" }]))
        }
    }
}

fn object(body: Option<Value>) -> Result<JsonObject, ApiError> {
    match body {
        Some(Value::Object(map)) => Ok(map),
        None | Some(Value::Null) => Ok(JsonObject::new()),
        Some(_) => Err(ApiError::Invalid(vec![FieldError::body("must be a JSON object", "type_error")])),
    }
}

/// Who claims, and of which tenant the task must be: from the query, else the body.
fn claimer(query: &str, body: Option<Value>) -> Result<(Option<String>, Option<String>), ApiError> {
    let mut query = Query::of(query)?;
    let (processor_id, tenant_id) = (query.short_text(PROCESSOR_ID, MAX_NAME), query.short_text(TENANT_ID, MAX_NAME));
    query.finish_leniently()?;
    let body = object(body)?;
    let (own, service) = (named(&body, PROCESSOR_ID)?, named(&body, "service_id")?);
    Ok((processor_id.or(own).or(service), tenant_id.or(named(&body, TENANT_ID)?)))
}

/// Who reports, from the query, else the body, and what.
fn report(query: &str, body: Option<Value>) -> Result<(Option<String>, JsonObject), ApiError> {
    let mut query = Query::of(query)?;
    let processor_id = query.short_text(PROCESSOR_ID, MAX_NAME);
    query.finish_leniently()?;
    let mut body = object(body)?;
    let own = named(&body, PROCESSOR_ID)?;
    body.remove(PROCESSOR_ID);
    Ok((processor_id.or(own), body))
}

fn header<'r>(request: &'r HttpRequest, name: &str) -> Option<&'r str> {
    let text = request.headers().get(name)?.to_str().ok()?;
    (1..=MAX_NAME).contains(&text.len()).then_some(text)
}

/// Takes a task that waits.
#[utoipa::path(
    tag = "Work",
    params(
        ("task_id" = String, Path), ("processor_id" = Option<String>, Query), ("tenant_id" = Option<String>, Query),
        ("X-Service-ID" = Option<String>, Header),
    ),
    request_body = Option<Object>,
    responses(
        (status = 200, body = Document), (status = 401, body = Value), (status = 403, body = Value), (status = 404, body = Value),
        (status = 409, body = Value), (status = 422, body = Value),
    )
)]
#[post("/api/v1/tasks/{task_id}/claim")]
pub(crate) async fn claim_task(
    drop_in: web::Data<DropIn>,
    caller: Authorised<Detail>,
    request: HttpRequest,
    id: web::Path<String>,
    body: Body<Detail>,
) -> Answer<Detail> {
    let id = task_id(&id)?;
    let (processor_id, tenant_id) = claimer(request.query_string(), body.0)?;
    let named = processor_id.or_else(|| header(&request, "x-service-id").map(str::to_owned));
    let Some(worker_id) = named else {
        let message = "is required: in the query or the body, or as header X-Service-ID";
        return Err(ApiError::Invalid(vec![FieldError::query("processor_id", message)]).into());
    };
    let attribute = tenant_id.map(|tenant| (TENANT_ID, tenant));
    let claim = NamedClaim { worker_id, lease_seconds: drop_in.lease_seconds, attribute };
    let tasks = drop_in.tasks.clone();
    let claimed = drop_in.engine.to_the_end(async move { tasks.claim(&caller.0, &id, &claim).await }).await;
    Ok(HttpResponse::Ok().json(Document::new(claimed.map_err(refusal)?, None)))
}

/// The results of a report: the whole object, or what `result` or `results` alone holds.
fn results(mut body: JsonObject) -> Value {
    if body.len() == 1 {
        for name in ["result", "results"] {
            if let Some(results) = body.remove(name) {
                return results;
            }
        }
    }
    Value::Object(body)
}

/// Reports success.
#[utoipa::path(
    tag = "Work",
    params(("task_id" = String, Path), ("processor_id" = Option<String>, Query)),
    request_body = Object,
    responses(
        (status = 200, body = Value), (status = 401, body = Value), (status = 403, body = Value), (status = 404, body = Value),
        (status = 409, body = Value), (status = 422, body = Value),
    )
)]
#[post("/api/v1/tasks/{task_id}/complete")]
pub(crate) async fn complete_task(
    drop_in: web::Data<DropIn>,
    caller: Authorised<Detail>,
    request: HttpRequest,
    id: web::Path<String>,
    body: ResultBody<Detail>,
) -> Answer<Detail> {
    let id = task_id(&id)?;
    let (processor_id, body) = report(request.query_string(), body.0)?;
    let report = Report { result: results(body), ..Report::default() };
    let tasks = drop_in.tasks.clone();
    let done = async move { tasks.complete(&caller.0, &id, processor_id.as_deref(), report).await };
    drop_in.engine.to_the_end(done).await.map_err(refusal)?;
    Ok(HttpResponse::Ok().json(json!({"success": true, "message": "Task completed successfully"})))
}

/// `{"message"}`, `{"error": text}` or `{"error": {"message"}}`.
fn failure(body: &JsonObject) -> Option<Failure> {
    let given = |value: Option<&'_ Value>| value.filter(|value| !value.is_null()).cloned();
    let error = given(body.get("error"));
    let within = error.as_ref().and_then(|error| given(error.get("message")));
    let message = given(body.get("message")).or(within).or_else(|| error.clone())?;
    let details = error.filter(Value::is_object);
    Some(Failure { message: message.as_str()?.to_owned(), details, ..Failure::default() })
}

/// Reports failure.
#[utoipa::path(
    tag = "Work",
    params(("task_id" = String, Path), ("processor_id" = Option<String>, Query)),
    request_body = Object,
    responses(
        (status = 200, body = Value), (status = 400, body = Value), (status = 401, body = Value), (status = 403, body = Value),
        (status = 404, body = Value), (status = 409, body = Value), (status = 422, body = Value),
    )
)]
#[post("/api/v1/tasks/{task_id}/fail")]
pub(crate) async fn fail_task(
    drop_in: web::Data<DropIn>,
    caller: Authorised<Detail>,
    request: HttpRequest,
    id: web::Path<String>,
    body: Body<Detail>,
) -> Answer<Detail> {
    let id = task_id(&id)?;
    let (processor_id, body) = report(request.query_string(), body.0)?;
    let failure = failure(&body).ok_or_else(|| Refusal::new(StatusCode::BAD_REQUEST, NO_MESSAGE))?;
    let tasks = drop_in.tasks.clone();
    let failed = async move { tasks.fail(&caller.0, &id, processor_id.as_deref(), failure).await };
    drop_in.engine.to_the_end(failed).await.map_err(refusal)?;
    Ok(HttpResponse::Ok().json(json!({"success": true, "message": "Task marked as failed"})))
}
