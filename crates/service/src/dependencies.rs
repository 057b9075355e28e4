//! Blocked tasks go on when what they wait for has ended.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::time::Duration;

use task_domain::decide::{self, DependencyState, Rejection};
use task_domain::{Actor, Task, TaskId, TaskStatus, TenantId, UserId};
use task_protocols::{BlockedTask, DependencyStore};
use tokio::sync::{Mutex, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::change::{Saver, moment};
use crate::{Beat, Caller, Levels, Problem, ServiceError};

/// Tasks that ended and were not looked at yet; what does not fit is found by the slow look.
const QUEUE: usize = 16_384;
/// Ended tasks that one look asks for.
const BATCH: usize = 200;
/// Shortest time from one look for ended tasks to the next: when many end, they share looks.
const PACE: Duration = Duration::from_millis(10);
/// Blocked tasks that one slow look goes over, each second.
const SLOW_BATCH: i64 = 500;
/// Names of what they wait for that one statement asks for.
const NAMES: usize = 1000;
/// The slow look leaves the blocked tasks of a user alone for so long after one of them met a limit.
const LEFT_ALONE: Duration = Duration::from_secs(60);

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

/// How far the slow look has got.
#[derive(Default)]
struct SlowLook {
    /// The place to go on from, none at the end.
    place: Option<(TenantId, i64)>,
    /// Users that met a limit, and until when their tasks are left alone: they would meet it again.
    limited: HashMap<(TenantId, UserId), Instant>,
}

#[derive(PartialEq, Eq)]
enum Settled {
    Looked,
    /// The owner's limit is used up.
    Limited,
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

    /// Looks after those that wait for what ended here, at once; and beside it slowly, page after
    /// page, over all that are blocked, for what ended in an instance that is gone.
    pub async fn run(&self, ended: &EndedTasks, beat: Beat, stop: CancellationToken) {
        tokio::join!(self.look_after(ended, &stop), self.look_slowly(beat, &stop));
    }

    async fn look_after(&self, ended: &EndedTasks, stop: &CancellationToken) {
        let mut receiver = ended.0.lock().await;
        let mut batch = Vec::with_capacity(BATCH);
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                // None: nobody tells any more, and only the slow look is left.
                got = receiver.recv_many(&mut batch, BATCH) => if got == 0 { return },
            }
            let full = batch.len() >= BATCH;
            let next = Instant::now() + PACE;
            self.after(std::mem::take(&mut batch)).await;
            if !full {
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep_until(next) => {}
                }
            }
        }
    }

    async fn look_slowly(&self, mut beat: Beat, stop: &CancellationToken) {
        let mut look = SlowLook::default();
        loop {
            tokio::select! {
                () = stop.cancelled() => return,
                () = beat.wait(|due| due.blocked) => self.slow_look(&mut look).await,
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

    /// Goes over one page of blocked tasks.
    async fn slow_look(&self, look: &mut SlowLook) {
        let page = match self.store.blocked_after(look.place.clone(), SLOW_BATCH).await {
            Ok(page) => page,
            Err(error) => return warn(&error),
        };
        let known = match self.awaited(&page).await {
            Ok(known) => known,
            Err(error) => return warn(&error),
        };
        look.limited.retain(|_, until| *until > Instant::now());
        for task in &page {
            let owner = task.user_id.as_ref().map(|user_id| (task.tenant_id.clone(), user_id.clone()));
            let is_limited = owner.as_ref().is_some_and(|owner| look.limited.contains_key(owner));
            if is_limited || !known.get(&task.tenant_id).is_some_and(|states| may_go_on(task, states)) {
                continue;
            }
            if self.try_settle(&task.tenant_id, &task.task_id).await == Settled::Limited
                && let Some(owner) = owner
            {
                look.limited.insert(owner, Instant::now() + LEFT_ALONE);
            }
        }
        let full = i64::try_from(page.len()).is_ok_and(|n| n >= SLOW_BATCH);
        look.place = page.last().filter(|_| full).map(|task| (task.tenant_id.clone(), task.id));
    }

    /// How all that a page of tasks waits for stands, by tenant: what many wait for is asked for once.
    async fn awaited(
        &self,
        page: &[BlockedTask],
    ) -> Result<HashMap<TenantId, HashMap<TaskId, DependencyState>>, ServiceError> {
        let mut wanted: BTreeMap<&TenantId, BTreeSet<&TaskId>> = BTreeMap::new();
        for task in page {
            wanted.entry(&task.tenant_id).or_default().extend(&task.depends_on);
        }
        let mut known = HashMap::new();
        for (tenant_id, ids) in wanted {
            let ids: Vec<TaskId> = ids.into_iter().cloned().collect();
            let mut states = HashMap::new();
            for ids in ids.chunks(NAMES) {
                states.extend(self.states(tenant_id, ids).await?);
            }
            known.insert(tenant_id.clone(), states);
        }
        Ok(known)
    }

    async fn try_settle(&self, tenant_id: &TenantId, task_id: &TaskId) -> Settled {
        match self.settle(tenant_id, task_id).await {
            Ok(()) => {}
            // Its owner may start no more runs today: it stays blocked until the slow look comes by.
            Err(ServiceError::Limited { .. }) => return Settled::Limited,
            Err(error) => warn(&error),
        }
        Settled::Looked
    }

    /// Queues or fails a blocked task when what it waits for allows it.
    pub(crate) async fn settle(&self, tenant_id: &TenantId, task_id: &TaskId) -> Result<(), ServiceError> {
        let loaded = match self.saver.load(tenant_id, task_id).await {
            Ok(loaded) => loaded,
            // Deleted while it waited.
            Err(ServiceError::TaskNotFound { .. }) => return Ok(self.store.forget(tenant_id, task_id).await?),
            Err(error) => return Err(error),
        };
        let states = self.states(tenant_id, &loaded.task.depends_on).await?;
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
            self.store.forget(tenant_id, task_id).await?;
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

/// Whether what a blocked task waits for has ended, or one of it has failed, which may decide it
/// although others are waited for. One that is not known was deleted.
fn may_go_on(task: &BlockedTask, known: &HashMap<TaskId, DependencyState>) -> bool {
    let states = || task.depends_on.iter().map(|id| known.get(id).copied().unwrap_or(DependencyState::Deleted));
    states().all(|state| state != DependencyState::Waiting) || states().any(is_lost)
}

fn is_lost(state: DependencyState) -> bool {
    !matches!(state, DependencyState::Waiting | DependencyState::Completed)
}

fn warn(error: &(dyn std::error::Error + 'static)) {
    tracing::warn!(error, "a blocked task was not looked at; trying again");
}
