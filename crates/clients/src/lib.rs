//! HTTP clients of the neighbouring services.
//!
//! Deliberately absent: what to tell them and when, which the services decide; caching.

mod accounts;
mod calendar;
mod consul;
mod http;
mod notifications;
mod probe;

pub use accounts::{HttpAccountClient, NoAccounts};
pub use calendar::{HttpCalendarClient, NoCalendar};
pub use consul::{Consul, ConsulError, Registration};
pub use notifications::{HttpNotificationClient, NoNotifications};
pub use probe::HttpProbe;
