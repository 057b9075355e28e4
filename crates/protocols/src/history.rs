//! The audit trail.

use async_trait::async_trait;
use task_domain::{HistoryEntry, TaskId, TenantId};

use crate::StoreResult;

/// A stored entry.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryRecord {
    /// Rises with time within a task.
    pub id: i64,
    pub entry: HistoryEntry,
}

#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait HistoryStore: Send + Sync {
    /// Entries of a live task after the one with number `after`, oldest first. Entries are written
    /// by [`crate::TaskStore::save`] and [`crate::ExecutionStore::claim`], never alone.
    async fn list_history(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
        after: i64,
        limit: i64,
    ) -> StoreResult<Vec<HistoryRecord>>;

    /// The newest entries of a live task, newest first.
    async fn latest_history(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
        limit: i64,
    ) -> StoreResult<Vec<HistoryRecord>>;
}
