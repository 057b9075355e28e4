//! A task as the Task Tracker writes it.

use serde::Serialize;
use serde_json::{Map, Value, json};
use task_domain::{Execution, Task, TaskId, TaskStatus};
use task_protocols::ProgressEntry;
use task_service::{Caller, ServiceError};
use utoipa::ToSchema;

use super::input::PARAMS;
use super::shape::{stamp, word};
use crate::common::DropIn;

/// A task.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(super) struct Row {
    id: String,
    task_type: String,
    #[schema(example = "in_progress")]
    status: &'static str,
    metadata: Value,
    params: Value,
    result: Value,
    error: Value,
    /// Null while the task is active, then its entries.
    progress_history: Value,
    timeout_seconds: Option<i64>,
    worker_id: Option<String>,
    original_task_id: Option<String>,
    retry_count: i32,
    created_at: String,
    updated_at: String,
    started_at: Option<String>,
    completed_at: Option<String>,
    /// Creation and `timeoutSeconds`; never moves.
    timeout_at: Option<String>,
}

impl Row {
    /// The task with what its last attempt left, when it is at rest.
    pub(super) async fn read(drop_in: &DropIn, caller: &Caller, id: &TaskId) -> Result<Self, ServiceError> {
        let (task, last) = drop_in.tasks.get_with_last(caller, id).await?;
        if !task.status.is_terminal() {
            return Ok(Self::new(task, None, Value::Null));
        }
        let entries = drop_in.tasks.progress_of(&task).await?;
        let entries: Vec<Value> = entries.iter().map(entry).collect();
        Ok(Self::new(task, last, json!(entries)))
    }

    pub(super) fn new(task: Task, last: Option<Execution>, progress_history: Value) -> Self {
        let timeout_at = timeout_at(&task);
        let Task { status, mut config, current, .. } = task;
        let shown = current.or(last);
        let outcome = shown.as_ref().filter(|_| status.is_terminal());
        let message = outcome.and_then(|e| e.error_message.as_deref()).or(task.last_error.as_deref());
        let error = error(status, message, outcome.and_then(|e| e.error_details.as_ref()));
        Self {
            id: task.task_id.to_string(),
            task_type: task.task_type,
            status: word(status),
            metadata: json!(task.metadata),
            params: config.remove(PARAMS).unwrap_or_default(),
            result: task.last_result.filter(|_| status == TaskStatus::Completed).unwrap_or_default(),
            error: error.unwrap_or_default(),
            progress_history,
            timeout_seconds: task.timeout_seconds,
            worker_id: shown.as_ref().and_then(|e| e.worker_id.clone()).filter(|name| !name.is_empty()),
            original_task_id: task.original_task_id.map(|id| id.to_string()),
            retry_count: task.retry_count,
            created_at: stamp(task.created_at),
            updated_at: stamp(task.updated_at),
            started_at: shown.as_ref().and_then(|e| e.started_at).map(stamp),
            completed_at: task.completed_at.map(stamp),
            timeout_at,
        }
    }
}

/// Creation and timeout, wherever the task stands.
pub(super) fn timeout_at(task: &Task) -> Option<String> {
    let timeout = chrono::Duration::try_seconds(task.timeout_seconds?)?;
    task.created_at.checked_add_signed(timeout).map(stamp)
}

/// The error of a task that failed: the object that its worker gave, else the message.
pub(super) fn error(status: TaskStatus, message: Option<&str>, details: Option<&Value>) -> Option<Value> {
    match status {
        TaskStatus::Cancelled => Some(json!({"message": "cancelled"})),
        TaskStatus::Failed => {
            let given = details.and_then(|details| details.get("details")).filter(|given| given.is_object());
            given.cloned().or_else(|| message.map(|message| json!({"message": message})))
        }
        _ => None,
    }
}

/// A progress entry: its number, and what the worker reported.
pub(super) fn numbered(entry: &ProgressEntry) -> Map<String, Value> {
    let mut data = entry.data.clone();
    data.insert("seqId".into(), json!(entry.seq_id));
    data
}

fn entry(entry: &ProgressEntry) -> Value {
    let mut data = numbered(entry);
    data.insert("timestamp".into(), json!(stamp(entry.timestamp)));
    Value::Object(data)
}
