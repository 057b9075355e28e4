//! The relay with injected collaborators; the bus and the hints on a real nats-server.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic where it stands")]

mod bus;
mod hints;
mod inbound;
mod relay;
mod republish;
mod support;
