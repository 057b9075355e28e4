//! The canonical REST API: routes, authentication, error mapping, OpenAPI, metrics.
//!
//! Deliberately absent: decisions. A handler reads its input, calls one use case and answers.

mod app;
mod auth;
mod errors;
mod event_feed;
mod fields;
mod json;
mod metrics;
mod openapi;
mod request_context;
mod routes;
mod sse;
mod state;

pub use app::{canonical_app, run};
pub use auth::{AuthConfig, StaticKey};
pub use event_feed::EventFeed;
pub use metrics::Metrics;
pub use openapi::document;
pub use state::{ApiState, ServiceInfo};
