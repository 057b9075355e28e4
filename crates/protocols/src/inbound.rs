//! Events that other services publish and this one acts on.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;

/// What an in-bound event is about; which subject carries it is configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum InboundKind {
    /// A user is gone: its work is cancelled.
    UserDeleted,
    /// A user has another subscription level.
    SubscriptionChanged,
}

impl InboundKind {
    pub const ALL: &'static [Self] = &[Self::UserDeleted, Self::SubscriptionChanged];

    pub fn as_str(self) -> &'static str {
        match self {
            Self::UserDeleted => "user_deleted",
            Self::SubscriptionChanged => "subscription_changed",
        }
    }
}

/// One event as it arrived.
#[derive(Debug, Clone, PartialEq)]
pub struct InboundEvent {
    pub kind: InboundKind,
    /// By which it is told from others; `None` when it carries none and comes only once.
    pub event_id: Option<String>,
    pub subject: String,
    /// The body: the facts, bare or under `data`.
    pub payload: Value,
    /// When it was published, as far as the transport knows.
    pub published_at: Option<DateTime<Utc>>,
}

/// Why an event was not handled.
#[derive(Debug, thiserror::Error)]
pub enum InboundError {
    /// It cannot be read; trying again changes nothing.
    #[error("the event cannot be read: {0}")]
    Unreadable(String),
    /// Something that is needed is away; it is to be tried until it is back.
    #[error("the event cannot be handled at present")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Anything else; worth a few tries.
    #[error("the event was not handled")]
    Failed(#[source] Box<dyn std::error::Error + Send + Sync>),
}

#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait InboundEventHandler: Send + Sync {
    /// Does what the event asks for; `Ok` only when all of it is done and stored. Handling an event
    /// again, also at the same time, MUST be harmless.
    async fn handle(&self, event: &InboundEvent) -> Result<(), InboundError>;
}
