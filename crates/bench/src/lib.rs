//! A load generator: starts the program, speaks HTTP/1.1 to it over kept connections, and writes down
//! what it measured beside what `pgbench` does with raw SQL on the same server.
//!
//! Deliberately absent: any knowledge of the program but its API, and any other crate of the project.

pub mod http;
pub mod instance;
pub mod load;
pub mod raw;
pub mod report;
pub mod scenarios;
pub mod setup;

/// What stops a measurement, in words for the person who runs it.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;
pub type Result<T> = std::result::Result<T, Failure>;
