//! The store of facts.

use async_trait::async_trait;
use task_domain::{Fact, FactPatch, TenantId, UserId};
use uuid::Uuid;

use crate::StoreResult;

/// Whose facts a reader sees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FactScope {
    /// The user's own and the tenant's.
    User(UserId),
    /// Only the tenant's: those without a user.
    Tenant,
    /// Everything in the tenant.
    Everything,
}

/// Which facts a search wants, newest first; every condition given must hold.
#[derive(Debug, Clone, PartialEq)]
pub struct FactFilter {
    pub tenant_id: TenantId,
    pub scope: FactScope,
    /// A part of the text or of the metadata's JSON text, in either case. That JSON has one blank
    /// after colons and commas and its keys by length, then by bytes.
    pub text: Option<String>,
    pub tag: Option<String>,
    pub limit: i64,
    pub offset: i64,
}

#[derive(Debug, Clone, PartialEq, Default)]
pub struct FactPage {
    /// How many fit in all.
    pub total: i64,
    pub facts: Vec<Fact>,
}

#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait FactStore: Send + Sync {
    /// Adds a fact, whose id is new.
    async fn add_fact(&self, fact: &Fact) -> StoreResult<()>;

    /// The fact; `None` when there is none, or it is another tenant's.
    async fn find_fact(&self, tenant_id: &TenantId, id: Uuid) -> StoreResult<Option<Fact>>;

    /// One page of what the filter lets through, and how many that are in all.
    async fn search_facts(&self, filter: &FactFilter) -> StoreResult<FactPage>;

    /// Replaces what is given and sets `updated_at`, whatever is given; the fact afterwards.
    async fn edit_fact(&self, tenant_id: &TenantId, id: Uuid, patch: &FactPatch) -> StoreResult<Option<Fact>>;

    /// Whether it was there.
    async fn delete_fact(&self, tenant_id: &TenantId, id: Uuid) -> StoreResult<bool>;
}
