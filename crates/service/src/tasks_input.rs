//! What callers hand to the task use cases.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use task_domain::{Handler, JsonObject, Origin, Priority, RetryPolicy, Schedule, TaskId, TaskStatus, UserId};

/// A new task as its caller describes it; texts and sizes were checked at the edge.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskDraft {
    pub task_id: Option<TaskId>,
    /// Only keys with scope `act_as_user` may name one.
    pub user_id: Option<UserId>,
    pub origin: Origin,
    /// `None`: what the type says. Only keys may ask for `worker` on a built-in type.
    pub handler: Option<Handler>,
    pub name: String,
    pub description: Option<String>,
    pub task_type: String,
    pub config: JsonObject,
    pub metadata: Option<JsonObject>,
    pub tags: Vec<String>,
    pub labels: BTreeMap<String, String>,
    pub attributes: JsonObject,
    pub priority: Priority,
    pub schedule: Option<Schedule>,
    pub due_date: Option<DateTime<Utc>>,
    pub reminder_time: Option<DateTime<Utc>>,
    pub timeout_seconds: Option<i64>,
    pub retry: RetryPolicy,
    pub credits_per_run: f64,
    pub run_immediately: bool,
}

/// Which of the caller's tasks a list wants.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ListTasks {
    /// Keys only; a user sees its own.
    pub user_id: Option<UserId>,
    /// Keys only.
    pub origin: Option<Origin>,
    pub status: Option<TaskStatus>,
    pub task_type: Option<String>,
    pub priority: Option<Priority>,
    pub before_id: Option<i64>,
    pub offset: i64,
    /// 1–100.
    pub limit: i64,
}
