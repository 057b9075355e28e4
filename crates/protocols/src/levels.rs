//! The store of users' subscription levels, and of the in-bound events that change them.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use task_domain::{SubscriptionLevel, TenantId, UserId};

use crate::StoreResult;

/// What was heard of a user's level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct KnownLevel {
    /// From `subscription.changed`.
    pub event: Option<SubscriptionLevel>,
    /// From the gateway, last.
    pub gateway: Option<SubscriptionLevel>,
}

/// Whether anything is known of any user's level.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct AnyKnown {
    /// From `subscription.changed`.
    pub event: bool,
    /// From any source.
    pub any: bool,
}

#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait LevelStore: Send + Sync {
    /// Whether any user of any tenant is known at all; MUST be cheap with a million users known.
    async fn any_known(&self) -> StoreResult<AnyKnown>;

    /// What was heard of a user; nothing for one that was never heard of.
    async fn known_level(&self, tenant_id: &TenantId, user_id: &UserId) -> StoreResult<KnownLevel>;

    /// Keeps what an event said at `at`, unless a younger one was kept already.
    async fn keep_event_level(
        &self,
        tenant_id: &TenantId,
        user_id: &UserId,
        level: SubscriptionLevel,
        at: DateTime<Utc>,
    ) -> StoreResult<()>;

    /// Keeps what the gateway said.
    async fn keep_gateway_level(
        &self,
        tenant_id: &TenantId,
        user_id: &UserId,
        level: SubscriptionLevel,
    ) -> StoreResult<()>;
}

#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait InboxStore: Send + Sync {
    /// Whether an in-bound event was handled before.
    async fn was_received(&self, event_id: &str) -> StoreResult<bool>;

    /// Notes that it was handled. Noted last, so that one that was half done is done again:
    /// handling an event twice must be harmless.
    async fn note_received(&self, event_id: &str, subject: &str) -> StoreResult<()>;
}
