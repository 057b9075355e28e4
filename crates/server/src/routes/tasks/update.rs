//! `PUT` and `PATCH /api/v1/tasks/{task_id}`: both change only the keys given.

use actix_web::{HttpResponse, patch, put, web};
use serde::Serialize;
use serde_json::{Map, Value};
use task_domain::TaskPatch;
use utoipa::ToSchema;

use super::dto::{ErrorDto, TaskDto, task_response};
use super::if_match::IfMatch;
use crate::auth::Authenticated;
use crate::errors::ApiError;
use crate::fields::Fields;
use crate::json::JsonBody;
use crate::routes::query::task_id;
use crate::state::ApiState;

/// An edit; keys that are absent stay as they are, `null` clears what can be empty.
#[derive(Serialize, ToSchema)]
pub(crate) struct UpdateTask {
    #[schema(value_type = String, required = false, min_length = 1, max_length = 255)]
    name: Option<String>,
    description: Option<String>,
    #[schema(value_type = Value, required = false)]
    priority: Option<Value>,
    #[schema(value_type = Object, required = false)]
    config: Option<Map<String, Value>>,
    #[schema(value_type = Option<Object>)]
    schedule: Option<Value>,
    #[schema(value_type = f64, required = false)]
    credits_per_run: Option<f64>,
    #[schema(value_type = Vec<String>, required = false)]
    tags: Option<Vec<String>>,
    #[schema(value_type = Object, required = false)]
    labels: Option<Map<String, Value>>,
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
    next_run_time: Option<chrono::DateTime<chrono::Utc>>,
    due_date: Option<chrono::DateTime<chrono::Utc>>,
    reminder_time: Option<chrono::DateTime<chrono::Utc>>,
    timeout_seconds: Option<i64>,
    #[schema(value_type = Object, required = false)]
    retry: Option<Value>,
    /// Moves the task, where its state allows.
    status: Option<String>,
}

/// Edits a task.
#[utoipa::path(
    tag = "Tasks",
    params(("task_id" = String, Path), ("If-Match" = Option<String>, Header, description = "ETags of the reads that the change builds on")),
    request_body = UpdateTask,
    responses(
        (status = 200, description = "The task after the edit", body = TaskDto),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 404, body = ErrorDto), (status = 409, body = ErrorDto),
        (status = 412, description = "`If-Match` names another version", body = ErrorDto), (status = 413, body = ErrorDto), (status = 415, body = ErrorDto),
        (status = 422, body = ErrorDto), (status = 429, body = ErrorDto), (status = 503, body = ErrorDto),
    )
)]
#[put("/api/v1/tasks/{task_id}")]
pub(crate) async fn put_task(
    state: web::Data<ApiState>,
    caller: Authenticated,
    id: web::Path<String>,
    condition: IfMatch,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    update(&state, caller, &id, condition, body).await
}

/// Edits a task; the same as PUT.
#[utoipa::path(
    tag = "Tasks",
    params(("task_id" = String, Path), ("If-Match" = Option<String>, Header, description = "ETags of the reads that the change builds on")),
    request_body = UpdateTask,
    responses(
        (status = 200, description = "The task after the edit", body = TaskDto),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 404, body = ErrorDto), (status = 409, body = ErrorDto),
        (status = 412, description = "`If-Match` names another version", body = ErrorDto), (status = 413, body = ErrorDto), (status = 415, body = ErrorDto),
        (status = 422, body = ErrorDto), (status = 429, body = ErrorDto), (status = 503, body = ErrorDto),
    )
)]
#[patch("/api/v1/tasks/{task_id}")]
pub(crate) async fn patch_task(
    state: web::Data<ApiState>,
    caller: Authenticated,
    id: web::Path<String>,
    condition: IfMatch,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    update(&state, caller, &id, condition, body).await
}

async fn update(
    state: &ApiState,
    caller: Authenticated,
    id: &str,
    condition: IfMatch,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let id = task_id(id)?;
    let mut fields = Fields::of_body(body.0, false)?;
    let patch = read_patch(&mut fields);
    fields.finish()?;
    let task = state.detached(|tasks| async move { tasks.update(&caller.0, &id, &patch, &condition.0).await }).await?;
    Ok(task_response(HttpResponse::Ok(), task))
}

fn read_patch(fields: &mut Fields) -> TaskPatch {
    TaskPatch {
        name: fields.kept_text("name", 1..=255),
        description: fields.clearable_text("description", 0..=10_000),
        config: fields.object("config"),
        metadata: fields.clearable_object("metadata"),
        tags: fields.tags("tags"),
        labels: fields.labels("labels"),
        priority: fields.priority("priority"),
        schedule: fields.schedule("schedule"),
        next_run_time: fields.instant("next_run_time"),
        due_date: fields.instant("due_date"),
        reminder_time: fields.instant("reminder_time"),
        timeout_seconds: fields.whole("timeout_seconds", 1..=31_536_000),
        retry: fields.retry("retry"),
        credits_per_run: fields.amount("credits_per_run"),
        attributes: None,
        status: fields.word("status"),
    }
}
