//! The HTTP API, over real sockets, on both engines.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic where it stands")]

mod analytics;
mod auth;
mod concurrency;
mod conversations;
mod coverage;
mod dependencies;
mod events;
mod execute;
mod executors;
mod explain;
mod facts;
mod input;
mod key_limits;
mod keys;
mod limits;
mod lists;
mod owner;
mod repeats;
mod robust;
mod support;
mod system;
mod tasks;
mod templates;
mod track;
mod worker_claims;
mod worker_control;
mod worker_example;
mod worker_leases;
mod workers;
