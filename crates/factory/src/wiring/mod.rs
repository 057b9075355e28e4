//! From settings and adapters to services, loops and the state of the API.
//!
//! Each file wires one kind of thing; [`wire`] puts them together.

mod auth;
mod bus;
pub(crate) mod engine;
mod executors;
mod loops;
mod neighbours;
mod outbound;
mod services;

pub(crate) use bus::{Bus, connect as connect_bus};
pub(crate) use services::wire;
