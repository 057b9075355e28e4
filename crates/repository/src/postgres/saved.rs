//! What a save sends: the rows of a change, written as the types `task.saved_change` and
//! `task.created_task` want them.

use diesel::QueryResult;
use diesel::sql_types::Oid;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use task_domain::decide::{Change, LeaseGuard};
use task_domain::{ExecutionStatus, NewConversation};

use super::records::{Binary, Row, rows};
use super::statement::{Sql, Statement};
use crate::columns::{Id, Json};
use crate::rows::{ExecutionRow, HistoryRow, OutboxRow, StateRow, TaskRow};

/// The object ids of the types, which each database has its own of.
#[derive(Debug, Clone, Copy)]
pub(super) struct Types {
    change: u32,
    created: u32,
    execution: u32,
    event: u32,
    events: u32,
}

impl Types {
    pub(super) async fn of(connection: &mut AsyncPgConnection) -> QueryResult<Self> {
        let (change, created, execution, event, events) = Sql(include_str!("sql/saved_types.sql"))
            .reading::<(Oid, Oid, Oid, Oid, Oid)>()
            .get_result(connection)
            .await?;
        Ok(Self { change, created, execution, event, events })
    }
}

/// The rows of a change.
#[derive(Debug)]
pub(super) struct Document {
    pub(super) expected_seq: i64,
    /// The lease that must be held.
    held: Option<Id>,
    /// The lease that must have run out.
    expired: Option<Id>,
    /// Number of the attempt that succeeded, whose result is the task's last.
    completed: Option<i64>,
    /// Whether the row takes the turn in `state` even if its priority stays.
    moves: bool,
    pub(super) state: StateRow,
    /// Of a new task, or when its definition changes.
    pub(super) task: Option<TaskRow>,
    finished: Option<ExecutionRow>,
    history: HistoryRow,
    events: Vec<OutboxRow>,
    pub(super) conversations: Vec<Said>,
}

/// An entry that is made together with its task.
#[derive(Debug, Serialize)]
pub(super) struct Said {
    content: String,
    status: String,
}

impl Document {
    pub(super) fn of(change: &Change, place: Option<i64>) -> Self {
        let task = &change.task;
        let (held, expired) = match change.lease {
            LeaseGuard::Any => (None, None),
            LeaseGuard::Held(token) => (Some(Id(token.as_uuid())), None),
            LeaseGuard::Expired(token) => (None, Some(Id(token.as_uuid()))),
        };
        let finished = change.finished.as_ref();
        let mut state = StateRow::from(task);
        state.turn = place.unwrap_or(state.turn);
        Self {
            expected_seq: change.expected_seq,
            held,
            expired,
            completed: finished.filter(|e| e.status == ExecutionStatus::Completed).map(|e| e.id),
            moves: place.is_some() && change.takes_a_place(),
            state,
            task: (change.expected_seq == 0 || change.definition_changed).then(|| TaskRow::from(task)),
            finished: finished.map(|execution| ExecutionRow::new(task.id, execution)),
            history: HistoryRow::new(task.id, change, 0),
            events: change.events.iter().map(OutboxRow::from).collect(),
            conversations: change.conversations.iter().map(Said::from).collect(),
        }
    }

    /// Whether it waits for other tasks.
    pub(super) fn depends(&self) -> bool {
        self.task.as_ref().is_some_and(|task| !task.depends_on.0.is_empty())
    }
}

impl From<&NewConversation> for Said {
    fn from(entry: &NewConversation) -> Self {
        Self { content: entry.content.clone(), status: entry.status.clone() }
    }
}

/// An array of `task.saved_change`.
pub(super) fn changes(types: Types, documents: &[&Document]) -> serde_json::Result<Binary> {
    rows(types.change, documents, |row, document| {
        row.put(&document.state.tenant_id)?;
        row.put(&document.state.id)?;
        row.put(&document.expected_seq)?;
        row.put(&document.held)?;
        row.put(&document.expired)?;
        row.put(&document.completed)?;
        row.put(&document.moves)?;
        state(row, &document.state)?;
        row.put(&document.state.concurrency_key)?;
        row.put(&document.state.max_concurrent)?;
        history(row, &document.history)?;
        row.put(&document.task.as_ref().map(Json))?;
        row.put_row(types.execution, document.finished.as_ref(), execution)?;
        row.put_rows(types.events, types.event, &document.events, event)
    })
}

/// An array of `task.created_task`. Each of `documents` has a task.
pub(super) fn creations(types: Types, documents: &[&Document]) -> serde_json::Result<Binary> {
    rows(types.created, documents, |row, document| {
        if let Some(new) = &document.task {
            task(row, new)?;
        }
        row.put(&document.state.task_type)?;
        state(row, &document.state)?;
        history(row, &document.history)?;
        row.put(&(!document.conversations.is_empty()).then_some(Json(&document.conversations)))?;
        row.put_rows(types.events, types.event, &document.events, event)
    })
}

/// Declares a function that writes columns of a row in this order.
macro_rules! writes {
    ($name:ident, $row:ty: $($column:ident)+) => {
        fn $name(row: &mut Row<'_>, value: &$row) -> serde_json::Result<()> {
            $(row.put(&value.$column)?;)+
            Ok(())
        }
    };
}

writes!(task, TaskRow: tenant_id task_id user_id origin handler task_type name description config metadata tags labels attributes
    priority schedule due_date reminder_time reminded_at timeout_seconds depends_on retry original_task_id retry_count
    credits_per_run version created_at deleted_at on_dependency_failure concurrency_key max_concurrent key_id);

writes!(state, StateRow: priority status return_to claimable is_active turn event_seq next_run_time schedule_runs total_credits
    run_count success_count failure_count last_run_time last_success_time last_error completed_at updated_at execution_no
    execution_id run_id attempt failures lost_leases trigger_type trigger_data worker_id lease_token lease_expires_at
    lease_seconds run_at queued_at started_at timeout_at attempt_created_at limited parked);

writes!(history, HistoryRow: action actor from_status to_status reason execution_id occurred_at ended);

writes!(execution, ExecutionRow: id execution_id run_id attempt failures lost_leases user_id status trigger_type trigger_data
    worker_id lease_token lease_expires_at result error_message error_details credits_consumed tokens_used api_calls_made
    duration_ms run_at queued_at started_at completed_at timeout_at created_at);

writes!(event, OutboxRow: event_id event_type task_id user_id origin seq payload occurred_at);
