//! The store of API keys. It never sees a secret, only its hash.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use task_domain::TenantId;

use crate::StoreResult;

/// A stored key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Public; part of the key's text.
    pub id: String,
    pub tenant_id: TenantId,
    pub name: String,
    /// SHA-256 of the secret, in hex.
    pub secret_hash: String,
    /// By their texts.
    pub scopes: Vec<String>,
    /// Empty: every type.
    pub task_types: Vec<String>,
    pub created_at: DateTime<Utc>,
    pub expires_at: Option<DateTime<Utc>>,
    pub revoked_at: Option<DateTime<Utc>>,
    pub last_used_at: Option<DateTime<Utc>>,
}

#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait ApiKeyStore: Send + Sync {
    /// Adds a key; an error when its id is taken, in whatever tenant.
    async fn add_key(&self, key: &ApiKey) -> StoreResult<()>;

    /// Any key, also an expired or revoked one.
    async fn find_key(&self, id: &str) -> StoreResult<Option<ApiKey>>;

    /// The keys of a tenant, oldest first.
    async fn list_keys(&self, tenant_id: &TenantId) -> StoreResult<Vec<ApiKey>>;

    /// Whether a key of this tenant that was not revoked is so now.
    async fn revoke_key(&self, tenant_id: &TenantId, id: &str) -> StoreResult<bool>;

    /// Notes that the key was used now.
    async fn touch_key(&self, id: &str) -> StoreResult<()>;

    /// Whether any key of any tenant lets somebody in now: neither revoked nor expired.
    async fn any_key(&self) -> StoreResult<bool>;
}
