//! What the handlers of one drop-in API share.

use std::sync::Arc;

use task_server::ApiState;
use task_service::OriginService;

use super::{Admission, Api, Cors};

/// One API with everything its handlers need; built once, by the factory.
pub struct DropIn {
    pub api: &'static Api,
    /// The tasks of its origin.
    pub tasks: OriginService,
    /// What all APIs of the process share: authentication, metrics, streams.
    pub engine: Arc<ApiState>,
    /// Length of a claim's lease, seconds.
    pub lease_seconds: i64,
    pub admission: Admission,
    pub cors: Cors,
}
