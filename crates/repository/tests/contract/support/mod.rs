//! What the promises are tested with: the stores of one engine on a database of its own, and short
//! words for the commands that bring a task into a state.

pub(crate) mod behind;
pub(crate) mod build;
pub(crate) mod engines;
pub(crate) mod snapshot;

use std::sync::Arc;

use chrono::{DateTime, Duration, Utc};
use task_domain::decide::{self, Change, Claimer, IdSource, Moment, NewTask, Rejection};
use task_domain::{Actor, Event, Handler, LeaseToken, Task, TenantId};
use task_protocols::{
    AnalyticsStore, ApiKeyStore, ClaimRequest, ClaimTaskRequest, ConversationStore, DependencyStore, ExecutionQuery,
    ExecutionStore, ExplainStore, FactStore, HistoryStore, InboxStore, LevelStore, OutboxEvent, OutboxStore,
    OverviewStore, ProgressStore, RetentionStore, SaveOutcome, TaskFilter, TaskStore, TemplateStore, TimedStore,
    TrackStore,
};
use uuid::Uuid;

use behind::Database;

/// One engine in all its roles. The database goes when this is dropped.
#[derive(Clone)]
pub(crate) struct Stores {
    pub(crate) tasks: Arc<dyn TaskStore>,
    pub(crate) executions: Arc<dyn ExecutionStore>,
    pub(crate) timed: Arc<dyn TimedStore>,
    pub(crate) progress: Arc<dyn ProgressStore>,
    pub(crate) outbox: Arc<dyn OutboxStore>,
    pub(crate) history: Arc<dyn HistoryStore>,
    pub(crate) dependencies: Arc<dyn DependencyStore>,
    pub(crate) overview: Arc<dyn OverviewStore>,
    pub(crate) beside: Beside,
    pub(crate) explain: Arc<dyn ExplainStore>,
    pub(crate) tracks: Arc<dyn TrackStore>,
    pub(crate) database: Database,
}

/// What stands beside the tasks.
#[derive(Clone)]
pub(crate) struct Beside {
    pub(crate) templates: Arc<dyn TemplateStore>,
    pub(crate) analytics: Arc<dyn AnalyticsStore>,
    pub(crate) conversations: Arc<dyn ConversationStore>,
    pub(crate) facts: Arc<dyn FactStore>,
    pub(crate) retention: Arc<dyn RetentionStore>,
    pub(crate) api_keys: Arc<dyn ApiKeyStore>,
    pub(crate) levels: Arc<dyn LevelStore>,
    pub(crate) inbox: Arc<dyn InboxStore>,
}

impl Beside {
    fn of<E>(engine: &Arc<E>) -> Self
    where
        E: TemplateStore + AnalyticsStore + ConversationStore + FactStore + RetentionStore + 'static,
        E: ApiKeyStore + LevelStore + InboxStore,
    {
        Self {
            templates: engine.clone(),
            analytics: engine.clone(),
            conversations: engine.clone(),
            facts: engine.clone(),
            retention: engine.clone(),
            api_keys: engine.clone(),
            levels: engine.clone(),
            inbox: engine.clone(),
        }
    }
}

pub(crate) struct Ids;

impl IdSource for Ids {
    fn id(&self) -> Uuid {
        Uuid::now_v7()
    }

    fn secret(&self) -> Uuid {
        Uuid::new_v4()
    }
}

pub(crate) fn moment(now: DateTime<Utc>) -> Moment<'static> {
    Moment { now, actor: Actor::System("contract"), ids: &Ids }
}

pub(crate) fn secs(seconds: i64) -> Duration {
    Duration::seconds(seconds)
}

/// What a test decides about a task.
pub(crate) type Decision = Result<Change, Rejection>;

impl Stores {
    pub(crate) fn of<E>(engine: Arc<E>, database: Database) -> Self
    where
        E: DependencyStore
            + TaskStore
            + ExecutionStore
            + TimedStore
            + ProgressStore
            + OutboxStore
            + HistoryStore
            + TrackStore
            + ExplainStore
            + 'static,
        E: TemplateStore + AnalyticsStore + ConversationStore + FactStore + RetentionStore,
        E: ApiKeyStore + LevelStore + InboxStore + OverviewStore,
    {
        Self {
            beside: Beside::of(&engine),
            tasks: engine.clone(),
            executions: engine.clone(),
            timed: engine.clone(),
            progress: engine.clone(),
            outbox: engine.clone(),
            dependencies: engine.clone(),
            history: engine.clone(),
            overview: engine.clone(),
            explain: engine.clone(),
            tracks: engine,
            database,
        }
    }

    pub(crate) async fn now(&self) -> DateTime<Utc> {
        self.tasks.now().await.unwrap()
    }

    /// Creates a task now.
    pub(crate) async fn create(&self, new: NewTask) -> Task {
        let now = self.now().await;
        self.create_at(new, now).await
    }

    /// Creates a task as if it were `now`.
    pub(crate) async fn create_at(&self, new: NewTask, now: DateTime<Utc>) -> Task {
        let change = decide::create(new, &moment(now)).unwrap();
        self.save(&change).await;
        self.load(&change.task).await
    }

    /// Saves what must be accepted.
    pub(crate) async fn save(&self, change: &Change) {
        let outcome = self.tasks.save(change).await.unwrap();
        assert!(matches!(outcome, SaveOutcome::Saved { .. }), "{}: {outcome:?}", change.history.action);
    }

    /// The task as it stands.
    pub(crate) async fn load(&self, task: &Task) -> Task {
        self.tasks.find(&task.tenant_id, &task.task_id).await.unwrap().expect("the task is there").task
    }

    /// Loads the task, decides now, saves, and loads it again.
    pub(crate) async fn apply(&self, task: &Task, decide: impl Fn(&Task, &Moment<'_>) -> Decision) -> Task {
        let now = self.now().await;
        self.apply_at(task, now, decide).await
    }

    /// The same as if it were `now`: leases and times that this brings about lie in the past.
    pub(crate) async fn apply_at(
        &self,
        task: &Task,
        now: DateTime<Utc>,
        decide: impl Fn(&Task, &Moment<'_>) -> Decision,
    ) -> Task {
        let change = decide(&self.load(task).await, &moment(now)).unwrap();
        self.save(&change).await;
        if change.task.deleted_at.is_some() { change.task } else { self.load(task).await }
    }

    /// Claims this one task through the domain, as if it were `now`.
    pub(crate) async fn claim_at(&self, task: &Task, now: DateTime<Utc>, lease_seconds: i64) -> Task {
        let claimer = Claimer { worker_id: "w1".into(), lease_seconds };
        self.apply_at(task, now, |task, moment| decide::claim(task, &claimer, moment)).await
    }

    /// Claims whatever is next for this task's type and handler.
    pub(crate) async fn claim_next(&self, task: &Task) -> Task {
        let claimed = self.executions.claim(&claim_of(task)).await.unwrap();
        assert_eq!(claimed.len(), 1, "one task was claimable");
        claimed.into_iter().next().unwrap()
    }

    pub(crate) async fn complete(&self, task: &Task) -> Task {
        let token = token_of(task);
        self.apply(task, |task, moment| decide::complete(task, token, decide::Report::default(), moment)).await
    }

    /// A task whose lease ran out a minute ago, with the token of it.
    pub(crate) async fn expired(&self, new: NewTask) -> Task {
        let then = self.now().await - secs(120);
        let task = self.create_at(NewTask { run_immediately: true, ..new }, then).await;
        self.claim_at(&task, then, 60).await
    }

    /// A task with a live lease.
    pub(crate) async fn running(&self, new: NewTask) -> Task {
        let task = self.create(NewTask { run_immediately: true, ..new }).await;
        let now = self.now().await;
        self.claim_at(&task, now, 3600).await
    }

    /// Everything in the outbox, published or not, in the order of ids.
    pub(crate) async fn events(&self) -> Vec<OutboxEvent> {
        self.outbox.unpublished(100_000).await.unwrap()
    }

    /// The unpublished events of one task.
    pub(crate) async fn events_of(&self, task: &Task) -> Vec<Event> {
        let of_task = |e: &OutboxEvent| e.event.tenant_id == task.tenant_id && e.event.task_id == task.task_id;
        self.events().await.into_iter().filter(of_task).map(|e| e.event).collect()
    }

    /// All live tasks of a tenant, newest first.
    pub(crate) async fn all(&self, tenant_id: &TenantId) -> Vec<Task> {
        self.tasks.list(&everything(tenant_id)).await.unwrap().tasks
    }
}

pub(crate) fn everything(tenant_id: &TenantId) -> TaskFilter {
    TaskFilter { limit: 100_000, ..TaskFilter::of(tenant_id.clone()) }
}

pub(crate) fn executions_of(task: &Task) -> ExecutionQuery {
    ExecutionQuery {
        tenant_id: task.tenant_id.clone(),
        task_id: task.task_id.clone(),
        status: None,
        limit: 1000,
        offset: 0,
    }
}

/// A claim of one task of this tenant, handler and type.
pub(crate) fn claim_of(task: &Task) -> ClaimRequest {
    ClaimRequest {
        tenant_id: Some(task.tenant_id.clone()),
        handler: task.handler,
        task_types: vec![task.task_type.clone()],
        worker_id: "w1".into(),
        max_tasks: 1,
        lease_seconds: 60,
        origin: None,
        request_id: None,
    }
}

/// A claim of up to `max_tasks` of the default tenant's outside work of these types.
pub(crate) fn claim_types(task_types: &[&str], max_tasks: i64) -> ClaimRequest {
    ClaimRequest {
        tenant_id: Some(TenantId::default_tenant()),
        handler: Handler::Worker,
        task_types: task_types.iter().map(|&t| t.to_owned()).collect(),
        worker_id: "w1".into(),
        max_tasks,
        lease_seconds: 60,
        origin: None,
        request_id: None,
    }
}

/// A claim of this very task.
pub(crate) fn claim_this(task: &Task) -> ClaimTaskRequest {
    ClaimTaskRequest {
        tenant_id: task.tenant_id.clone(),
        task_id: task.task_id.clone(),
        handler: task.handler,
        origin: None,
        worker_id: "w1".into(),
        lease_seconds: 60,
        request_id: None,
    }
}

pub(crate) fn token_of(task: &Task) -> LeaseToken {
    task.current.as_ref().and_then(|e| e.lease).expect("the task is leased").token
}

/// A token that nobody was given.
pub(crate) fn strange_token() -> LeaseToken {
    LeaseToken::new(Uuid::new_v4())
}
