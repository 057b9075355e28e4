//! Creating, reading and deleting tasks.

use actix_web::{HttpResponse, delete, get, post, web};
use serde_json::{Map, Value, json};
use task_domain::{Handler, Origin, Priority, TaskId};
use task_server::plumbing::{ApiError, Fields, task_id};
use task_service::TaskDraft;
use utoipa::ToSchema;

use super::document::{BATCH_ID, Document, REQUEST, SERVICE, TAGS, TEMPLATE, TENANT_ID};
use crate::common::{Answer, Authorised, Body, Detail, DropIn};

/// A new task.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body in the OpenAPI document")]
pub(crate) struct NewTask {
    #[schema(max_length = 255)]
    task_type: String,
    #[schema(value_type = Object, example = json!({"content": {}, "metadata": {}}))]
    request: Value,
    #[schema(value_type = Object, example = json!({"service_type": "text", "template_data": {}, "parameters": {}}))]
    template: Value,
    #[schema(value_type = Option<Object>, example = json!({"service": "chat", "source": "web", "category": "x", "custom_tags": []}))]
    tags: Option<Value>,
    /// 1 (most urgent) to 10.
    #[schema(minimum = 1, maximum = 10, default = 5)]
    priority: Option<i64>,
    tenant_id: Option<String>,
    batch_id: Option<String>,
    #[schema(value_type = Option<Object>)]
    metadata: Option<Value>,
    task_id: Option<String>,
}

/// An old client may send more than it means: keys that mean nothing here are let be.
fn draft(body: Option<Value>) -> Result<TaskDraft, ApiError> {
    let mut fields = Fields::of_body(body, false)?;
    let task_type = fields.required_text("task_type", 1..=255);
    let request = fields.required_object(REQUEST);
    let template = fields.required_object(TEMPLATE);
    match template.get("service_type") {
        Some(Value::String(_)) => {}
        Some(_) => fields.problem("template.service_type", "must be a text", "value_error"),
        None => fields.problem("template.service_type", "is required", "missing"),
    }
    let mut attributes = Map::new();
    let tags = fields.clearable_object(TAGS).flatten().unwrap_or_default();
    match tags.get("service") {
        Some(Value::String(service)) => drop(attributes.insert(SERVICE.into(), json!(service))),
        None | Some(Value::Null) => {}
        Some(_) => fields.problem("tags.service", "must be a text", "value_error"),
    }
    attributes.insert(TAGS.into(), Value::Object(tags));
    for name in [TENANT_ID, BATCH_ID] {
        if let Some(text) = fields.text(name, 0..=255) {
            attributes.insert(name.into(), json!(text));
        }
    }
    let priority = fields.whole("priority", 1..=10).flatten().and_then(Priority::from_number).unwrap_or_default();
    let metadata = fields.clearable_object("metadata").flatten();
    let task_id = fields.id("task_id", TaskId::new);
    fields.finish_leniently()?;
    let mut config = Map::new();
    config.insert(REQUEST.into(), Value::Object(request));
    config.insert(TEMPLATE.into(), Value::Object(template));
    Ok(TaskDraft {
        task_id,
        handler: Some(Handler::Worker),
        config,
        metadata,
        attributes,
        priority,
        run_immediately: true,
        ..TaskDraft::new(Origin::TaskRepository, task_type.clone(), task_type)
    })
}

/// Creates a task; a worker may claim it at once.
#[utoipa::path(
    tag = "Tasks",
    request_body = NewTask,
    responses((status = 201, body = Value), (status = 401, body = Value), (status = 409, body = Value), (status = 422, body = Value))
)]
#[post("/api/v1/tasks")]
pub(crate) async fn create_task(
    drop_in: web::Data<DropIn>,
    caller: Authorised<Detail>,
    body: Body<Detail>,
) -> Answer<Detail> {
    let draft = draft(body.0)?;
    let tasks = drop_in.tasks.clone();
    let task = drop_in.engine.to_the_end(async move { tasks.create(&caller.0, draft).await }).await?;
    let body = json!({"task_id": task.task_id, "status": "created", "message": "Task created successfully"});
    Ok(HttpResponse::Created().json(body))
}

/// Reads a task.
#[utoipa::path(
    tag = "Tasks",
    params(("task_id" = String, Path)),
    responses((status = 200, body = Document), (status = 401, body = Value), (status = 404, body = Value))
)]
#[get("/api/v1/tasks/{task_id}")]
pub(crate) async fn get_task(
    drop_in: web::Data<DropIn>,
    caller: Authorised<Detail>,
    id: web::Path<String>,
) -> Answer<Detail> {
    let (task, last) = drop_in.tasks.get_with_last(&caller.0, &task_id(&id)?).await?;
    Ok(HttpResponse::Ok().json(Document::new(task, last)))
}

/// Deletes a task; a worker that has it is told at its next report.
#[utoipa::path(
    tag = "Tasks",
    params(("task_id" = String, Path)),
    responses((status = 200, body = Value), (status = 401, body = Value), (status = 404, body = Value))
)]
#[delete("/api/v1/tasks/{task_id}")]
pub(crate) async fn delete_task(
    drop_in: web::Data<DropIn>,
    caller: Authorised<Detail>,
    id: web::Path<String>,
) -> Answer<Detail> {
    let (tasks, id) = (drop_in.tasks.clone(), task_id(&id)?);
    drop_in.engine.to_the_end(async move { tasks.delete(&caller.0, &id).await }).await?;
    Ok(HttpResponse::Ok().json(json!({"success": true, "message": "Task deleted successfully"})))
}
