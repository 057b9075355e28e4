//! The guarded outbound client: what a task's owner names is called only when it is public.
//!
//! Every address that a name resolves to is checked, and only checked addresses are connected to;
//! redirects are followed by hand and checked from the start. Deliberately absent: proxies from the
//! environment, cookies, retries.

mod addresses;
mod client;
mod error;
mod policy;
mod resolver;

pub use client::{Fetched, GuardedClient, Outbound};
pub use error::GuardError;
pub use policy::OutboundPolicy;
pub use resolver::{Lookup, SystemLookup};
