//! The task: what is to be done, for whom.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::{
    Execution, ExecutionStatus, Handler, JsonObject, OnDependencyFailure, Origin, Priority, RetryPolicy, Schedule,
    TaskId, TaskStatus, TenantId, UserId, types,
};

/// A task with its current attempt. Everything a decision needs.
#[derive(Debug, Clone, PartialEq)]
pub struct Task {
    /// Per database; 0 until the store assigned it.
    pub id: i64,
    pub tenant_id: TenantId,
    pub task_id: TaskId,
    /// The owner; none for a key's own work.
    pub user_id: Option<UserId>,
    /// The API key whose own work it is, by its public id; none for a user's.
    pub key_id: Option<String>,
    pub origin: Origin,
    pub handler: Handler,

    pub name: String,
    pub description: Option<String>,
    pub task_type: String,
    pub config: JsonObject,
    pub metadata: Option<JsonObject>,
    pub tags: Vec<String>,
    pub labels: BTreeMap<String, String>,
    /// What an older API needs and the model has no field for.
    pub attributes: JsonObject,
    pub priority: Priority,

    pub schedule: Option<Schedule>,
    pub next_run_time: Option<DateTime<Utc>>,
    /// Runs that the schedule started: what `max_runs` counts.
    pub schedule_runs: i64,
    pub due_date: Option<DateTime<Utc>>,
    pub reminder_time: Option<DateTime<Utc>>,
    /// When the owner was reminded; once.
    pub reminded_at: Option<DateTime<Utc>>,
    /// Deadline of a run, counted from when it was queued.
    pub timeout_seconds: Option<i64>,
    /// The tasks it waits for before its first run.
    pub depends_on: Vec<TaskId>,
    pub on_dependency_failure: OnDependencyFailure,
    /// So many tasks of one key run at once, per tenant; 1–255 characters.
    pub concurrency_key: Option<String>,
    /// It starts only while fewer tasks of its key run; at least 1, and there exactly with a key.
    pub max_concurrent: Option<i32>,
    pub retry: RetryPolicy,
    /// Root of the chain of retries this task is part of.
    pub original_task_id: Option<TaskId>,
    pub retry_count: i32,
    pub credits_per_run: f64,
    pub total_credits_consumed: f64,

    pub status: TaskStatus,
    /// Where the task goes when its run ends; `None` = where the outcome says.
    pub return_to: Option<TaskStatus>,
    /// Result of the last successful run. Lists leave it out.
    pub last_result: Option<Value>,
    /// Error of the last run, none after a success.
    pub last_error: Option<String>,
    pub last_run_time: Option<DateTime<Utc>>,
    pub last_success_time: Option<DateTime<Utc>>,
    /// Ended runs (not attempts).
    pub run_count: i64,
    pub success_count: i64,
    pub failure_count: i64,
    pub completed_at: Option<DateTime<Utc>>,

    /// Owner-visible edits: the ETag.
    pub version: i64,
    /// Number of the newest event; every accepted command raises it, so it guards every save.
    pub event_seq: i64,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
    pub deleted_at: Option<DateTime<Utc>>,

    /// The attempt that is queued, held back or running.
    pub current: Option<Execution>,
}

impl Task {
    pub fn is_completed(&self) -> bool {
        self.status == TaskStatus::Completed
    }

    /// The type that claims ask for: `task_type`, or the executor that stands for it.
    pub fn claimed_as(&self) -> &str {
        match self.handler {
            Handler::Builtin => types::executor_of(self.origin, &self.task_type),
            Handler::Worker => &self.task_type,
        }
    }

    /// Queued and due when it was last changed: a worker may claim it, unless a limit on how many run
    /// at once holds it back.
    pub fn is_due(&self) -> bool {
        let waits = |e: &Execution| e.status == ExecutionStatus::Queued && e.run_at <= self.updated_at;
        self.status == TaskStatus::Queued && self.current.as_ref().is_some_and(waits)
    }

    /// The calendar event that this task's runs keep: what the result of the last successful one names.
    /// The metadata names it, too, but those the owner may edit, and so could name somebody else's.
    pub fn calendar_event(&self) -> Option<&str> {
        let ours = self.handler == Handler::Builtin && self.claimed_as() == types::CALENDAR_EVENT;
        let result = self.last_result.as_ref().filter(|_| ours)?;
        result.get("calendar_data")?.get("event_id")?.as_str().filter(|id| !id.is_empty())
    }

    /// Counts against the owner's `active_tasks`.
    pub fn is_active(&self) -> bool {
        self.deleted_at.is_none() && !self.status.is_terminal()
    }

    /// Who takes turns with whom when workers claim: the user, else the key whose work it is.
    pub fn owner(&self) -> &str {
        self.user_id.as_ref().map(UserId::as_str).or(self.key_id.as_deref()).unwrap_or_default()
    }
}

/// An owner's edit: outer `None` leaves a field alone, inner `None` clears it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct TaskPatch {
    pub name: Option<String>,
    pub description: Option<Option<String>>,
    pub config: Option<JsonObject>,
    pub metadata: Option<Option<JsonObject>>,
    pub tags: Option<Vec<String>>,
    pub labels: Option<BTreeMap<String, String>>,
    pub priority: Option<Priority>,
    pub schedule: Option<Option<Schedule>>,
    pub next_run_time: Option<Option<DateTime<Utc>>>,
    pub due_date: Option<Option<DateTime<Utc>>>,
    pub reminder_time: Option<Option<DateTime<Utc>>>,
    pub timeout_seconds: Option<Option<i64>>,
    pub retry: Option<RetryPolicy>,
    pub credits_per_run: Option<f64>,
    /// The whole of them; only drop-in APIs keep any.
    pub attributes: Option<JsonObject>,
    pub status: Option<TaskStatus>,
}
