//! The canonical REST API: routes, authentication, error mapping, OpenAPI, metrics.
//!
//! Deliberately absent: decisions. A handler reads its input, calls one use case and answers.

mod app;
mod auth;
mod errors;
mod event_feed;
mod event_stream;
mod fields;
mod json;
mod metrics;
mod middleware;
mod openapi;
mod request_context;
mod routes;
mod sse;
mod state;

pub use app::{KEEP_ALIVE, canonical_app, run};
pub use auth::{AuthConfig, StaticKey};
pub use event_feed::EventFeed;
pub use metrics::Metrics;
pub use openapi::document;
pub use state::{ApiState, Dependency, ServiceInfo};

/// What every HTTP API of this process is built with: strict input, errors before they have a
/// shape, request ids, streams. No routes, and no API's own words.
pub mod plumbing {
    pub use crate::app::KnownPaths;
    pub use crate::auth::{Authenticated, same};
    pub use crate::errors::{ApiError, FieldError};
    pub use crate::fields::Fields;
    pub use crate::json::{JsonBody, LargeBody};
    pub use crate::middleware::check_headers;
    pub use crate::request_context::{ApiName, track};
    pub use crate::routes::query::{Query, number, task_id, uuid};

    pub mod sse {
        //! Server-sent events.
        pub use crate::sse::{KEEP_ALIVE, comment, follow, frame, last_event_id, opening, response};
    }
}
