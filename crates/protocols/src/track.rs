//! The store as a task's stream reads it: positions, progress and changes of status.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;
use task_domain::{ExecutionStatus, TaskId, TaskStatus, TenantId};
use uuid::Uuid;

use crate::{ProgressEntry, StoreResult};

/// A task, named from outside its tenant.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TaskKey {
    pub tenant_id: TenantId,
    pub task_id: TaskId,
}

/// A place in a task's stream: all that came before is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TrackPosition {
    /// `seq_id` of a progress entry; 0 = none.
    pub progress: i64,
    /// Id of an entry of the task's history; 0 = none.
    pub status: i64,
}

/// Where a task stands.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackHead {
    pub status: TaskStatus,
    /// Rises with every accepted command.
    pub event_seq: i64,
    /// The end of its stream: its newest entries.
    pub position: TrackPosition,
    /// The oldest progress entry that is kept; one above the newest when none is.
    pub first_seq_id: i64,
    pub last_error: Option<String>,
    pub updated_at: DateTime<Utc>,
}

/// A command that moved a task to another status, or ended an attempt of it.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusChange {
    /// Of the history entry; rises with time within a task.
    pub id: i64,
    /// Number of the newest progress entry when it happened.
    pub progress_seq: i64,
    /// The attempt that it ended, else the one that was current.
    pub execution_id: Option<Uuid>,
    /// Of the task, afterwards.
    pub status: TaskStatus,
    /// How the attempt ended, when it ended one.
    pub ended: Option<ExecutionStatus>,
    /// Of the completed attempt, while it is kept.
    pub result: Option<Value>,
    /// Of an attempt that ended otherwise, while it is kept.
    pub error: Option<String>,
    pub error_details: Option<Value>,
    pub timestamp: DateTime<Utc>,
}

/// Which part of a stream is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TrackFrom {
    pub position: TrackPosition,
    /// At most so many progress entries, 1 or more.
    pub progress_limit: i64,
    /// At most so many changes, 1 or more.
    pub changes_limit: i64,
}

/// The next of a stream, as of the moment that `head` describes.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackPage {
    pub head: TrackHead,
    pub progress: Vec<ProgressEntry>,
    pub changes: Vec<StatusChange>,
}

#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait TrackStore: Send + Sync {
    /// Where each of these tasks stands, in their order; `None` for one that is not there or is
    /// deleted. One read, however many they are.
    async fn heads(&self, tasks: &[TaskKey]) -> StoreResult<Vec<Option<TrackHead>>>;

    /// The position of one who knows the progress up to `progress`: with the changes made before
    /// that entry was stored (before the newest one, when that many do not exist). `None` when the
    /// task is not there or is deleted.
    async fn position_after(&self, task: &TaskKey, progress: i64) -> StoreResult<Option<TrackPosition>>;

    /// What follows a position, progress and changes each in order; `None` when the task is not
    /// there or is deleted. MUST hold everything that `head` counts and nothing beyond it, up to
    /// the limits; entries that were trimmed meanwhile are simply missing.
    async fn track(&self, task: &TaskKey, from: TrackFrom) -> StoreResult<Option<TrackPage>>;
}
