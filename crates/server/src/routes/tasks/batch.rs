//! `POST /api/v1/tasks/batch`.

use std::sync::Arc;

use actix_web::{HttpResponse, post, web};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::create::{CreateTask, read_task};
use super::dto::{ErrorDto, TaskDto};
use super::refs;
use crate::auth::Authenticated;
use crate::errors::ApiError;
use crate::fields::Fields;
use crate::json::JsonBody;
use crate::state::ApiState;

/// As many tasks as one call makes.
const MAX_BATCH: usize = 500;

/// Several new tasks.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreateBatch {
    /// 1 to 500, each as a create of its own would have it.
    #[schema(min_items = 1, max_items = 500)]
    tasks: Vec<CreateTask>,
}

/// What became of each.
#[derive(Serialize, ToSchema)]
pub(crate) struct BatchDto {
    /// In the order of the request.
    results: Vec<BatchItemDto>,
}

/// The new task, or why there is none.
#[derive(Serialize, ToSchema)]
pub(crate) struct BatchItemDto {
    #[serde(skip_serializing_if = "Option::is_none")]
    task: Option<TaskDto>,
    /// The body with which a create of its own would have been answered.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<ErrorDto>)]
    error: Option<Value>,
}

/// Creates up to 500 tasks. Each stands alone: what is wrong with one does not touch the others. A
/// task may carry a `ref`, and others name it as `{"ref": "…"}` in `depends_on`; tasks that wait for
/// each other in a circle, or for one that was not created, are refused.
#[utoipa::path(
    tag = "Tasks",
    request_body = CreateBatch,
    responses(
        (status = 200, description = "What became of each, in order", body = BatchDto),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 413, body = ErrorDto), (status = 415, body = ErrorDto), (status = 422, body = ErrorDto),
        (status = 503, body = ErrorDto),
    )
)]
#[post("/api/v1/tasks/batch")]
pub(crate) async fn create_batch(
    state: web::Data<ApiState>,
    caller: Authenticated,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let Authenticated(caller) = caller;
    state.tasks.allow_create(&caller)?;
    let mut fields = Fields::of_body(body.0, false)?;
    let mut items = fields.list("tasks", 1..=MAX_BATCH);
    fields.finish()?;
    refs::resolve(&mut items);
    let drafts = items.into_iter().map(|item| read_task(&state.tasks, &caller, Some(item))).collect();
    let tasks = Arc::clone(&state.tasks);
    let created = state.to_the_end(async move { Ok(tasks.create_many(&caller, drafts).await) }).await?;
    let results = created.into_iter().map(|outcome: Result<_, ApiError>| match outcome {
        Ok(task) => BatchItemDto { task: Some(TaskDto::from(task)), error: None },
        Err(error) => BatchItemDto { task: None, error: Some(error.body()) },
    });
    Ok(HttpResponse::Ok().json(BatchDto { results: results.collect() }))
}
