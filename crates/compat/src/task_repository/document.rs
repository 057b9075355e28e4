//! A task as the Task Repository writes it, and where its parts are kept.
//!
//! `request` and `template` are the task's config, because they are the work; `tenant_id`,
//! `batch_id` and `tags` are attributes. What a client reports of a task that nobody holds is an
//! attribute, too, and shown until an execution ends after it.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value, json};
use task_domain::{Execution, JsonObject, Task, TaskStatus};
use utoipa::ToSchema;

pub(super) const TENANT_ID: &str = "tenant_id";
pub(super) const BATCH_ID: &str = "batch_id";
pub(super) const TAGS: &str = "tags";
/// `tags.service` once more, where lists look for it.
pub(super) const SERVICE: &str = "service";
pub(super) const REQUEST: &str = "request";
pub(super) const TEMPLATE: &str = "template";
/// What a client reported: `results`, `error`, `processor_id`, and `at`, when.
pub(super) const REPORTED: &str = "reported";
/// What a client may write for a status.
pub(super) const WORDS: &str = "must be one of: pending, processing, completed, failed, canceled";

/// The word for where a task stands.
pub(super) fn word(status: TaskStatus) -> &'static str {
    use TaskStatus::{Blocked, Cancelled, Completed, Failed, Paused, Pending, Queued, Running, Scheduled, TimedOut};
    match status {
        Pending | Scheduled | Blocked | Paused | Queued => "pending",
        Running => "processing",
        Completed => "completed",
        Failed | TimedOut => "failed",
        Cancelled => "canceled",
    }
}

/// The statuses that a word stands for.
pub(super) fn statuses(word: &str) -> Result<Vec<TaskStatus>, String> {
    match word {
        "pending" => Ok(TaskStatus::WAITING.to_vec()),
        "processing" => Ok(vec![TaskStatus::Running]),
        "completed" => Ok(vec![TaskStatus::Completed]),
        "failed" => Ok(vec![TaskStatus::Failed, TaskStatus::TimedOut]),
        "canceled" | "cancelled" => Ok(vec![TaskStatus::Cancelled]),
        _ => Err(WORDS.to_owned()),
    }
}

/// The status that a word sets.
pub(super) fn status(word: &str) -> Result<TaskStatus, String> {
    match word {
        "pending" => Ok(TaskStatus::Queued),
        other => statuses(other).map(|statuses| statuses[0]),
    }
}

/// A task.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Document {
    task_id: String,
    task_type: String,
    #[schema(example = "pending")]
    status: &'static str,
    /// 1 (most urgent) to 10.
    priority: i16,
    tenant_id: Value,
    batch_id: Value,
    request: Value,
    template: Value,
    tags: Value,
    metadata: Value,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    processor_id: Value,
    processing_started_at: Option<DateTime<Utc>>,
    results: Value,
    error: Value,
    completed_at: Option<DateTime<Utc>>,
}

impl Document {
    /// `last` is the execution that ended last, where the task has no current one.
    pub(super) fn new(task: Task, last: Option<Execution>) -> Self {
        let mut reported = reported(&task);
        let mut of_client = |name: &str| reported.remove(name);
        let Task { mut attributes, mut config, current, .. } = task;
        let mut attribute = |name: &str| attributes.remove(name);
        let object = || Value::Object(Map::new());
        // While it is queued nobody processes it.
        let shown = current.or(last).filter(|execution| execution.started_at.is_some());
        let results = task.last_result.or_else(|| shown.as_ref().and_then(|e| e.result.clone()));
        let results = results.filter(|_| task.status == TaskStatus::Completed);
        let has_failed = matches!(task.status, TaskStatus::Failed | TaskStatus::TimedOut);
        let worker = shown.as_ref().and_then(|e| e.worker_id.clone());
        let named = of_client("processor_id").filter(|_| task.status != TaskStatus::Running);
        Self {
            task_id: task.task_id.to_string(),
            task_type: task.task_type,
            status: word(task.status),
            priority: task.priority.number(),
            tenant_id: attribute(TENANT_ID).unwrap_or_default(),
            batch_id: attribute(BATCH_ID).unwrap_or_default(),
            request: config.remove(REQUEST).unwrap_or_default(),
            template: config.remove(TEMPLATE).unwrap_or_default(),
            tags: attribute(TAGS).unwrap_or_else(object),
            metadata: task.metadata.map_or_else(object, Value::Object),
            created_at: task.created_at,
            updated_at: task.updated_at,
            processor_id: named.unwrap_or_else(|| json!(worker)),
            processing_started_at: shown.as_ref().and_then(|e| e.started_at),
            results: of_client("results").or(results).unwrap_or_default(),
            error: of_client("error").unwrap_or_else(|| json!(task.last_error.filter(|_| has_failed))),
            completed_at: task.completed_at,
        }
    }
}

/// What a client reported, unless an execution has ended, or begun, since.
fn reported(task: &Task) -> JsonObject {
    let Some(Value::Object(reported)) = task.attributes.get(REPORTED) else { return JsonObject::new() };
    let at = reported.get("at").and_then(Value::as_str).and_then(|text| text.parse::<DateTime<Utc>>().ok());
    let started = task.current.as_ref().and_then(|execution| execution.started_at);
    if task.last_run_time.max(started) > at { JsonObject::new() } else { reported.clone() }
}
