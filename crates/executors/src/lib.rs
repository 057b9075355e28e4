//! Built-in task types, and the guarded HTTP client through which they reach the outside.
//!
//! Deliberately absent: queueing, retries and leases, which are the executor pool's.

mod echo;
mod fields;
mod guard;
mod http;
mod markup;
mod news;
mod price;
mod registry;
mod shared;
mod weather;

pub use echo::Echo;
pub use guard::{Fetched, GuardError, GuardedClient, Lookup, Outbound, OutboundPolicy, SystemLookup};
pub use http::Http;
pub use news::{News, NewsMonitor, NewsSettings};
pub use price::PriceTracker;
pub use registry::{Registry, RegistryError, builtin};
pub use weather::{Weather, WeatherAlert, WeatherSettings};
