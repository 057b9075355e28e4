//! The store as one asks it why a task is not running.

use async_trait::async_trait;
use task_domain::Task;
use task_domain::explain::{QueuePlace, TypeActivity};

use crate::StoreResult;

/// Every look costs about the same, however much is queued.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait ExplainStore: Send + Sync {
    /// Where a task stands in the queue of its handler and type, in the order of the claim: for
    /// outside workers among those of its tenant, for built-in types among all. MUST count by
    /// indexes, and stop at `at_most`. A task that is not there stands nowhere.
    async fn queue_place(&self, task: &Task, at_most: i64) -> StoreResult<QueuePlace>;

    /// What was done of this task's type lately, with the same scope. MUST look at no more than 1,000
    /// leases and at 500 of the executions that ended within the last minute, so that it may miss some;
    /// what it tells it has seen.
    async fn type_activity(&self, task: &Task) -> StoreResult<TypeActivity>;
}
