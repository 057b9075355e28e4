//! Hints: wake-ups between the loops of one instance and between instances.

use serde::{Deserialize, Serialize};
use task_domain::{Handler, LeaseLost, Origin, TaskId, TenantId};
use tokio::sync::broadcast;
use uuid::Uuid;

/// Something may be worth a look. A hint may be lost, late or repeated: the store is the truth,
/// and every listener also polls slowly.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "hint", rename_all = "snake_case")]
pub enum Hint {
    /// A committed change put an execution into the queue; without a tenant: some, of types that the
    /// sender does not know.
    WorkQueued {
        handler: Handler,
        tenant_id: Option<TenantId>,
        task_type: String,
        /// The API that made the task, where it is known.
        #[serde(default)]
        origin: Option<Origin>,
    },
    /// A committed change moved this task; its events are in the outbox.
    TaskChanged { tenant_id: TenantId, task_id: TaskId },
    /// Progress entries of this task were committed.
    ProgressAppended { tenant_id: TenantId, task_id: TaskId },
    /// A committed change took a lease from its worker, who need not work on.
    LeaseTaken(LeaseTaken),
    /// The relay published events.
    EventsPublished,
}

impl Hint {
    /// Work was queued that the sender knows nothing else of.
    pub fn some_work(handler: Handler) -> Self {
        Self::WorkQueued { handler, tenant_id: None, task_type: String::new(), origin: None }
    }
}

/// A lease that its worker lost to somebody else's command.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LeaseTaken {
    pub tenant_id: TenantId,
    pub worker_id: String,
    /// Empty when an older version sent it.
    #[serde(default)]
    pub task_type: String,
    pub task_id: TaskId,
    pub execution_id: Uuid,
    pub kind: Taken,
    /// What the worker's next heartbeat is refused with.
    pub reason: LeaseLost,
    /// Why, in the words of whoever took it.
    pub message: Option<String>,
}

/// How a lease was taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Taken {
    /// The task was cancelled, deleted, or its status set.
    Cancel,
    /// The lease or the run's deadline ran out.
    LeaseLost,
}

#[cfg_attr(feature = "mock", mockall::automock)]
pub trait HintBus: Send + Sync {
    /// Tells every listener, here and (where there is a broker) in other instances. Never waits.
    fn send(&self, hint: Hint);

    /// Listens from now on; a listener that lags is told so, and looks at the store.
    fn subscribe(&self) -> broadcast::Receiver<Hint>;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hint_is_read_by_another_instance_as_it_was_sent() {
        let (tenant_id, task_id) = (TenantId::default_tenant(), TaskId::new("t").unwrap());
        let taken = LeaseTaken {
            tenant_id: tenant_id.clone(),
            worker_id: "w".into(),
            task_type: "x".into(),
            task_id: task_id.clone(),
            execution_id: Uuid::nil(),
            kind: Taken::Cancel,
            reason: LeaseLost::Cancelled,
            message: Some("because".into()),
        };
        let queued = Hint::WorkQueued {
            handler: Handler::Worker,
            tenant_id: Some(tenant_id.clone()),
            task_type: "x".into(),
            origin: Some(Origin::Seedcore),
        };
        let changed = Hint::TaskChanged { tenant_id, task_id };
        for hint in [queued, changed, Hint::LeaseTaken(taken), Hint::EventsPublished] {
            let sent = serde_json::to_vec(&hint).unwrap();
            assert_eq!(serde_json::from_slice::<Hint>(&sent).unwrap(), hint, "{}", String::from_utf8_lossy(&sent));
        }
    }
}
