//! The clients against local stand-ins: what they send, what they read, and how they fail.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic where it stands")]

mod accounts;
mod calendar;
mod consul;
mod notifications;
