//! The clock of the embedded engine.

use chrono::{DateTime, Utc};
use task_protocols::Clock;

/// The operating system's clock.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the one clock that everybody else is handed")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now()
    }
}
