//! What goes wrong, and that every promise holds through it.

mod aborted_clients;
mod frozen;
mod killed;
mod outages;
mod zombies;

use std::time::Duration;

/// Longer than any answer takes.
const PATIENT: Duration = Duration::from_secs(40);
const LEASE: (&str, &str) = ("EXECUTOR_LEASE_SECONDS", "5");
