//! HTTP clients of the neighbouring services.
//!
//! Deliberately absent: what to tell them and when, which the services decide.

mod notifications;

pub use notifications::{HttpNotificationClient, NoNotifications};
