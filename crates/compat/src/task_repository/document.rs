//! A task as the Task Repository writes it, and where its parts are kept.
//!
//! `request` and `template` are the task's config, because they are the work; `tenant_id`,
//! `batch_id` and `tags` are attributes.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value, json};
use task_domain::{Execution, Task, TaskStatus};
use utoipa::ToSchema;

pub(super) const TENANT_ID: &str = "tenant_id";
pub(super) const BATCH_ID: &str = "batch_id";
pub(super) const TAGS: &str = "tags";
/// `tags.service` once more, where lists look for it.
pub(super) const SERVICE: &str = "service";
pub(super) const REQUEST: &str = "request";
pub(super) const TEMPLATE: &str = "template";

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
    processor_id: Option<String>,
    processing_started_at: Option<DateTime<Utc>>,
    results: Value,
    error: Option<String>,
    completed_at: Option<DateTime<Utc>>,
}

impl Document {
    /// `last` is the attempt that ended last, where the task has no current one.
    pub(super) fn new(task: Task, last: Option<Execution>) -> Self {
        let Task { mut attributes, mut config, current, .. } = task;
        let mut attribute = |name: &str| attributes.remove(name);
        let (tenant_id, batch_id, tags) = (attribute(TENANT_ID), attribute(BATCH_ID), attribute(TAGS));
        let object = || Value::Object(Map::new());
        // While it is queued nobody processes it.
        let shown = current.or(last).filter(|e| e.started_at.is_some());
        let results = task.last_result.or_else(|| shown.as_ref().and_then(|e| e.result.clone()));
        Self {
            task_id: task.task_id.to_string(),
            task_type: task.task_type,
            status: word(task.status),
            priority: task.priority.number(),
            tenant_id: json!(tenant_id),
            batch_id: json!(batch_id),
            request: json!(config.remove(REQUEST)),
            template: json!(config.remove(TEMPLATE)),
            tags: tags.unwrap_or_else(object),
            metadata: task.metadata.map_or_else(object, Value::Object),
            created_at: task.created_at,
            updated_at: task.updated_at,
            processor_id: shown.as_ref().and_then(|e| e.worker_id.clone()),
            processing_started_at: shown.as_ref().and_then(|e| e.started_at),
            results: results.unwrap_or_default(),
            error: task.last_error,
            completed_at: task.completed_at,
        }
    }
}
