//! The store of conversations. Those of a deleted task are not there.

use async_trait::async_trait;
use task_domain::{Conversation, LeaseToken, TaskId, TenantId};

use crate::StoreResult;

#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait ConversationStore: Send + Sync {
    /// Adds an entry; `None` when there is no such task.
    async fn add_conversation(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
        content: &str,
        status: &str,
    ) -> StoreResult<Option<Conversation>>;

    /// Entries of a task after number `after`, oldest first.
    async fn list_conversations(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
        after: i64,
        limit: i64,
    ) -> StoreResult<Vec<Conversation>>;

    async fn find_conversation(&self, tenant_id: &TenantId, id: i64) -> StoreResult<Option<Conversation>>;

    /// Changes what is given; the entry afterwards.
    async fn edit_conversation<'a>(
        &self,
        tenant_id: &TenantId,
        id: i64,
        content: Option<&'a str>,
        status: Option<&'a str>,
    ) -> StoreResult<Option<Conversation>>;

    /// Whether it was there.
    async fn delete_conversation(&self, tenant_id: &TenantId, id: i64) -> StoreResult<bool>;

    /// Gives every entry of a task a status, on behalf of the holder of its lease; how many had
    /// another one. MUST change nothing and say `None` unless `token` is the task's current lease by
    /// the store's clock, checked in the transaction that changes the entries.
    async fn mark_conversations(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
        token: LeaseToken,
        status: &str,
    ) -> StoreResult<Option<u64>>;
}
