//! Signals to processes that a test started.

use std::process::{Child, Command};

/// Sends `signal` (`TERM`, `STOP`, …) to a child that still runs.
pub fn signal(child: &Child, signal: &str) {
    let command = format!("kill -{signal} {}", child.id());
    let status = Command::new("sh").args(["-c", &command]).status().unwrap();
    assert!(status.success(), "{command}");
}
