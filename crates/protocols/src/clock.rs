//! The clock of an engine that has no server to ask.

use chrono::{DateTime, Utc};

/// Tells the time. Only the embedded engine takes one; on PostgreSQL the database's clock decides.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait Clock: Send + Sync {
    fn now(&self) -> DateTime<Utc>;
}
