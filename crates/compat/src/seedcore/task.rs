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
        let Task { mut attributes, mut config, .. } = task;
        let result = match task.status {
            TaskStatus::Completed => task.last_result,
            // What an organism that did not succeed returned.
            TaskStatus::Failed => last.and_then(|execution| execution.error_details).map(returned),
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
            error: task.last_error,
            created_at: task.created_at,
            updated_at: task.updated_at,
        }
    }
}

/// The details of a failure without the code that the engine keeps beside them.
fn returned(details: Value) -> Value {
    match details {
        Value::Object(mut map) if map.contains_key("code") => map.remove("details").unwrap_or_default(),
        other => other,
    }
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
            error: task.last_error,
        }
    }
}
