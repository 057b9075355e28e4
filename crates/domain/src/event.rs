//! Events: what subscribers are told of a committed change. `docs/EVENTS.md` documents the payloads.

use std::sync::Arc;

use chrono::{DateTime, SecondsFormat, Utc};
use serde::{Deserialize, Serialize};
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
    pub payload: Payload,
}

impl Event {
    /// The type of its task; `None` of an event that an older version wrote.
    pub fn task_type(&self) -> Option<String> {
        #[derive(Deserialize)]
        struct Named {
            task_type: String,
        }
        serde_json::from_str(self.payload.as_str()).ok().map(|named: Named| named.task_type)
    }
}

/// What an event tells: a JSON object, as text, because it is written once and from then on only passed on.
#[derive(Debug, Clone)]
pub struct Payload(Arc<str>);

impl Payload {
    /// What `value` is as JSON; an empty object when it has no such form.
    pub fn of(value: &impl Serialize) -> Self {
        Self(serde_json::to_string(value).unwrap_or_else(|_| "{}".to_owned()).into())
    }

    /// Of a text that a store has kept.
    pub fn from_stored(text: impl Into<Arc<str>>) -> Self {
        Self(text.into())
    }

    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The object; empty when the text is none.
    pub fn object(&self) -> JsonObject {
        serde_json::from_str(&self.0).unwrap_or_default()
    }
}

/// Stores may keep the fields in another order.
impl PartialEq for Payload {
    fn eq(&self, other: &Self) -> bool {
        *self.0 == *other.0 || self.object() == other.object()
    }
}

/// The fields of every payload, and what the type adds.
#[derive(Serialize)]
struct Told<'a> {
    event_id: Uuid,
    tenant_id: &'a TenantId,
    origin: Origin,
    seq: i64,
    occurred_at: String,
    task_id: &'a TaskId,
    user_id: &'a Option<UserId>,
    task_type: &'a str,
    #[serde(flatten)]
    data: &'a Value,
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
    /// `data`, an object, is what the type adds to the fields that every payload carries.
    pub(crate) fn new(
        task: &Task,
        event_type: EventType,
        event_id: Uuid,
        seq: i64,
        at: DateTime<Utc>,
        data: Value,
    ) -> Self {
        let payload = Payload::of(&Told {
            event_id,
            tenant_id: &task.tenant_id,
            origin: task.origin,
            seq,
            occurred_at: stamp(at),
            task_id: &task.task_id,
            user_id: &task.user_id,
            task_type: &task.task_type,
            data: &data,
        });
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
