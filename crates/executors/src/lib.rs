//! Built-in task types, and the guarded HTTP client through which they reach the outside.
//!
//! Deliberately absent: queueing, retries and leases, which are the executor pool's.

mod echo;
mod guard;
mod http;
mod registry;

pub use echo::Echo;
pub use guard::{Fetched, GuardError, GuardedClient, Lookup, Outbound, OutboundPolicy, SystemLookup};
pub use http::Http;
pub use registry::{Registry, RegistryError, builtin};
