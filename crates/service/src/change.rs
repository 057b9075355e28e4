//! Load, decide, save, and tell those who wait; again when the task moved in between.

use std::borrow::Cow;
use std::sync::Arc;

use task_domain::decide::{Change, Idempotency, LeaseGuard, Moment, Rejection};
use task_domain::{
    Actor, ExecutionStatus, Handler, LeaseLost, SubscriptionLevel, Task, TaskId, TaskStatus, TenantId, TypeLimits,
};
use task_protocols::{Hint, HintBus, LeaseTaken, Loaded, SaveOutcome, Taken, TaskStore};

use crate::dependencies::Endings;
use crate::tasks_create::Created;
use crate::{Levels, Notices, RandomIds, ServiceError};

/// How often a command is decided anew when others change the task at the same time.
const TRIES: usize = 16;

/// Saves changes and sends the hints that follow from them.
#[derive(Clone)]
pub struct Saver {
    tasks: Arc<dyn TaskStore>,
    hints: Arc<dyn HintBus>,
    notices: Option<Notices>,
    endings: Option<Endings>,
    type_limits: Arc<TypeLimits>,
}

impl Saver {
    pub fn new(tasks: Arc<dyn TaskStore>, hints: Arc<dyn HintBus>) -> Self {
        Self { tasks, hints, notices: None, endings: None, type_limits: Arc::default() }
    }

    /// Neighbours are told of what is saved from here on.
    pub fn with_notices(self, notices: Notices) -> Self {
        Self { notices: Some(notices), ..self }
    }

    /// Tells of every task that ends, so that those that wait for it go on at once.
    pub fn telling(self, endings: Endings) -> Self {
        Self { endings: Some(endings), ..self }
    }

    /// Runs that are saved as queued from here on are under these limits.
    pub fn under(self, type_limits: TypeLimits) -> Self {
        Self { type_limits: Arc::new(type_limits), ..self }
    }

    pub(crate) fn type_limits(&self) -> &TypeLimits {
        &self.type_limits
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
        self.apply_under(None, tenant_id, task_id, decide).await
    }

    /// The same under the limits of the task's user, at the level that the call names.
    pub(crate) async fn apply_under<F>(
        &self,
        limits: Option<(&Levels, Option<SubscriptionLevel>)>,
        tenant_id: &TenantId,
        task_id: &TaskId,
        decide: F,
    ) -> Result<(Task, Option<Change>), ServiceError>
    where
        F: Fn(&Loaded) -> Result<Change, ServiceError> + Send + Sync,
    {
        for _ in 0..TRIES {
            let loaded = self.load(tenant_id, task_id).await?;
            let mut change = match decide(&loaded) {
                Ok(change) => change,
                Err(ServiceError::Rejected(Rejection::Unchanged)) => return Ok((loaded.task, None)),
                Err(error) => return Err(error),
            };
            if let Some((levels, named)) = limits {
                levels.apply(&mut change, Some(&loaded.task), named, loaded.now).await?;
            }
            if let Some(task) = self.save(&change).await? {
                return Ok((task, Some(change)));
            }
        }
        Err(ServiceError::Contended)
    }

    /// Saves one change and sends its hints; the task as saved, or `None` when it was stale.
    pub(crate) async fn save(&self, change: &Change) -> Result<Option<Task>, ServiceError> {
        let change = self.limited(change);
        let outcome = self.tasks.save(&change).await?;
        self.settle(&change, outcome)
    }

    /// The change with its task under the limit of its type, where it queues a run. So a limit holds for
    /// every run that is queued while it is set, whenever the task was made.
    fn limited<'c>(&self, change: &'c Change) -> Cow<'c, Change> {
        let limit = if change.demand.run { self.type_limits.change_of(&change.task) } else { None };
        let Some((concurrency_key, max_concurrent)) = limit else { return Cow::Borrowed(change) };
        let task = Task { concurrency_key, max_concurrent, ..change.task.clone() };
        Cow::Owned(Change { task, definition_changed: true, ..change.clone() })
    }

    /// Saves a new task; one that was made under the same idempotency key before is the outcome.
    pub(crate) async fn create(&self, change: &Change) -> Result<Created, ServiceError> {
        let change = self.limited(change);
        match self.tasks.save(&change).await? {
            SaveOutcome::Repeated { task_id, fingerprint } => {
                let known = change.idempotency.as_ref().map(|known| known.fingerprint.as_str());
                self.repeated(&change.task.tenant_id, &task_id, known == Some(&fingerprint)).await
            }
            outcome => {
                let task = self.settle(&change, outcome)?.ok_or(ServiceError::Contended)?;
                Ok(Created { task, replayed: false })
            }
        }
    }

    /// What was made under this key before, if anything.
    pub(crate) async fn made_before(
        &self,
        tenant_id: &TenantId,
        known: &Idempotency,
    ) -> Result<Option<Created>, ServiceError> {
        match self.tasks.made_under(tenant_id, &known.caller, &known.key).await? {
            None => Ok(None),
            Some((task_id, fingerprint)) => {
                self.repeated(tenant_id, &task_id, known.fingerprint == fingerprint).await.map(Some)
            }
        }
    }

    async fn repeated(&self, tenant_id: &TenantId, task_id: &TaskId, same: bool) -> Result<Created, ServiceError> {
        if !same {
            return Err(ServiceError::KeyReused);
        }
        Ok(Created { task: self.load(tenant_id, task_id).await?.task, replayed: true })
    }

    fn settle(&self, change: &Change, outcome: SaveOutcome) -> Result<Option<Task>, ServiceError> {
        match outcome {
            SaveOutcome::Saved { id } => {
                self.announce(&change.task);
                if let Some(taken) = lease_taken(change) {
                    self.hints.send(Hint::LeaseTaken(taken));
                }
                if let Some(notices) = &self.notices {
                    notices.of(change);
                }
                let ended = change.finished.is_some() && change.task.current.is_none();
                if (ended || !change.task.is_active())
                    && let Some(endings) = &self.endings
                {
                    endings.tell(&change.task);
                }
                Ok(Some(Task { id, ..change.task.clone() }))
            }
            // Only a create has a key, and it looks at repeats itself.
            SaveOutcome::Stale | SaveOutcome::Repeated { .. } => Ok(None),
            SaveOutcome::Limited(limited) => Err(ServiceError::limited(limited, change.history.occurred_at)),
            SaveOutcome::Duplicate => Err(ServiceError::DuplicateTask { task_id: change.task.task_id.to_string() }),
        }
    }

    /// Tells those who wait that a committed change moved this task.
    pub(crate) fn announce(&self, task: &Task) {
        self.hints.send(Hint::TaskChanged { tenant_id: task.tenant_id.clone(), task_id: task.task_id.clone() });
        if task.is_due() {
            self.hints.send(Hint::WorkQueued {
                handler: task.handler,
                tenant_id: Some(task.tenant_id.clone()),
                task_type: task.claimed_as().to_owned(),
                origin: Some(task.origin),
            });
        }
        // A task under a concurrency key that does not run any more may have let another one through,
        // whatever its type.
        if task.concurrency_key.is_some() && task.status != TaskStatus::Running {
            self.hints.send(Hint::some_work(Handler::Builtin));
            self.hints.send(Hint::some_work(Handler::Worker));
        }
    }
}

/// The lease that a change took from a worker which did not ask for it.
fn lease_taken(change: &Change) -> Option<LeaseTaken> {
    let ended = change.finished.as_ref().filter(|_| !matches!(change.lease, LeaseGuard::Held(_)))?;
    let worker_id = ended.worker_id.clone().filter(|_| ended.lease.is_some())?;
    let (kind, reason) = match ended.status {
        ExecutionStatus::Lost | ExecutionStatus::TimedOut => (Taken::LeaseLost, LeaseLost::Expired),
        ExecutionStatus::Cancelled => (Taken::Cancel, LeaseLost::Cancelled),
        ExecutionStatus::Released => (Taken::Cancel, LeaseLost::Released),
        _ => (Taken::Cancel, LeaseLost::Finished),
    };
    Some(LeaseTaken {
        tenant_id: ended.tenant_id.clone(),
        worker_id,
        task_type: change.task.task_type.clone(),
        task_id: ended.task_id.clone(),
        execution_id: ended.execution_id,
        kind,
        reason,
        message: change.history.reason.clone(),
    })
}

/// The moment of a command on a loaded task.
pub(crate) fn moment(loaded: &Loaded, actor: Actor) -> Moment<'static> {
    Moment { now: loaded.now, actor, ids: &RandomIds }
}
