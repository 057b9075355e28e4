//! Hints: wake-ups between the loops of one instance and between instances.

use serde::{Deserialize, Serialize};
use task_domain::{Handler, TaskId, TenantId};
use tokio::sync::broadcast;

/// Something may be worth a look. A hint may be lost, late or repeated: the store is the truth,
/// and every listener also polls slowly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "hint", rename_all = "snake_case")]
pub enum Hint {
    /// A committed change put an execution into the queue; without a tenant: some, of types that the
    /// sender does not know.
    WorkQueued { handler: Handler, tenant_id: Option<TenantId>, task_type: String },
    /// A committed change moved this task; its events are in the outbox.
    TaskChanged { tenant_id: TenantId, task_id: TaskId },
    /// Progress entries of this task were committed.
    ProgressAppended { tenant_id: TenantId, task_id: TaskId },
    /// The relay published events.
    EventsPublished,
}

#[cfg_attr(feature = "mock", mockall::automock)]
pub trait HintBus: Send + Sync {
    /// Tells every listener, here and (where there is a broker) in other instances. Never waits.
    fn send(&self, hint: Hint);

    /// Listens from now on; a listener that lags is told so, and looks at the store.
    fn subscribe(&self) -> broadcast::Receiver<Hint>;
}
