//! Support of the tests: private databases and servers, free ports, waiting on conditions.
//!
//! Deliberately absent: knowledge of the project's own crates.
#![expect(clippy::unwrap_used, reason = "a test's set-up that fails should panic where it fails")]

pub mod nats;
pub mod pg;
pub mod pg_meter;
pub mod pg_server;
pub mod ports;
pub mod process;
pub mod sqlite;
pub mod wait;
