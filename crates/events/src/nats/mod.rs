//! NATS: JetStream for events, core subjects for hints.

mod bus;
mod hints;

pub use bus::{NatsBus, NatsConfig, NatsError, STREAM};
pub use hints::NatsHints;
