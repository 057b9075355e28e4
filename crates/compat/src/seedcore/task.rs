//! A task as SeedCore writes it, and where its parts are kept.
//!
//! `params` are the task's config, because they are the work; `domain` and `drift_score` are attributes.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use task_domain::{Execution, Task, TaskStatus};
use utoipa::ToSchema;

pub(super) const PARAMS: &str = "params";
pub(super) const DOMAIN: &str = "domain";
pub(super) const DRIFT_SCORE: &str = "drift_score";
/// The code of a failure whose details are the object that the organism returned.
const FAILED_ORGANISM: &str = "organism_failed";

/// Each word with the statuses that it stands for.
const WORDS: [(&str, &[TaskStatus]); 6] = [
    ("created", &[TaskStatus::Pending, TaskStatus::Scheduled, TaskStatus::Blocked, TaskStatus::Paused]),
    ("queued", &[TaskStatus::Queued]),
    ("running", &[TaskStatus::Running]),
    ("completed", &[TaskStatus::Completed]),
    ("failed", &[TaskStatus::Failed, TaskStatus::TimedOut]),
    ("cancelled", &[TaskStatus::Cancelled]),
];

/// The word for where a task stands.
pub(super) fn word(status: TaskStatus) -> &'static str {
    WORDS.iter().find(|(_, statuses)| statuses.contains(&status)).map_or("created", |(word, _)| word)
}

/// The statuses that a word stands for.
pub(super) fn statuses(word: &str) -> Result<Vec<TaskStatus>, String> {
    let known = WORDS.iter().find(|(known, _)| *known == word);
    let words = || WORDS.map(|(word, _)| word).join(", ");
    known.map(|(_, statuses)| statuses.to_vec()).ok_or_else(|| format!("must be one of: {}", words()))
}

/// A task.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TaskDto {
    /// A UUID.
    id: String,
    #[serde(rename = "type")]
    task_type: String,
    description: String,
    #[schema(value_type = Object)]
    params: Value,
    domain: Value,
    drift_score: Value,
    #[schema(example = "queued")]
    status: &'static str,
    /// What its worker or the organism returned.
    result: Value,
    error: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl TaskDto {
    /// `last` is the attempt that ended last.
    pub(super) fn new(task: Task, last: Option<Execution>) -> Self {
        let error = error(&task);
        let Task { mut attributes, mut config, .. } = task;
        let result = match task.status {
            TaskStatus::Completed => task.last_result.or_else(|| last.and_then(|execution| execution.result)),
            TaskStatus::Failed => last.and_then(|execution| execution.error_details).and_then(returned),
            _ => None,
        };
        Self {
            id: task.task_id.to_string(),
            task_type: task.task_type,
            description: task.description.unwrap_or_default(),
            params: config.remove(PARAMS).unwrap_or_else(|| json!({})),
            domain: attributes.remove(DOMAIN).unwrap_or_default(),
            drift_score: attributes.remove(DRIFT_SCORE).unwrap_or_else(|| json!(0.0)),
            status: word(task.status),
            result: result.unwrap_or_default(),
            error,
            created_at: task.created_at,
            updated_at: task.updated_at,
        }
    }
}

/// What an organism that did not succeed returned.
fn returned(details: Value) -> Option<Value> {
    match details {
        Value::Object(mut map) if map.get("code") == Some(&json!(FAILED_ORGANISM)) => map.remove("details"),
        _ => None,
    }
}

/// Why it failed, while that is where it stands.
fn error(task: &Task) -> Option<String> {
    let has_failed = matches!(task.status, TaskStatus::Failed | TaskStatus::TimedOut);
    task.last_error.clone().filter(|_| has_failed)
}

/// Where a task stands.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct StatusDto {
    id: String,
    #[schema(example = "running")]
    status: &'static str,
    updated_at: DateTime<Utc>,
    error: Option<String>,
}

impl From<Task> for StatusDto {
    fn from(task: Task) -> Self {
        Self {
            id: task.task_id.to_string(),
            status: word(task.status),
            updated_at: task.updated_at,
            error: error(&task),
        }
    }
}
