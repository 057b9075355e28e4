//! What hints tell of work.

use std::collections::HashSet;

use task_domain::{Handler, TenantId};
use task_protocols::Hint;
use tokio::sync::broadcast;

/// What hints have told.
#[derive(Default)]
pub(super) struct News {
    pub(super) types: HashSet<(TenantId, String)>,
    /// There may be work that no hint has named.
    pub(super) unknown: bool,
    pub(super) closed: bool,
}

impl News {
    pub(super) fn add(&mut self, hint: Result<Hint, broadcast::error::RecvError>) {
        match hint {
            Ok(Hint::WorkQueued { handler: Handler::Worker, tenant_id: Some(tenant_id), task_type, .. }) => {
                self.types.insert((tenant_id, task_type));
            }
            Ok(Hint::WorkQueued { handler: Handler::Worker, tenant_id: None, .. })
            | Err(broadcast::error::RecvError::Lagged(_)) => self.unknown = true,
            Ok(_) => {}
            Err(broadcast::error::RecvError::Closed) => self.closed = true,
        }
    }
}
