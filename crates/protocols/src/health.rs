//! Whether something that this service depends on is there.

use async_trait::async_trait;

/// Why a dependency cannot be used at present.
pub type ProbeError = Box<dyn std::error::Error + Send + Sync>;

#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait HealthProbe: Send + Sync {
    /// Asks it for a sign of life. The caller bounds the wait; nothing is changed by asking.
    async fn probe(&self) -> Result<(), ProbeError>;
}
