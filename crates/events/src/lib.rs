//! Outbox relay, event buses and hints.
//!
//! Deliberately absent: business rules, and what an event says; here it is carried.

mod in_process;
mod nats;
mod relay;

pub use in_process::{InProcessBus, InProcessHints, tell_of_published};
pub use nats::{Inbound, InboundOutcome, NatsBus, NatsConfig, NatsError, NatsHints, STREAM};
pub use relay::{Relay, RelayConfig, RelayError};
