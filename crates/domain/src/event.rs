//! Events: what subscribers are told of a committed change. `docs/EVENTS.md` documents the payloads.

use chrono::{DateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::text_enum::text_enum;
use crate::{Execution, ExecutionStatus, JsonObject, Origin, Task, TaskId, TaskStatus, TenantId, UserId};

text_enum! {
    /// The kinds of event; the text is the end of the NATS subject.
    EventType {
        Created = "task.created",
        Updated = "task.updated",
        Deleted = "task.deleted",
        /// A run ended: completed, failed, timed out or cancelled.
        Executed = "task.executed",
        StatusChanged = "task.status_changed",
    }
}

/// One event, complete with its payload.
#[derive(Debug, Clone, PartialEq)]
pub struct Event {
    /// Stable for ever: what subscribers deduplicate by.
    pub event_id: Uuid,
    pub event_type: EventType,
    pub tenant_id: TenantId,
    pub task_id: TaskId,
    pub user_id: Option<UserId>,
    pub origin: Origin,
    /// Numbers the task's events 1, 2, 3… without holes.
    pub seq: i64,
    pub occurred_at: DateTime<Utc>,
    pub payload: JsonObject,
}

impl Event {
    /// The type of its task; `None` of an event that an older version wrote.
    pub fn task_type(&self) -> Option<&str> {
        self.payload.get("task_type").and_then(Value::as_str)
    }
}

/// Longest error or reason in a payload, in characters: an event must fit into a message of the bus.
const TEXT_LIMIT: usize = 1000;

/// The text's beginning, as far as an event carries it.
fn shortened(text: &str) -> &str {
    text.char_indices().nth(TEXT_LIMIT).map_or(text, |(end, _)| &text[..end])
}

/// Timestamps in payloads: RFC 3339, UTC, microseconds.
pub(crate) fn stamp(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Micros, true)
}

impl Event {
    /// `data` is what the type adds to the fields that every payload carries.
    pub(crate) fn new(
        task: &Task,
        event_type: EventType,
        event_id: Uuid,
        seq: i64,
        at: DateTime<Utc>,
        data: Value,
    ) -> Self {
        let mut payload = JsonObject::new();
        payload.insert("event_id".into(), json!(event_id));
        payload.insert("tenant_id".into(), json!(task.tenant_id));
        payload.insert("origin".into(), json!(task.origin));
        payload.insert("seq".into(), json!(seq));
        payload.insert("occurred_at".into(), json!(stamp(at)));
        payload.insert("task_id".into(), json!(task.task_id));
        payload.insert("user_id".into(), json!(task.user_id));
        payload.insert("task_type".into(), json!(task.task_type));
        if let Value::Object(data) = data {
            payload.extend(data);
        }
        Self {
            event_id,
            event_type,
            tenant_id: task.tenant_id.clone(),
            task_id: task.task_id.clone(),
            user_id: task.user_id.clone(),
            origin: task.origin,
            seq,
            occurred_at: at,
            payload,
        }
    }
}

pub(crate) fn created_data(task: &Task) -> Value {
    json!({
        "name": task.name,
        "priority": task.priority.name(),
        "status": task.status,
        "schedule": task.schedule.as_ref().map(crate::Schedule::to_json),
        "due_date": task.due_date.map(stamp),
    })
}

pub(crate) fn status_changed_data(
    from: TaskStatus,
    to: TaskStatus,
    execution_id: Option<Uuid>,
    reason: Option<&str>,
) -> Value {
    json!({"old_status": from, "new_status": to, "execution_id": execution_id, "reason": reason.map(shortened)})
}

/// `run` is how the run ended, `execution` its last attempt.
pub(crate) fn executed_data(execution: &Execution, run: ExecutionStatus) -> Value {
    json!({
        "execution_id": execution.execution_id,
        "status": run,
        "credits": execution.credits_consumed,
        "attempt": execution.attempt,
        "trigger_type": execution.trigger_type,
        "duration_ms": execution.duration_ms,
        "error": execution.error_message.as_deref().map(shortened),
    })
}
