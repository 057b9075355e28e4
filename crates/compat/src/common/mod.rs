//! What the drop-in APIs share: the listener, who may call, how input is read, how errors are
//! answered. Nothing here knows a task.

mod api;
mod body;
mod caller;
mod cors;
mod drop_in;
mod refusal;

pub use api::{Api, document, run};
pub(crate) use body::{Body, ResultBody};
pub use caller::Admission;
pub(crate) use caller::{Authorised, anybody};
pub use cors::Cors;
pub use drop_in::DropIn;
pub(crate) use refusal::{Detail, Refusal, Shape, type_is};

/// The result of a handler.
pub(crate) type Answer<S> = Result<actix_web::HttpResponse, Refusal<S>>;
