//! Changing a task, and its status.

use actix_web::{HttpResponse, patch, post, put, web};
use serde_json::{Value, json};
use task_domain::{JsonObject, Priority, TaskId, TaskStatus};
use task_server::plumbing::{ApiError, Fields, task_id};
use task_service::{Amendment, Caller, Said, StatusReport};
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

#[derive(Default)]
struct Asked {
    status: Option<TaskStatus>,
    processor_id: Option<String>,
    results: Option<Value>,
    error: Option<String>,
    edit: Amendment,
}

impl Asked {
    fn said(&self, lease_seconds: i64) -> Said {
        let Some(status) = self.status else { return Said::Nothing };
        let (result, error) = (self.results.clone(), self.error.clone());
        Said::Reported(StatusReport { status, result, error, lease_seconds })
    }
}

fn read(body: Option<Value>) -> Result<Asked, ApiError> {
    let mut fields = Fields::of_body(body, false)?;
    let status = fields.id("status", status);
    let priority = fields.whole("priority", 1..=10).flatten().and_then(Priority::from_number);
    let metadata = fields.clearable_object("metadata").flatten().unwrap_or_default();
    let results = fields.take("results").flatten();
    let error = fields.text("error", 0..=10_000);
    let processor_id = fields.text("processor_id", 0..=255).filter(|name| !name.is_empty());
    fields.finish_leniently()?;
    let said = [("results", results.clone()), ("error", error.clone().map(Value::String))];
    let said = said.into_iter().chain([("processor_id", processor_id.clone().map(Value::String))]);
    let reported: JsonObject = said.filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    let noted = (!reported.is_empty()).then_some((REPORTED, reported));
    let edit = Amendment { priority, metadata, noted, ..Amendment::default() };
    Ok(Asked { status, processor_id, results, error, edit })
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
        (status = 200, body = Value), (status = 401, body = Value), (status = 403, body = Value), (status = 404, body = Value),
        (status = 409, body = Value), (status = 422, body = Value),
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
        (status = 200, body = Value), (status = 401, body = Value), (status = 403, body = Value), (status = 404, body = Value),
        (status = 409, body = Value), (status = 422, body = Value),
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
    apply(drop_in, caller, id, Asked { status, ..Asked::default() }).await
}

async fn apply(drop_in: web::Data<DropIn>, caller: Caller, id: TaskId, asked: Asked) -> Answer<Detail> {
    let (tasks, said) = (drop_in.tasks.clone(), asked.said(drop_in.lease_seconds));
    let put = async move { tasks.put(&caller, &id, asked.processor_id.as_deref(), &said, &asked.edit).await };
    drop_in.engine.to_the_end(put).await.map_err(refusal)?;
    Ok(HttpResponse::Ok().json(json!({"success": true, "message": "Task updated successfully"})))
}
