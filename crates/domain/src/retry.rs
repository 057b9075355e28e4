//! The retry policy of a task's runs.

use chrono::Duration;
use serde::{Deserialize, Serialize};

use crate::text_enum::text_enum;

text_enum! {
    /// How the wait between attempts grows.
    Backoff {
        /// `base_seconds` each time.
        Fixed = "fixed",
        /// `base_seconds` × number of failures.
        Linear = "linear",
        /// `base_seconds` doubled with each failure.
        Exponential = "exponential",
    }
}

/// How often a run is tried, and how long it waits in between.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RetryPolicy {
    /// Attempts of one run, 1–100, the first included. Releases and lost leases cost none.
    pub max_attempts: i32,
    pub backoff: Backoff,
    /// 0–86,400.
    pub base_seconds: f64,
    /// Upper bound of the wait, 0–604,800.
    pub max_seconds: f64,
}

impl Default for RetryPolicy {
    fn default() -> Self {
        Self { max_attempts: 1, backoff: Backoff::Exponential, base_seconds: 1.0, max_seconds: 300.0 }
    }
}

impl RetryPolicy {
    /// Every problem, as (field, message).
    pub fn problems(&self) -> Vec<(&'static str, &'static str)> {
        let mut problems = Vec::new();
        if !(1..=100).contains(&self.max_attempts) {
            problems.push(("max_attempts", "must be from 1 to 100"));
        }
        if !(0.0..=86_400.0).contains(&self.base_seconds) {
            problems.push(("base_seconds", "must be from 0 to 86400"));
        }
        if !(0.0..=604_800.0).contains(&self.max_seconds) {
            problems.push(("max_seconds", "must be from 0 to 604800"));
        }
        problems
    }

    /// The wait after the `failures`-th failed attempt (1 = the first).
    pub fn delay(&self, failures: i32) -> Duration {
        let n = failures.max(1);
        let seconds = match self.backoff {
            Backoff::Fixed => self.base_seconds,
            Backoff::Linear => self.base_seconds * f64::from(n),
            // 2^63 seconds is past any cap; more would only overflow.
            Backoff::Exponential => self.base_seconds * 2f64.powi((n - 1).min(63)),
        };
        let millis = (seconds.min(self.max_seconds).max(0.0) * 1000.0).round();
        Duration::milliseconds(millis as i64)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wait_grows_as_named_and_stops_at_the_cap() {
        let delays = |backoff| {
            let policy = RetryPolicy { max_attempts: 9, backoff, base_seconds: 2.0, max_seconds: 10.0 };
            [1, 2, 3, 100].map(|n| policy.delay(n).num_seconds())
        };
        assert_eq!(delays(Backoff::Fixed), [2, 2, 2, 2]);
        assert_eq!(delays(Backoff::Linear), [2, 4, 6, 10]);
        assert_eq!(delays(Backoff::Exponential), [2, 4, 8, 10]);
    }
}
