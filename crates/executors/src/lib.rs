//! Built-in task types, and the guarded HTTP client through which they reach the outside.
//!
//! Deliberately absent: queueing, retries and leases, which are the executor pool's.

mod backup;
mod calendar;
mod conversation;
mod echo;
mod fields;
mod guard;
mod http;
mod limited;
mod markup;
mod news;
mod organism;
mod price;
mod registry;
mod remind;
mod shared;
mod weather;

pub use backup::{BackupSettings, BackupStores, DataBackup};
pub use calendar::CalendarEvents;
pub use conversation::Conversation;
pub use echo::Echo;
pub use guard::{Fetched, GuardError, GuardedClient, Lookup, Outbound, OutboundPolicy, SystemLookup};
pub use http::Http;
pub use limited::TypeLimits;
pub use news::{News, NewsMonitor, NewsSettings};
pub use organism::Organism;
pub use price::PriceTracker;
pub use registry::{Builtin, Registry, RegistryError, builtin};
pub use remind::{Reminder, Todo};
pub use weather::{Weather, WeatherAlert, WeatherSettings};
