//! Blocked tasks go on when what they wait for has ended.

use std::collections::BTreeMap;

use std::sync::Arc;
use std::time::Duration;

use task_domain::decide::{self, DependencyState, Rejection};
use task_domain::{Actor, Task, TaskId, TaskStatus, TenantId};
use task_protocols::DependencyStore;
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

use crate::change::{Saver, moment};
use crate::{Caller, Levels, Problem, ServiceError};

/// Tasks that ended and were not looked at yet; what does not fit is found by the slow look.
const QUEUE: usize = 16_384;
/// Ended tasks that one look asks for.
const BATCH: usize = 200;
/// Blocked tasks that one slow look goes over, each second.
const SLOW_BATCH: i64 = 500;
const SLOW_LOOK: Duration = Duration::from_secs(1);

/// Where the saver tells of tasks that ended.
#[derive(Clone)]
pub struct Endings(mpsc::Sender<(TenantId, TaskId)>);

impl Endings {
    /// Never waits: what is lost here is found by the slow look.
    pub(crate) fn tell(&self, task: &Task) {
        let _ = self.0.try_send((task.tenant_id.clone(), task.task_id.clone()));
    }
}

/// The tasks that ended, for [`Dependencies::run`].
pub struct EndedTasks(Mutex<mpsc::Receiver<(TenantId, TaskId)>>);

/// Both ends of the way from the saver to [`Dependencies::run`].
pub fn endings() -> (Endings, EndedTasks) {
    let (sender, receiver) = mpsc::channel(QUEUE);
    (Endings(sender), EndedTasks(Mutex::new(receiver)))
}

/// Queues or fails blocked tasks. Any number of instances may do so: the save's guard lets one of
/// them win, so each task goes on exactly once.
#[derive(Clone)]
pub struct Dependencies {
    saver: Saver,
    store: Arc<dyn DependencyStore>,
    levels: Arc<Levels>,
}

impl Dependencies {
    pub fn new(saver: Saver, store: Arc<dyn DependencyStore>, levels: Arc<Levels>) -> Self {
        Self { saver, store, levels }
    }

    /// Looks after those that wait for what ended here, at once; and slowly, page after page, over
    /// all that are blocked, for what ended in an instance that is gone.
    pub async fn run(&self, ended: &EndedTasks, stop: CancellationToken) {
        let mut receiver = ended.0.lock().await;
        let mut slow = tokio::time::interval(SLOW_LOOK);
        slow.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut place = None;
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                got = receiver.recv_many(&mut batch, BATCH) => {
                    if got == 0 {
                        // Nobody tells any more: only the slow look is left.
                        slow.tick().await;
                    }
                    self.after(std::mem::take(&mut batch)).await;
                }
                _ = slow.tick() => place = self.slow_look(place).await,
            }
        }
    }

    /// Looks at all that wait for any of these.
    async fn after(&self, ended: Vec<(TenantId, TaskId)>) {
        let mut by_tenant: BTreeMap<String, (TenantId, Vec<TaskId>)> = BTreeMap::new();
        for (tenant_id, task_id) in ended {
            by_tenant.entry(tenant_id.to_string()).or_insert_with(|| (tenant_id, Vec::new())).1.push(task_id);
        }
        for (tenant_id, ids) in by_tenant.into_values() {
            match self.store.waiting_for(&tenant_id, &ids).await {
                Ok(waiting) => {
                    for task_id in waiting {
                        self.try_settle(&tenant_id, &task_id).await;
                    }
                }
                Err(error) => warn(&error),
            }
        }
    }

    /// Goes over one page of blocked tasks; the place to go on from, none at the end.
    async fn slow_look(&self, after: Option<(TenantId, i64)>) -> Option<(TenantId, i64)> {
        let page = match self.store.blocked_after(after.clone(), SLOW_BATCH).await {
            Ok(page) => page,
            Err(error) => {
                warn(&error);
                return after;
            }
        };
        for task in &page {
            match self.states(&task.tenant_id, &task.depends_on).await {
                Ok(states) if states.iter().filter(|(_, s)| *s == DependencyState::Waiting).count() > 0 => {
                    // One that has failed may decide it although others are waited for.
                    if states.len() < task.depends_on.len() || states.iter().any(|(_, s)| is_lost(*s)) {
                        self.try_settle(&task.tenant_id, &task.task_id).await;
                    }
                }
                Ok(_) => self.try_settle(&task.tenant_id, &task.task_id).await,
                Err(error) => warn(&error),
            }
        }
        let full = i64::try_from(page.len()).is_ok_and(|n| n >= SLOW_BATCH);
        page.last().filter(|_| full).map(|task| (task.tenant_id.clone(), task.id))
    }

    async fn try_settle(&self, tenant_id: &TenantId, task_id: &TaskId) {
        if let Err(error) = self.settle(tenant_id, task_id).await {
            match error {
                // Its owner may start no more runs today: it stays blocked until the slow look comes by.
                ServiceError::Limited { .. } => {}
                error => warn(&error),
            }
        }
    }

    /// Queues or fails a blocked task when what it waits for allows it.
    pub(crate) async fn settle(&self, tenant_id: &TenantId, task_id: &TaskId) -> Result<(), ServiceError> {
        let loaded = match self.saver.load(tenant_id, task_id).await {
            Ok(loaded) => loaded,
            Err(ServiceError::TaskNotFound { .. }) => return Ok(()),
            Err(error) => return Err(error),
        };
        let depends_on = loaded.task.depends_on.clone();
        let states = self.states(tenant_id, &depends_on).await?;
        let limits = Some((self.levels.as_ref(), None));
        let decided = self.saver.apply_under(limits, tenant_id, task_id, |loaded| {
            if loaded.task.status != TaskStatus::Blocked {
                return Err(ServiceError::Rejected(Rejection::Unchanged));
            }
            let moment = moment(loaded, Actor::System("dependencies"));
            Ok(decide::settle_dependencies(&loaded.task, &states, &moment)?)
        });
        let (task, _) = decided.await?;
        if task.status != TaskStatus::Blocked {
            self.store.forget(tenant_id, task_id, &depends_on).await?;
        }
        Ok(())
    }

    async fn states(
        &self,
        tenant_id: &TenantId,
        ids: &[TaskId],
    ) -> Result<Vec<(TaskId, DependencyState)>, ServiceError> {
        let known = self.store.dependencies(tenant_id, ids).await?;
        Ok(known.into_iter().map(|dependency| (dependency.task_id, dependency.state)).collect())
    }

    /// Whether a new task that is to wait for `ids` is blocked at first.
    ///
    /// # Errors
    /// `Invalid` naming every id that is no task which the caller may see.
    pub(crate) async fn check(&self, caller: &Caller, ids: &[TaskId]) -> Result<bool, ServiceError> {
        if ids.is_empty() {
            return Ok(false);
        }
        let known = self.store.dependencies(&caller.tenant_id, ids).await?;
        let state = |id: &TaskId| {
            let seen = known.iter().find(|d| d.task_id == *id && d.state != DependencyState::Deleted);
            seen.filter(|d| caller.sees(d.user_id.as_ref(), &d.task_type)).map(|d| d.state)
        };
        let problems: Vec<Problem> = ids
            .iter()
            .filter(|id| state(id).is_none())
            .map(|id| Problem::new("depends_on", format!("{id} is no task of yours; create it first")))
            .collect();
        if !problems.is_empty() {
            return Err(ServiceError::Invalid(problems));
        }
        Ok(ids.iter().any(|id| state(id) != Some(DependencyState::Completed)))
    }
}

fn is_lost(state: DependencyState) -> bool {
    !matches!(state, DependencyState::Waiting | DependencyState::Completed)
}

fn warn(error: &(dyn std::error::Error + 'static)) {
    tracing::warn!(error, "a blocked task was not looked at; trying again");
}
