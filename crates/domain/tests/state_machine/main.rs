//! The state machine against `domain.md`: every state × every command as literal tables, what each
//! accepted command does beside the status, and random command sequences against the invariants.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on panics")]

mod create;
mod dependencies;
mod effects;
mod explain;
mod limits;
mod owner_commands;
mod properties;
mod reasons;
mod set_status;
mod support;
mod time_commands;
mod worker_commands;
