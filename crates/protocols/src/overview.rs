//! The store's view of all queues and leases at once.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use task_domain::{Handler, TenantId};
use uuid::Uuid;

use crate::StoreResult;

/// How much work of one type there is, and how fast it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueueFigures {
    pub task_type: String,
    pub handler: Handler,
    /// May be claimed now.
    pub claimable: i64,
    /// Queued for later: a backoff or a delay is not over.
    pub delayed: i64,
    /// Held back: as many tasks of its concurrency key run as may.
    pub parked: i64,
    /// Leased.
    pub running: i64,
    /// Since when the oldest claimable task may be claimed.
    pub oldest: Option<DateTime<Utc>>,
    /// Executions that ended in the last minute, and in the last five.
    pub completed: (i64, i64),
    /// The same of those that failed or timed out.
    pub failed: (i64, i64),
}

/// Work that a worker holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LiveLease {
    pub worker_id: String,
    pub task_id: String,
    pub task_type: String,
    pub execution_id: Uuid,
    pub attempt: i32,
    pub started_at: DateTime<Utc>,
    pub expires_at: DateTime<Utc>,
}

/// Overviews, on connections of their own: they are never in the way of claims.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait OverviewStore: Send + Sync {
    /// Every type that has queued or running work, or whose executions ended within five minutes,
    /// by name; of one tenant, or of all together.
    async fn queues(&self, tenant_id: Option<TenantId>) -> StoreResult<Vec<QueueFigures>>;

    /// The leases that have not run out, by worker and task, at most `limit`.
    async fn live_leases(&self, tenant_id: &TenantId, limit: i64) -> StoreResult<Vec<LiveLease>>;
}
