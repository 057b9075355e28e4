//! NATS: JetStream for events, core subjects for hints.

mod bus;
mod hints;
mod inbound;

pub use bus::{NatsBus, NatsConfig, NatsError, STREAM};
pub use hints::NatsHints;
pub use inbound::{Inbound, InboundOutcome};
