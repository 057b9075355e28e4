//! From settings and adapters to services, loops and the state of the API.
//!
//! Each file wires one kind of thing; [`wire`] puts them together.

mod auth;
mod bus;
mod consul;
pub(crate) mod engine;
mod executors;
pub(crate) mod file_lock;
mod health;
mod inbound;
mod loops;
mod neighbours;
mod outbound;
mod services;

pub(crate) use bus::{Bus, connect as connect_bus, start_relay};
pub(crate) use consul::start as start_consul;
pub(crate) use services::wire;
