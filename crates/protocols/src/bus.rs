//! The bus that events are published to.

use async_trait::async_trait;

use crate::OutboxEvent;

/// Why a publish did not happen, or is not known to have happened. It is repeated: subscribers
/// deduplicate by the event id.
#[derive(Debug, thiserror::Error)]
pub enum BusError {
    #[error("the event bus is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl BusError {
    pub fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable(source.into())
    }
}

#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait EventBus: Send + Sync {
    /// Makes what events are published to, where it is absent, so that subscribers find it before
    /// the first event. Called when a relay begins, and again after every rise of the epoch.
    async fn prepare(&self) -> Result<(), BusError>;

    /// Publishes one event; `Ok` only after the bus has acknowledged it as stored. The event id
    /// is the deduplication id.
    async fn publish(&self, event: &OutboxEvent) -> Result<(), BusError>;

    /// Rises whenever what was acknowledged lately may be gone: after a reconnect, or when the
    /// stream's last sequence went down. The relay then publishes the last minutes again.
    fn epoch(&self) -> u64;

    /// Whether the bus answers now; for health checks.
    async fn check(&self) -> Result<(), BusError>;
}
