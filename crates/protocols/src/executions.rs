//! The store of executions: claims, leases, and what time makes of them.

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use task_domain::{Execution, ExecutionStatus, Handler, LeaseToken, Origin, Task, TaskId, TenantId};
use uuid::Uuid;

use crate::{Loaded, StoreResult};

/// What a worker asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimRequest {
    /// `None`: any tenant (our own executors).
    pub tenant_id: Option<TenantId>,
    pub handler: Handler,
    /// At least one; a type the worker does not name is never given to it. None, together with
    /// `origin` and handler `builtin`, is every type of that origin.
    pub task_types: Vec<String>,
    pub worker_id: String,
    /// 1–100.
    pub max_tasks: i64,
    pub lease_seconds: i64,
    /// Only what this API made; `None`: whatever made it.
    pub origin: Option<Origin>,
    /// The name of this claim, so that it can be repeated; needs `tenant_id`. Whoever names the same
    /// worker and claim is given its tokens, so the name must tell callers apart.
    pub request_id: Option<String>,
}

impl ClaimRequest {
    /// Whether it is for tasks of this type.
    pub fn asks_for(&self, task: &Task) -> bool {
        self.task_types.is_empty() || self.task_types.iter().any(|task_type| task_type == task.claimed_as())
    }
}

/// What a worker asks for when it names the task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimTaskRequest {
    pub tenant_id: TenantId,
    pub task_id: TaskId,
    pub handler: Handler,
    /// A task that another API made is as good as none.
    pub origin: Option<Origin>,
    pub worker_id: String,
    pub lease_seconds: i64,
    /// As that of a [`ClaimRequest`].
    pub request_id: Option<String>,
}

/// What became of a [`ExecutionStore::claim_task`].
#[derive(Debug, Clone, PartialEq)]
pub enum ClaimedTask {
    /// Leased to the worker; the lease is in `current`.
    Claimed(Box<Task>),
    /// Not queued, not due yet, or another handler's; the task as it stands.
    NotClaimable(Box<Task>),
    NotFound,
}

impl ClaimTaskRequest {
    /// The answer when the store did not lease the task, which is `found` if it is there.
    pub fn refused(&self, found: Option<Task>) -> ClaimedTask {
        match found.filter(|task| self.origin.is_none_or(|origin| origin == task.origin)) {
            Some(task) => ClaimedTask::NotClaimable(Box::new(task)),
            None => ClaimedTask::NotFound,
        }
    }
}

/// One of several workers that claim together.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seat {
    pub worker_id: String,
    /// 1–100.
    pub max_tasks: i64,
}

/// A renewed lease.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Heartbeat {
    pub expires_at: DateTime<Utc>,
    /// What is left of it by the store's clock.
    pub expires_in: Duration,
}

/// Which executions of a task a list wants, newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExecutionQuery {
    pub tenant_id: TenantId,
    pub task_id: TaskId,
    pub status: Option<ExecutionStatus>,
    pub limit: i64,
    pub offset: i64,
}

/// How many of a task's finished executions a token is looked for among, the newest first.
pub const RECENT_EXECUTIONS: i64 = 100;

/// Claims, heartbeats and reads of executions.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait ExecutionStore: Send + Sync {
    /// Leases up to `max_tasks` queued executions, each under a fresh random token, and returns
    /// their tasks with the lease in `current`. Order: priority; then turn, in which the
    /// owners with work of the types asked for alternate by their weights; then id. MUST never
    /// give one execution to two claimers, nor more than asked, nor start a task while as many of its
    /// concurrency key are leased as its `max_concurrent` says, and writes history and events as
    /// [`task_domain::decide::claim`] says.
    ///
    /// With a `request_id` under which the same worker of the tenant holds claims that live, those of
    /// the types asked for are returned again, tokens included, and nothing is claimed; also of
    /// parallel repeats only one claims. MUST NOT return a task of a type that is not asked for.
    async fn claim(&self, request: &ClaimRequest) -> StoreResult<Vec<Task>>;

    /// The same for several workers at once: the first tasks go to the first seat, up to its
    /// `max_tasks`, the next ones to the next; `current` says whose each is. The `worker_id`,
    /// `max_tasks` and `request_id` of the request are not looked at.
    async fn claim_seats(&self, request: &ClaimRequest, seats: &[Seat]) -> StoreResult<Vec<Task>>;

    /// Which of these types of these tenants have work that an outside worker could claim, as of
    /// about now. One statement, however many are asked for.
    async fn claimable_types(&self, types: &[(TenantId, String)]) -> StoreResult<Vec<(TenantId, String)>>;

    /// Leases this one task, as [`Self::claim`] would. MUST give it to one of parallel claimers,
    /// and only when it is queued, due and of the handler named. Repeated under the same
    /// `request_id` by the same worker while the claim lives, it is answered the same, token included.
    async fn claim_task(&self, request: &ClaimTaskRequest) -> StoreResult<ClaimedTask>;

    /// Extends the lease to `lease_seconds` from now, or by its current length when `None`. `None`
    /// (and nothing changed) unless `token` is current and has not run out, by the store's clock.
    async fn heartbeat(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
        token: LeaseToken,
        lease_seconds: Option<i64>,
    ) -> StoreResult<Option<Heartbeat>>;

    /// One execution, active or finished, of a task that is not deleted.
    async fn find_execution(&self, tenant_id: &TenantId, execution_id: Uuid) -> StoreResult<Option<Execution>>;

    /// The finished execution that held `token`, if it is among the last [`RECENT_EXECUTIONS`] of the
    /// task: tells why a token is not current, of a deleted task too. MUST look at no more than those,
    /// however many there are: any string may be sent as a token.
    async fn find_ended_by_token(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
        token: LeaseToken,
    ) -> StoreResult<Option<Execution>>;

    /// Of each of these tasks (bigint id and public id) the execution that ended last; those without
    /// one, and those of another tenant, are left out. In no order.
    async fn last_ended(&self, tenant_id: &TenantId, tasks: &[(i64, TaskId)]) -> StoreResult<Vec<Execution>>;

    /// The executions of one task, the active one included, newest first.
    async fn list_executions(&self, query: &ExecutionQuery) -> StoreResult<Vec<Execution>>;
}

/// A reminder that was missed for longer is not given any more. It bounds what each look reads: tasks
/// that were done before their reminder came stay in its index.
pub const REMINDED_LATE: Duration = Duration::days(7);

/// What there is to do for the loops that wait for the clock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Due {
    /// [`TimedStore::due_tasks`].
    pub schedules: bool,
    /// [`TimedStore::expired_leases`].
    pub leases: bool,
    /// [`TimedStore::past_deadline`].
    pub deadlines: bool,
    /// [`TimedStore::release_delayed`].
    pub delayed: bool,
    /// [`TimedStore::due_reminders`].
    pub reminders: bool,
    /// Tasks that wait for others.
    pub blocked: bool,
    /// Work that the service itself executes.
    pub builtin: bool,
}

impl Due {
    /// What is to be looked for when nothing is known.
    pub const EVERYTHING: Self = Self {
        schedules: true,
        leases: true,
        deadlines: true,
        delayed: true,
        reminders: true,
        blocked: true,
        builtin: true,
    };
}

/// What the store's clock has made due. Each method reads at most `limit` rows, oldest first; the
/// decision is saved by [`crate::TaskStore::save`], whose guard re-checks it. `last_result` is left out.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait TimedStore: Send + Sync {
    /// What there is to do, by one look. MUST name everything that there is; MAY name what there is
    /// not, where looking for it costs no more than this does.
    async fn due(&self) -> StoreResult<Due>;

    /// Scheduled tasks whose `next_run_time` has come.
    async fn due_tasks(&self, limit: i64) -> StoreResult<Vec<Loaded>>;

    /// Running tasks whose lease has run out.
    async fn expired_leases(&self, limit: i64) -> StoreResult<Vec<Loaded>>;

    /// Tasks whose run has passed its `timeout_at`; those of one tenant that one API made, where they are named.
    async fn past_deadline(&self, of: Option<(TenantId, Origin)>, limit: i64) -> StoreResult<Vec<Loaded>>;

    /// Tasks that are neither done nor of type `reminder`, whose `reminder_time` came within the last
    /// [`REMINDED_LATE`] and whose owner was not reminded.
    async fn due_reminders(&self, limit: i64) -> StoreResult<Vec<Loaded>>;

    /// Makes queued executions claimable whose `run_at` has come (a backoff or a delay is over),
    /// and those for which there is room under their concurrency key; how many.
    async fn release_delayed(&self, limit: i64) -> StoreResult<u64>;
}
