//! The store of progress entries.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use task_domain::{JsonObject, LeaseToken, TaskId, TenantId};
use uuid::Uuid;

use crate::{Heartbeat, StoreResult};

/// Progress entries that are kept of a task, where nothing else is configured.
pub const MAX_PROGRESS_ENTRIES: i64 = 10_000;

/// One stored entry.
#[derive(Debug, Clone, PartialEq)]
pub struct ProgressEntry {
    /// 1, 2, 3… per task, no holes.
    pub seq_id: i64,
    pub execution_id: Uuid,
    pub data: JsonObject,
    pub timestamp: DateTime<Utc>,
}

/// What an accepted append did.
#[derive(Debug, Clone, PartialEq)]
pub struct ProgressAppended {
    /// Of the last entry appended.
    pub seq_id: i64,
    pub timestamp: DateTime<Utc>,
    /// The lease, which an append extends.
    pub lease: Heartbeat,
}

#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait ProgressStore: Send + Sync {
    /// Appends entries in order and extends the lease by its current length. `None` (and nothing
    /// stored) unless `token` is current and has not run out, by the store's clock. MUST trim the
    /// oldest entries past the configured number ([`MAX_PROGRESS_ENTRIES`]); the numbering goes on.
    async fn append(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
        token: LeaseToken,
        entries: &[JsonObject],
    ) -> StoreResult<Option<ProgressAppended>>;

    /// How many entries a task keeps; 0 of one that is not there.
    async fn count_progress(&self, tenant_id: &TenantId, task_id: &TaskId) -> StoreResult<i64>;

    /// Entries after a position, in order.
    async fn list_progress(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
        after_seq_id: i64,
        limit: i64,
    ) -> StoreResult<Vec<ProgressEntry>>;
}
