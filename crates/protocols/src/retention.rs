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
    /// Whole deleted tasks, by the age of the deletion.
    DeletedTasks,
}

/// How far a sweep over ended tasks has come: the end of the last one, and its number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct SweepCursor {
    pub ended_at: DateTime<Utc>,
    pub id: i64,
}

#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait RetentionStore: Send + Sync {
    /// Removes up to `limit` things older than `age`; how many. For tasks, the number of tasks.
    async fn sweep(&self, what: Swept, age: Duration, limit: i64) -> StoreResult<u64>;

    /// Removes the ended executions, the progress and the history of up to `limit` terminal tasks
    /// of all tenants that ended more than `age` ago, in the order of their ends, from `after` on;
    /// the task and its last result stay. Where the next step goes on, or `None` when there are no
    /// more. A task whose records are gone already counts as well: a step never looks at more than
    /// `limit` tasks.
    async fn sweep_terminal(
        &self,
        age: Duration,
        after: Option<SweepCursor>,
        limit: i64,
    ) -> StoreResult<Option<SweepCursor>>;
}
