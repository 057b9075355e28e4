//! Who waits for whom.

use async_trait::async_trait;
use task_domain::decide::DependencyState;
use task_domain::{TaskId, TaskStatus, TenantId, UserId};

use crate::StoreResult;

/// A task that others wait for, deleted or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dependency {
    pub task_id: TaskId,
    pub user_id: Option<UserId>,
    pub task_type: String,
    pub status: TaskStatus,
    pub state: DependencyState,
}

/// A task that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BlockedTask {
    pub tenant_id: TenantId,
    /// Per database: the place to go on from.
    pub id: i64,
    pub task_id: TaskId,
    /// The owner, if it has one.
    pub user_id: Option<UserId>,
    pub depends_on: Vec<TaskId>,
}

/// Reads what blocked tasks wait for. That a task waits is saved with its creation, in the same
/// transaction.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait DependencyStore: Send + Sync {
    /// How each of these tasks stands; those that never were, or are another tenant's, are left out.
    async fn dependencies(&self, tenant_id: &TenantId, task_ids: &[TaskId]) -> StoreResult<Vec<Dependency>>;

    /// The tasks that were created to wait for any of `ended` and were not forgotten since. MUST
    /// be one indexed look, whatever number of tasks there is.
    async fn waiting_for(&self, tenant_id: &TenantId, ended: &[TaskId]) -> StoreResult<Vec<TaskId>>;

    /// `task_id` does not wait any more: it is not named by [`Self::waiting_for`] again.
    async fn forget(&self, tenant_id: &TenantId, task_id: &TaskId) -> StoreResult<()>;

    /// Up to `limit` blocked tasks after a place, in the order of (tenant, id).
    async fn blocked_after(&self, after: Option<(TenantId, i64)>, limit: i64) -> StoreResult<Vec<BlockedTask>>;
}
