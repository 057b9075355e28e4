//! The store of tasks.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use task_domain::decide::Change;
use task_domain::{Execution, LimitExceeded, Origin, Priority, Task, TaskId, TaskStatus, TenantId, UserId};

use crate::StoreResult;

/// A task as read, and when by the store's clock.
#[derive(Debug, Clone, PartialEq)]
pub struct Loaded {
    pub task: Task,
    pub now: DateTime<Utc>,
    /// Whether a claim may take it: it is queued, due, and not held back by its concurrency key. Stays so
    /// while `event_seq` does.
    pub claimable: bool,
}

/// What became of a [`TaskStore::save`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum SaveOutcome {
    /// Committed: row, attempt, history and events. `id` is the task's bigint id.
    Saved { id: i64 },
    /// The task changed since it was read, or its lease guard does not hold any more: nothing was changed.
    Stale,
    /// The owner's limit is used up: nothing was changed.
    Limited(LimitExceeded),
    /// A create under this idempotency key made `task_id` before: nothing was changed.
    Repeated { task_id: TaskId, fingerprint: String },
    /// A new task's id is taken in this tenant, deleted tasks included: nothing was changed.
    Duplicate,
}

/// The order of a list. Each is total, by the bigint id in the end, so that keyset pages fit together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TaskSort {
    #[default]
    Newest,
    Oldest,
    /// Soonest `due_date` first, tasks without one last.
    Due,
    /// Most urgent first.
    Priority,
}

/// The place of a task in a list: the keyset of the page after it.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskCursor {
    pub id: i64,
    pub due_date: Option<DateTime<Utc>>,
    pub priority: Priority,
}

impl From<&Task> for TaskCursor {
    fn from(task: &Task) -> Self {
        Self { id: task.id, due_date: task.due_date, priority: task.priority }
    }
}

/// Which tasks a list wants; every condition given must hold.
#[derive(Debug, Clone, PartialEq)]
pub struct TaskFilter {
    pub tenant_id: TenantId,
    pub user_id: Option<UserId>,
    pub origin: Option<Origin>,
    pub status: Option<TaskStatus>,
    /// Any of them; empty = whatever it is.
    pub statuses: Vec<TaskStatus>,
    pub task_type: Option<String>,
    pub priority: Option<Priority>,
    /// All of them.
    pub tags: Vec<String>,
    /// All of them, name and value.
    pub labels: Vec<(String, String)>,
    /// All of them, name and text, at the top of the task's attributes.
    pub attributes: Vec<(String, String)>,
    /// A part of the name or the description, in either case.
    pub text: Option<String>,
    pub due_before: Option<DateTime<Utc>>,
    /// That moment included.
    pub due_after: Option<DateTime<Utc>>,
    /// That moment included.
    pub created_after: Option<DateTime<Utc>>,
    pub sort: TaskSort,
    /// Only tasks that come after this place.
    pub after: Option<TaskCursor>,
    pub offset: i64,
    /// At most so many.
    pub limit: i64,
    /// Whether to count all that fit as well, wherever the page begins.
    pub count: bool,
    /// Whether to count the conversation entries of each task.
    pub conversations: bool,
}

impl TaskFilter {
    /// How many tasks fit in all, where a page of so many tells.
    pub fn total_of_last_page(&self, tasks: usize, more: bool) -> Option<i64> {
        let tells = !more && self.after.is_none() && (tasks > 0 || self.offset == 0);
        i64::try_from(tasks).ok().filter(|_| tells).map(|tasks| self.offset + tasks)
    }

    /// Whether it asks of a drop-in API's tasks for nothing but where they stand.
    pub fn is_of_states_only(&self) -> bool {
        let anything = Self {
            origin: self.origin,
            status: self.status,
            statuses: self.statuses.clone(),
            sort: self.sort,
            after: self.after.clone(),
            offset: self.offset,
            limit: self.limit,
            count: self.count,
            conversations: self.conversations,
            ..Self::of(self.tenant_id.clone())
        };
        self.origin.is_some_and(|origin| origin != Origin::TaskService) && *self == anything
    }

    /// The sum of the counts (by status and type) whose status it asks for.
    pub fn sum(&self, counts: &[(TaskStatus, String, i64)]) -> i64 {
        let fits = |status: &TaskStatus| {
            self.status.is_none_or(|wanted| wanted == *status)
                && (self.statuses.is_empty() || self.statuses.contains(status))
        };
        counts.iter().filter(|(status, ..)| fits(status)).map(|(.., count)| count).sum()
    }

    /// The first 50 tasks of a tenant.
    pub fn of(tenant_id: TenantId) -> Self {
        Self {
            tenant_id,
            user_id: None,
            origin: None,
            status: None,
            statuses: Vec::new(),
            task_type: None,
            priority: None,
            tags: Vec::new(),
            labels: Vec::new(),
            attributes: Vec::new(),
            text: None,
            due_before: None,
            due_after: None,
            created_after: None,
            sort: TaskSort::default(),
            after: None,
            offset: 0,
            limit: 50,
            count: false,
            conversations: false,
        }
    }
}

/// One page, without `last_result`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct TaskPage {
    pub tasks: Vec<Task>,
    /// Whether more follow; the next page starts after the last task's place.
    pub more: bool,
    /// How many fit in all, where it was asked for.
    pub total: Option<i64>,
    /// Conversation entries of each of the tasks, where it was asked for; else 0 of each.
    pub conversations: Vec<i64>,
}

/// Reads tasks, and saves changes whole.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait TaskStore: Send + Sync {
    /// The store's clock: the one that decides leases and schedules.
    async fn now(&self) -> StoreResult<DateTime<Utc>>;

    /// Asks the database itself, and not a clock that was read before; for readiness.
    async fn ping(&self) -> StoreResult<()>;

    /// The task, with its current attempt and last result; `None` when there is none, it is
    /// deleted, or it belongs to another tenant.
    async fn find(&self, tenant_id: &TenantId, task_id: &TaskId) -> StoreResult<Option<Loaded>>;

    /// The task that was made under an idempotency key, and the fingerprint of that request. The
    /// task may have been deleted since.
    async fn made_under(&self, tenant_id: &TenantId, caller: &str, key: &str) -> StoreResult<Option<(TaskId, String)>>;

    /// The same and, of a task that has no current attempt, the one that ended last.
    async fn find_with_last(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
    ) -> StoreResult<Option<(Loaded, Option<Execution>)>>;

    /// The task with this bigint id, as [`Self::find`] finds it, and how many conversation entries it has.
    async fn find_by_number(&self, tenant_id: &TenantId, number: i64) -> StoreResult<Option<(Loaded, i64)>>;

    /// How many live tasks of a drop-in API there are, by status and type as claimed; in no order, none
    /// of them 0.
    async fn count_by_status(
        &self,
        tenant_id: &TenantId,
        origin: Origin,
    ) -> StoreResult<Vec<(TaskStatus, String, i64)>>;

    /// One page of live tasks. Pages taken by `after` neither skip nor repeat a task under
    /// concurrent inserts.
    async fn list(&self, filter: &TaskFilter) -> StoreResult<TaskPage>;

    /// Saves a change in one transaction: task, attempts, one history row, the events in the
    /// outbox, and of a new task its conversations, in their order and as old as the task. MUST change nothing unless `event_seq` still is `expected_seq`, the lease guard
    /// holds by the store's clock, and the owner's limits allow it, exactly even under parallel
    /// saves. A concurrent heartbeat or progress entry is not a conflict and is not undone.
    async fn save(&self, change: &Change) -> StoreResult<SaveOutcome>;
}
