//! The use cases with injected mocks: no I/O.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic where it stands")]

mod analytics;
mod claims;
mod conversations;
mod creates;
mod dependencies;
mod execute;
mod facts;
mod holders;
mod inbound;
mod keys;
mod levels;
mod notices;
mod overview;
mod pulse;
mod retention;
mod scheduler;
mod support;
mod tasks;
mod templates;
mod track;
mod track_memory;
mod worker_control;
mod workers;
