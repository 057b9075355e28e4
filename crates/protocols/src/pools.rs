//! How busy a store's connections are; for metrics.

/// One pool at this moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PoolUse {
    pub name: &'static str,
    /// Most that can be in use at the same time.
    pub size: usize,
    pub in_use: usize,
    /// Callers that wait for a free one.
    pub waiting: usize,
}

#[cfg_attr(feature = "mock", mockall::automock)]
pub trait PoolMeter: Send + Sync {
    /// Every pool of the engine. MUST NOT wait or touch the database.
    fn pools(&self) -> Vec<PoolUse>;
}
