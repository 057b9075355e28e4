//! The sweep: what is old enough goes.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::StoreResult;

/// What a sweep removes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Swept {
    /// Idempotency keys, by their age.
    IdempotencyKeys,
    /// Ids of in-bound events, by their age.
    InboxIds,
    /// History entries of every task, by their age.
    History,
    /// Whole deleted tasks, by the age of the deletion. One that others were created to wait for
    /// stays until they are forgotten ([`crate::DependencyStore::forget`]): how it ended counts.
    DeletedTasks,
}

/// How far a sweep has come: when what it looked at last had ended, and its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SweepCursor {
    pub ended_at: DateTime<Utc>,
    pub id: i64,
}

#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait RetentionStore: Send + Sync {
    /// Removes what is older than `age`, of all tenants, the oldest first: at most `limit` rows of
    /// each table. How many rows it removed; 0 when there is nothing left to remove. The records of
    /// a deleted task go first, and the task itself when none is left.
    async fn sweep(&self, what: Swept, age: Duration, limit: i64) -> StoreResult<u64>;

    /// Goes over up to `limit` executions of all tenants that ended more than `age` ago, in the
    /// order of their ends, from `after` on, and removes them; each task's last result stays. Where
    /// the next step goes on, or `None` when there are no more.
    async fn sweep_executions(
        &self,
        age: Duration,
        after: Option<SweepCursor>,
        limit: i64,
    ) -> StoreResult<Option<SweepCursor>>;

    /// Goes over up to `limit` terminal tasks of all tenants that ended more than `age` ago, in the
    /// order of their ends, from `after` on, and removes their progress, at most `limit` entries, and
    /// what they were created to wait for. Where the next step goes on, never past a task that still
    /// has progress (so it may be where this one began), or `None` when there are no more.
    async fn sweep_terminal(
        &self,
        age: Duration,
        after: Option<SweepCursor>,
        limit: i64,
    ) -> StoreResult<Option<SweepCursor>>;
}
