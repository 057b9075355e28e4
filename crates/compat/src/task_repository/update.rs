//! Changing a task, and its status.

use std::sync::Arc;

use actix_web::{HttpResponse, patch, post, put, web};
use serde_json::{Value, json};
use task_domain::{JsonObject, Priority, TaskId, TaskStatus};
use task_server::plumbing::{ApiError, Fields, task_id};
use task_service::{Amendment, Caller, ServiceError, StatusReport};
use utoipa::ToSchema;

use super::document::{REPORTED, status};
use super::work::refusal;
use crate::common::{Answer, Authorised, Body, Detail, DropIn};

/// What may be changed; `metadata` is merged.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body in the OpenAPI document")]
pub(crate) struct Update {
    #[schema(example = "completed")]
    status: Option<String>,
    #[schema(minimum = 1, maximum = 10)]
    priority: Option<i64>,
    processor_id: Option<String>,
    #[schema(value_type = Option<Object>)]
    results: Option<Value>,
    error: Option<String>,
    #[schema(value_type = Option<Object>)]
    metadata: Option<Value>,
}

struct Asked {
    status: Option<TaskStatus>,
    edit: Amendment,
    /// `results`, `error` and `processor_id` as given.
    reported: JsonObject,
}

fn read(body: Option<Value>) -> Result<Asked, ApiError> {
    let mut fields = Fields::of_body(body, false)?;
    let status = fields.id("status", status);
    let priority = fields.whole("priority", 1..=10).flatten().and_then(Priority::from_number);
    let metadata = fields.clearable_object("metadata").flatten().unwrap_or_default();
    let mut reported = JsonObject::new();
    if let Some(results) = fields.take("results").flatten() {
        reported.insert("results".into(), results);
    }
    for name in ["error", "processor_id"] {
        if let Some(text) = fields.text(name, 0..=10_000) {
            reported.insert(name.into(), json!(text));
        }
    }
    fields.finish_leniently()?;
    Ok(Asked { status, edit: Amendment { priority, metadata, ..Amendment::default() }, reported })
}

/// Changes a task.
#[utoipa::path(
    tag = "Tasks",
    params(("task_id" = String, Path)),
    request_body = Update,
    responses(
        (status = 200, body = Value), (status = 401, body = Value), (status = 403, body = Value), (status = 404, body = Value),
        (status = 409, body = Value), (status = 422, body = Value),
    )
)]
#[put("/api/v1/tasks/{task_id}")]
pub(crate) async fn put_task(
    drop_in: web::Data<DropIn>,
    caller: Authorised<Detail>,
    id: web::Path<String>,
    body: Body<Detail>,
) -> Answer<Detail> {
    let (id, asked) = (task_id(&id)?, read(body.0)?);
    apply(drop_in, caller.0, id, asked).await
}

/// Sets the status.
#[utoipa::path(
    tag = "Tasks",
    params(("task_id" = String, Path)),
    request_body = Object,
    responses(
        (status = 200, body = Value), (status = 401, body = Value), (status = 404, body = Value), (status = 409, body = Value),
        (status = 422, body = Value),
    )
)]
#[patch("/api/v1/tasks/{task_id}/status")]
pub(crate) async fn patch_status(
    drop_in: web::Data<DropIn>,
    caller: Authorised<Detail>,
    id: web::Path<String>,
    body: Body<Detail>,
) -> Answer<Detail> {
    set_status(drop_in, caller.0, &id, body).await
}

/// Sets the status.
#[utoipa::path(
    tag = "Tasks",
    params(("task_id" = String, Path)),
    request_body = Object,
    responses(
        (status = 200, body = Value), (status = 401, body = Value), (status = 404, body = Value), (status = 409, body = Value),
        (status = 422, body = Value),
    )
)]
#[post("/api/v1/tasks/{task_id}/status")]
pub(crate) async fn post_status(
    drop_in: web::Data<DropIn>,
    caller: Authorised<Detail>,
    id: web::Path<String>,
    body: Body<Detail>,
) -> Answer<Detail> {
    set_status(drop_in, caller.0, &id, body).await
}

async fn set_status(drop_in: web::Data<DropIn>, caller: Caller, id: &str, body: Body<Detail>) -> Answer<Detail> {
    let id = task_id(id)?;
    let mut fields = Fields::of_body(body.0, false)?;
    let status = fields.required_id("status", status);
    fields.finish_leniently()?;
    apply(drop_in, caller, id, Asked { status, edit: Amendment::default(), reported: JsonObject::new() }).await
}

async fn apply(drop_in: web::Data<DropIn>, caller: Caller, id: TaskId, asked: Asked) -> Answer<Detail> {
    let engine = Arc::clone(&drop_in.engine);
    engine.to_the_end(async move { change(&drop_in, &caller, &id, asked).await }).await.map_err(refusal)?;
    Ok(HttpResponse::Ok().json(json!({"success": true, "message": "Task updated successfully"})))
}

async fn change(drop_in: &DropIn, caller: &Caller, id: &TaskId, asked: Asked) -> Result<(), ServiceError> {
    let Asked { status, mut edit, mut reported } = asked;
    let text = |name: &str| reported.get(name).and_then(Value::as_str).map(str::to_owned);
    if let Some(status) = status {
        let report = StatusReport {
            status,
            worker_id: text("processor_id").filter(|name| !name.is_empty()),
            result: reported.get("results").cloned(),
            error: text("error"),
            lease_seconds: drop_in.lease_seconds,
        };
        drop_in.tasks.report(caller, id, report).await?;
    }
    if !reported.is_empty() {
        reported.insert("at".into(), json!(drop_in.engine.store.now().await?));
        edit.attributes.insert(REPORTED.into(), Value::Object(reported));
    }
    drop_in.tasks.amend(caller, id, &edit).await.map(drop)
}
