//! Load, decide, save, and tell those who wait; again when the task moved in between.

use std::sync::Arc;

use task_domain::decide::{Change, Moment, Rejection};
use task_domain::{Actor, Task, TaskId, TaskStatus, TenantId};
use task_protocols::{Hint, HintBus, Loaded, SaveOutcome, TaskStore};

use crate::{RandomIds, ServiceError};

/// How often a command is decided anew when others change the task at the same time.
const TRIES: usize = 16;

/// Saves changes and sends the hints that follow from them.
#[derive(Clone)]
pub struct Saver {
    tasks: Arc<dyn TaskStore>,
    hints: Arc<dyn HintBus>,
}

impl Saver {
    pub fn new(tasks: Arc<dyn TaskStore>, hints: Arc<dyn HintBus>) -> Self {
        Self { tasks, hints }
    }

    pub(crate) fn store(&self) -> &dyn TaskStore {
        self.tasks.as_ref()
    }

    pub(crate) fn hints(&self) -> &dyn HintBus {
        self.hints.as_ref()
    }

    /// Reads a task of the tenant.
    pub(crate) async fn load(&self, tenant_id: &TenantId, task_id: &TaskId) -> Result<Loaded, ServiceError> {
        let found = self.tasks.find(tenant_id, task_id).await?;
        found.ok_or_else(|| ServiceError::TaskNotFound { task_id: task_id.to_string() })
    }

    /// Loads, decides and saves; decides anew when the task moved in between. `Ok(None)`: the
    /// decision was [`Rejection::Unchanged`]. Otherwise the change as saved.
    pub(crate) async fn apply<F>(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
        decide: F,
    ) -> Result<(Task, Option<Change>), ServiceError>
    where
        F: Fn(&Loaded) -> Result<Change, ServiceError> + Send + Sync,
    {
        for _ in 0..TRIES {
            let loaded = self.load(tenant_id, task_id).await?;
            let change = match decide(&loaded) {
                Ok(change) => change,
                Err(ServiceError::Rejected(Rejection::Unchanged)) => return Ok((loaded.task, None)),
                Err(error) => return Err(error),
            };
            if let Some(task) = self.save(&change).await? {
                return Ok((task, Some(change)));
            }
        }
        Err(ServiceError::Contended)
    }

    /// Saves one change and sends its hints; the task as saved, or `None` when it was stale.
    pub(crate) async fn save(&self, change: &Change) -> Result<Option<Task>, ServiceError> {
        match self.tasks.save(change).await? {
            SaveOutcome::Saved { id } => {
                self.announce(&change.task);
                Ok(Some(Task { id, ..change.task.clone() }))
            }
            SaveOutcome::Stale => Ok(None),
            SaveOutcome::Repeated { task_id, fingerprint } => {
                let same = change.idempotency.as_ref().is_some_and(|known| known.fingerprint == fingerprint);
                if !same {
                    return Err(ServiceError::KeyReused);
                }
                Ok(Some(self.load(&change.task.tenant_id, &task_id).await?.task))
            }
            SaveOutcome::Limited(limited) => Err(ServiceError::Limited(limited)),
            SaveOutcome::Duplicate => Err(ServiceError::DuplicateTask { task_id: change.task.task_id.to_string() }),
        }
    }

    /// Tells those who wait that a committed change moved this task.
    pub(crate) fn announce(&self, task: &Task) {
        self.hints.send(Hint::TaskChanged { tenant_id: task.tenant_id.clone(), task_id: task.task_id.clone() });
        if task.status == TaskStatus::Queued {
            self.hints.send(Hint::WorkQueued { handler: task.handler, task_type: task.task_type.clone() });
        }
    }
}

/// The moment of a command on a loaded task.
pub(crate) fn moment(loaded: &Loaded, actor: Actor) -> Moment<'static> {
    Moment { now: loaded.now, actor, ids: &RandomIds }
}
