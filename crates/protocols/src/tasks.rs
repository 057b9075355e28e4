//! The store of tasks.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use task_domain::decide::Change;
use task_domain::{LimitExceeded, Origin, Priority, Task, TaskId, TaskStatus, TenantId, UserId};

use crate::StoreResult;

/// A task as read, and when by the store's clock.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    pub task: Task,
    pub now: DateTime<Utc>,
}

/// What became of a [`TaskStore::save`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SaveOutcome {
    /// Committed: row, attempt, history and events. `id` is the task's bigint id.
    Saved { id: i64 },
    /// The task changed since it was read, or its lease guard does not hold any more: nothing was changed.
    Stale,
    /// The owner's limit is used up: nothing was changed.
    Limited(LimitExceeded),
    /// A new task's id is taken in this tenant, deleted tasks included: nothing was changed.
    Duplicate,
}

/// Which tasks a list wants; every condition given must hold.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskFilter {
    pub tenant_id: TenantId,
    pub user_id: Option<UserId>,
    pub origin: Option<Origin>,
    pub status: Option<TaskStatus>,
    pub task_type: Option<String>,
    pub priority: Option<Priority>,
    /// Only tasks whose bigint id is lower: the keyset of "newest first".
    pub before_id: Option<i64>,
    pub offset: i64,
    /// At most so many.
    pub limit: i64,
}

/// One page, newest first, without `last_result`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TaskPage {
    pub tasks: Vec<Task>,
    /// Whether more follow; the next page starts before the last task's id.
    pub more: bool,
}

/// Reads tasks, and saves changes whole.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait TaskStore: Send + Sync {
    /// The store's clock: the one that decides leases and schedules.
    async fn now(&self) -> StoreResult<DateTime<Utc>>;

    /// The task, with its current attempt and last result; `None` when there is none, it is
    /// deleted, or it belongs to another tenant.
    async fn find(&self, tenant_id: &TenantId, task_id: &TaskId) -> StoreResult<Option<Loaded>>;

    /// One page of live tasks. Pages taken by `before_id` neither skip nor repeat a task under
    /// concurrent inserts.
    async fn list(&self, filter: &TaskFilter) -> StoreResult<TaskPage>;

    /// Saves a change in one transaction: task, attempts, one history row, the events in the
    /// outbox. MUST change nothing unless `event_seq` still is `expected_seq`, the lease guard
    /// holds by the store's clock, and the owner's limits allow it, exactly even under parallel
    /// saves. A concurrent heartbeat or progress entry is not a conflict and is not undone.
    async fn save(&self, change: &Change) -> StoreResult<SaveOutcome>;
}
