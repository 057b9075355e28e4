//! The sweep: what is old enough goes.

use std::time::Duration;

use async_trait::async_trait;

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
    /// Ended executions, progress and history of terminal tasks, by the age of their end; the
    /// last result stays.
    TerminalTasks,
}

#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait RetentionStore: Send + Sync {
    /// Removes up to `limit` things older than `age`; how many. For tasks, the number of tasks.
    async fn sweep(&self, what: Swept, age: Duration, limit: i64) -> StoreResult<u64>;
}
