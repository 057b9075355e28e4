//! `task_history` and `outbox_events`: what every change leaves behind.

use diesel::prelude::*;
use serde_json::Value;
use task_domain::decide::Change;
use task_domain::{Event, EventType, ExecutionStatus, HistoryEntry, Origin, TaskId, TaskStatus, TenantId, UserId};
use task_protocols::{HistoryRecord, OutboxEvent, StatusChange};

use crate::columns::{Id, Json, Passed, Stamp, Word};

/// A row to add; its id is the table's own.
#[derive(Debug, Clone)]
pub(crate) struct HistoryRow {
    pub(crate) tenant_id: String,
    /// The task's bigint id.
    pub(crate) task_id: i64,
    pub(crate) action: String,
    pub(crate) actor: String,
    pub(crate) from_status: Option<Word<TaskStatus>>,
    pub(crate) to_status: Word<TaskStatus>,
    pub(crate) reason: Option<String>,
    pub(crate) execution_id: Option<Id>,
    pub(crate) occurred_at: Stamp,
    /// How the attempt ended that this command ended.
    pub(crate) ended: Option<Word<ExecutionStatus>>,
    /// Progress entries of the task before this command.
    pub(crate) progress_seq: i64,
}

impl HistoryRow {
    pub(crate) fn new(task: i64, change: &Change, progress_seq: i64) -> Self {
        let entry = &change.history;
        Self {
            tenant_id: entry.tenant_id.as_str().to_owned(),
            task_id: task,
            action: entry.action.clone(),
            actor: entry.actor.clone(),
            from_status: entry.from_status.map(Word),
            to_status: Word(entry.to_status),
            reason: entry.reason.clone(),
            execution_id: entry.execution_id.map(Id),
            occurred_at: Stamp(entry.occurred_at),
            ended: change.finished.as_ref().map(|execution| Word(execution.status)),
            progress_seq,
        }
    }
}

/// A stored row, by position.
#[derive(Debug, Clone, Queryable)]
pub(crate) struct HistoryRecordRow {
    tenant_id: String,
    _task_id: i64,
    id: i64,
    action: String,
    actor: String,
    from_status: Option<Word<TaskStatus>>,
    to_status: Word<TaskStatus>,
    reason: Option<String>,
    execution_id: Option<Id>,
    occurred_at: Stamp,
    ended: Option<Word<ExecutionStatus>>,
    progress_seq: i64,
}

/// What an ended attempt left: id, result, error message and details.
pub(crate) type OutcomeRow = (Id, Option<Json<Value>>, Option<String>, Option<Json<Value>>);

impl HistoryRecordRow {
    /// The attempt that this command ended.
    pub(crate) fn ended_execution(&self) -> Option<Id> {
        self.execution_id.filter(|_| self.ended.is_some())
    }

    /// The row as a change of status; `outcomes` holds what its attempt left, if it is kept.
    pub(crate) fn into_change(self, outcomes: &[OutcomeRow]) -> StatusChange {
        let ended = self.ended_execution();
        let outcome = outcomes.iter().find(|(id, ..)| ended.is_some_and(|ended| ended.0 == id.0));
        let (result, error, error_details) = match outcome.cloned() {
            Some((_, result, error, details)) => (result.map(|json| json.0), error, details.map(|json| json.0)),
            None => (None, None, None),
        };
        let ended = self.ended.map(|word| word.0);
        StatusChange {
            id: self.id,
            progress_seq: self.progress_seq,
            execution_id: self.execution_id.map(|id| id.0),
            status: self.to_status.0,
            ended,
            // A completed attempt always has a result; SQL keeps a JSON null as NULL.
            result: (ended == Some(ExecutionStatus::Completed)).then(|| result.unwrap_or_default()),
            error,
            error_details,
            timestamp: self.occurred_at.0,
        }
    }

    pub(crate) fn into_record(self, task_id: TaskId) -> HistoryRecord {
        HistoryRecord {
            id: self.id,
            entry: HistoryEntry {
                tenant_id: TenantId::from_stored(self.tenant_id),
                task_id,
                action: self.action,
                actor: self.actor,
                from_status: self.from_status.map(|word| word.0),
                to_status: self.to_status.0,
                reason: self.reason,
                execution_id: self.execution_id.map(|id| id.0),
                occurred_at: self.occurred_at.0,
            },
        }
    }
}

/// An event. Reading is by position (the columns of the table without `published_at`); the id is
/// the table's own, so a row to add has none.
#[derive(Debug, Clone, Queryable)]
pub(crate) struct OutboxRow {
    pub(crate) tenant_id: String,
    pub(crate) id: i64,
    pub(crate) event_id: Id,
    pub(crate) event_type: Word<EventType>,
    pub(crate) task_id: String,
    pub(crate) user_id: Option<String>,
    pub(crate) origin: Word<Origin>,
    pub(crate) seq: i64,
    pub(crate) payload: Passed,
    pub(crate) occurred_at: Stamp,
    pub(crate) position: Option<i64>,
}

impl From<&Event> for OutboxRow {
    fn from(event: &Event) -> Self {
        Self {
            tenant_id: event.tenant_id.as_str().to_owned(),
            id: 0,
            event_id: Id(event.event_id),
            event_type: Word(event.event_type),
            task_id: event.task_id.as_str().to_owned(),
            user_id: event.user_id.as_ref().map(|id| id.as_str().to_owned()),
            origin: Word(event.origin),
            seq: event.seq,
            payload: Passed(event.payload.clone()),
            occurred_at: Stamp(event.occurred_at),
            position: None,
        }
    }
}

impl From<OutboxRow> for OutboxEvent {
    fn from(row: OutboxRow) -> Self {
        Self {
            id: row.id,
            position: row.position,
            event: Event {
                event_id: row.event_id.0,
                event_type: row.event_type.0,
                tenant_id: TenantId::from_stored(row.tenant_id),
                task_id: TaskId::from_stored(row.task_id),
                user_id: row.user_id.map(UserId::from_stored),
                origin: row.origin.0,
                seq: row.seq,
                occurred_at: row.occurred_at.0,
                payload: row.payload.0,
            },
        }
    }
}
