//! `POST /api/v1/tasks/from-template`.

use actix_web::{HttpResponse, post, web};
use serde::Serialize;
use serde_json::{Map, Value};
use task_service::ServiceError;
use utoipa::ToSchema;

use super::create::{create_once, read_task};
use super::dto::{ErrorDto, TaskDto};
use super::idempotency::IdempotencyKey;
use crate::auth::Authenticated;
use crate::errors::{ApiError, FieldError};
use crate::fields::Fields;
use crate::json::JsonBody;
use crate::state::ApiState;

/// Which template, and what goes into it.
#[derive(Serialize, ToSchema)]
pub(crate) struct FromTemplate {
    #[schema(example = "tpl_todo_basic")]
    template_id: String,
    /// `name`, `description`, `priority`, `tags`, `metadata`, `schedule`, `due_date`, `reminder_time`,
    /// the template's own fields, and `config`, which is laid over the template's defaults.
    #[schema(value_type = Option<Object>, example = json!({"name": "Buy milk", "due_date": "2030-01-31T18:00:00Z"}))]
    customization: Option<Map<String, Value>>,
}

/// Creates a task from a template. Filling exactly the required fields always makes a valid task.
#[utoipa::path(
    tag = "Templates",
    params(("Idempotency-Key" = Option<String>, Header, description = "1–255 printable ASCII characters, the caller's own")),
    request_body = FromTemplate,
    responses(
        (status = 201, description = "The task", body = TaskDto, headers(("Location" = String), ("ETag" = String), ("Idempotency-Replayed" = Option<String>, description = "`true` on a repeat"))),
        (status = 401, body = ErrorDto), (status = 403, description = "Action `use_template`: `required_level` says which level may use it", body = ErrorDto),
        (status = 404, body = ErrorDto), (status = 409, body = ErrorDto), (status = 413, body = ErrorDto), (status = 415, body = ErrorDto),
        (status = 422, description = "Names each field that is missing", body = ErrorDto), (status = 429, body = ErrorDto), (status = 503, body = ErrorDto),
    )
)]
#[post("/api/v1/tasks/from-template")]
pub(crate) async fn create_from_template(
    state: web::Data<ApiState>,
    caller: Authenticated,
    key: IdempotencyKey,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let Authenticated(caller) = caller;
    let key = key.of(body.0.as_ref());
    let mut fields = Fields::of_body(body.0, false)?;
    let template_id = fields.required_text("template_id", 1..=255);
    let customization = fields.clearable_object("customization").flatten().unwrap_or_default();
    fields.finish()?;
    let task = state.templates.fill(&caller, &template_id, customization).await?;
    let draft = read_task(&state.tasks, &caller, Some(Value::Object(task))).map_err(of_customization)?;
    create_once(&state, caller, draft, key).await.map_err(of_customization)
}

/// Problems of the task that was filled in stand where its caller wrote.
fn of_customization(error: ApiError) -> ApiError {
    let problems = match error {
        ApiError::Invalid(problems) => problems,
        ApiError::Service(ServiceError::Invalid(problems)) => problems.into_iter().map(FieldError::from).collect(),
        other => return other,
    };
    let placed = problems.into_iter().map(|mut problem| {
        problem.loc.insert(1.min(problem.loc.len()), "customization".to_owned());
        problem
    });
    ApiError::Invalid(placed.collect())
}
