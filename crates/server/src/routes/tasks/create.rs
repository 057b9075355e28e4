//! `POST /api/v1/tasks`.

use actix_web::{HttpResponse, post, web};
use serde::Serialize;
use serde_json::{Map, Value};
use task_domain::{MAX_CONCURRENT, OnDependencyFailure, Origin, TaskId, UserId};
use task_service::{Caller, RequestKey, RunConstraints, TaskDraft, TaskService};
use utoipa::ToSchema;

use super::dto::{ErrorDto, TaskDto, created, task_response};
use super::idempotency::{IdempotencyKey, REPLAYED};
use crate::auth::Authenticated;
use crate::errors::{ApiError, FieldError};
use crate::fields::Fields;
use crate::json::JsonBody;
use crate::state::ApiState;

/// As many tasks as one may wait for.
const MAX_DEPENDENCIES: usize = 100;

/// A new task.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreateTask {
    /// 1–255 characters.
    #[schema(example = "My first task", min_length = 1, max_length = 255)]
    name: String,
    /// A built-in type, or with an API key any name that outside workers claim.
    #[schema(example = "echo", min_length = 1, max_length = 255)]
    task_type: String,
    #[schema(max_length = 10000)]
    description: Option<String>,
    /// `urgent`, `high`, `medium` (default), `low`, or 1 (most urgent) to 10.
    #[schema(value_type = Option<Value>, example = "medium")]
    priority: Option<Value>,
    /// What the type asks for.
    #[schema(value_type = Option<Object>)]
    config: Option<Map<String, Value>>,
    /// `{"type": "once"|"interval"|"daily"|"weekly"|"monthly"|"cron", …}`.
    #[schema(value_type = Option<Object>)]
    schedule: Option<Value>,
    #[schema(minimum = 0)]
    credits_per_run: Option<f64>,
    #[schema(max_items = 32)]
    tags: Option<Vec<String>>,
    #[schema(value_type = Option<Object>)]
    labels: Option<Map<String, Value>>,
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
    due_date: Option<chrono::DateTime<chrono::Utc>>,
    reminder_time: Option<chrono::DateTime<chrono::Utc>>,
    /// Deadline of a run, counted from when it was queued, seconds.
    #[schema(minimum = 1, maximum = 31536000)]
    timeout_seconds: Option<i64>,
    /// `{"max_attempts": 1, "backoff": "exponential"|"linear"|"fixed", "base_seconds": 1, "max_seconds": 300}`.
    #[schema(value_type = Option<Object>)]
    retry: Option<Value>,
    run_immediately: Option<bool>,
    /// Ids of tasks that must complete before it is queued; in a batch also `{"ref": "…"}`.
    #[schema(value_type = Option<Vec<Value>>, max_items = 100)]
    depends_on: Option<Vec<Value>>,
    /// When one of them does not complete: `fail` (default), or `run` when all have ended.
    #[schema(example = "fail")]
    on_dependency_failure: Option<String>,
    /// Tasks of one key run at most so many at once. Keys that begin with `type:` are the operator's.
    #[schema(min_length = 1, max_length = 255)]
    concurrency_key: Option<String>,
    /// It starts only while fewer tasks of its key run; 1 when only a key is given.
    #[schema(minimum = 1, maximum = 1000000)]
    max_concurrent: Option<i64>,
    /// In a batch: what others of the same batch call it in `depends_on`.
    #[serde(rename = "ref")]
    reference: Option<String>,
    /// 1–64 of letters, digits and `. _ : -`; a UUIDv7 when absent.
    task_id: Option<String>,
    /// Keys with scope `act_as_user` only.
    user_id: Option<String>,
    /// Keys only: `worker` leaves a built-in type to outside workers.
    handler: Option<String>,
}

/// Creates a task. With an `Idempotency-Key` it is safe to repeat for 24 hours: a repeat is answered
/// with the task that the first one made, as it stands.
#[utoipa::path(
    tag = "Tasks",
    params(("Idempotency-Key" = Option<String>, Header, description = "1–255 printable ASCII characters, the caller's own")),
    request_body = CreateTask,
    responses(
        (status = 201, description = "The task", body = TaskDto, headers(("Location" = String), ("ETag" = String), ("Idempotency-Replayed" = Option<String>, description = "`true` on a repeat"))),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 409, body = ErrorDto),
        (status = 404, description = "A repeat whose task was deleted since", body = ErrorDto),
        (status = 413, body = ErrorDto), (status = 415, body = ErrorDto),
        (status = 422, body = ErrorDto), (status = 429, body = ErrorDto), (status = 503, body = ErrorDto),
    )
)]
#[post("/api/v1/tasks")]
pub(crate) async fn create_task(
    state: web::Data<ApiState>,
    caller: Authenticated,
    key: IdempotencyKey,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let Authenticated(caller) = caller;
    let key = key.of(body.0.as_ref());
    let draft = read_task(&state.tasks, &caller, body.0)?;
    create_once(&state, caller, draft, key).await
}

/// Creates a task, or answers with the one that was made under the key before.
pub(super) async fn create_once(
    state: &ApiState,
    caller: Caller,
    draft: TaskDraft,
    key: Option<RequestKey>,
) -> Result<HttpResponse, ApiError> {
    let made = state.detached(|tasks| async move { tasks.create_once(&caller, draft, key).await }).await?;
    let mut response = created(&made.task);
    if made.replayed {
        response.insert_header((REPLAYED, "true"));
    }
    Ok(task_response(response, made.task))
}

/// Reads what one new task is to be, for every call that makes some; all its problems at once.
pub(super) fn read_task(tasks: &TaskService, caller: &Caller, body: Option<Value>) -> Result<TaskDraft, ApiError> {
    let mut fields = Fields::of_body(body, false)?;
    let draft = read_draft(&mut fields);
    if !draft.task_type.is_empty() {
        fields.extend(tasks.draft_problems(caller, &draft).into_iter().map(FieldError::from));
    }
    fields.finish()?;
    Ok(draft)
}

/// Reads a draft; problems are noted in `fields`.
fn read_draft(fields: &mut Fields) -> TaskDraft {
    fields.null_is_absent(&["priority", "tags", "labels", "retry", "credits_per_run"]);
    TaskDraft {
        name: fields.required_text("name", 1..=255),
        task_type: fields.required_text("task_type", 1..=255),
        task_id: fields.id("task_id", TaskId::new),
        user_id: fields.id("user_id", UserId::new),
        origin: Origin::TaskService,
        handler: fields.word("handler"),
        description: fields.text("description", 0..=10_000),
        config: fields.clearable_object("config").flatten().unwrap_or_default(),
        metadata: fields.clearable_object("metadata").flatten(),
        tags: fields.tags("tags").unwrap_or_default(),
        labels: fields.labels("labels").unwrap_or_default(),
        attributes: Map::new(),
        priority: fields.priority("priority").unwrap_or_default(),
        schedule: fields.schedule("schedule").flatten(),
        due_date: fields.instant("due_date").flatten(),
        reminder_time: fields.instant("reminder_time").flatten(),
        timeout_seconds: fields.whole("timeout_seconds", 1..=31_536_000).flatten(),
        retry: fields.retry("retry").unwrap_or_default(),
        credits_per_run: fields.amount("credits_per_run").unwrap_or_default(),
        run_immediately: fields.flag("run_immediately"),
        constraints: RunConstraints {
            depends_on: fields.ids("depends_on", MAX_DEPENDENCIES),
            on_dependency_failure: fields.word("on_dependency_failure").unwrap_or(OnDependencyFailure::Fail),
            concurrency_key: fields.text("concurrency_key", 1..=255),
            max_concurrent: fields
                .whole("max_concurrent", 1..=i64::from(MAX_CONCURRENT))
                .flatten()
                .and_then(|n| n.try_into().ok()),
        },
    }
}
