//! What callers hand to the task use cases.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use task_domain::{Handler, JsonObject, OnDependencyFailure, Origin, Priority, RetryPolicy, Schedule, TaskId, UserId};

use crate::ServiceError;

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
    pub constraints: RunConstraints,
}

impl TaskDraft {
    /// A task of which nothing but its API, type and name was said.
    pub fn new(origin: Origin, task_type: String, name: String) -> Self {
        Self {
            task_id: None,
            user_id: None,
            origin,
            handler: None,
            name,
            description: None,
            task_type,
            config: JsonObject::new(),
            metadata: None,
            tags: Vec::new(),
            labels: BTreeMap::new(),
            attributes: JsonObject::new(),
            priority: Priority::default(),
            schedule: None,
            due_date: None,
            reminder_time: None,
            timeout_seconds: None,
            retry: RetryPolicy::default(),
            credits_per_run: 0.0,
            run_immediately: false,
            constraints: RunConstraints::default(),
        }
    }
}

/// What must hold before a task runs, beside its time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RunConstraints {
    /// At most 100 tasks of the caller's.
    pub depends_on: Vec<TaskId>,
    pub on_dependency_failure: OnDependencyFailure,
    /// 1–255 characters.
    pub concurrency_key: Option<String>,
    /// At least 1; 1 when only a key is given.
    pub max_concurrent: Option<i32>,
}

impl Default for RunConstraints {
    fn default() -> Self {
        Self {
            depends_on: Vec::new(),
            on_dependency_failure: OnDependencyFailure::Fail,
            concurrency_key: None,
            max_concurrent: None,
        }
    }
}

/// What must still hold of a task's version when it is changed (`If-Match`).
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Precondition {
    #[default]
    None,
    /// The version is one of these.
    Version(Vec<i64>),
}

impl Precondition {
    pub(crate) fn check(&self, version: i64) -> Result<(), ServiceError> {
        match self {
            Self::Version(allowed) if !allowed.contains(&version) => Err(ServiceError::PreconditionFailed { version }),
            _ => Ok(()),
        }
    }
}
