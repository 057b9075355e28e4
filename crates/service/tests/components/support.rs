//! Mocks, and tasks to hand them.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, TimeZone, Utc};
use task_domain::decide::{self, Change, Moment};
use task_domain::{Actor, Limits, OnDependencyFailure, Origin, SubscriptionLevel, Task, TenantId, UserId};
use task_protocols::{
    Due, Hint, HintBus, Loaded, MockDependencyStore, MockExecutionStore, MockExecutorRegistry, MockHintBus,
    MockHistoryStore, MockProgressStore, MockTaskStore, MockTimedStore,
};
use task_service::{
    Access, Caller, Dependencies, Levels, LimitsPolicy, Pulse, RandomIds, Saver, Scope, TaskDraft, TaskService,
    TaskServiceParts,
};
use tokio::sync::broadcast;

/// Hints within a test.
pub(crate) struct Hints(pub(crate) broadcast::Sender<Hint>);

impl HintBus for Hints {
    fn send(&self, hint: Hint) {
        let _ = self.0.send(hint);
    }

    fn subscribe(&self) -> broadcast::Receiver<Hint> {
        self.0.subscribe()
    }
}

pub(crate) fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2030, 1, 2, 3, 4, 5).unwrap()
}

pub(crate) fn user(name: &str) -> Caller {
    Caller {
        tenant_id: TenantId::default_tenant(),
        access: Access::User { user_id: UserId::new(name).unwrap(), level: None },
    }
}

pub(crate) fn key(scopes: &[Scope], task_types: &[&str]) -> Caller {
    let access = Access::Key {
        key_id: "k1".into(),
        scopes: scopes.to_vec(),
        task_types: task_types.iter().map(|t| (*t).to_owned()).collect(),
        acting_for: None,
    };
    Caller { tenant_id: TenantId::default_tenant(), access }
}

pub(crate) fn draft(task_type: &str) -> TaskDraft {
    TaskDraft::new(Origin::TaskService, task_type.into(), "Hello".into())
}

/// A stored task of user `ann`, made by the domain itself.
pub(crate) fn stored(queued: bool) -> Task {
    let draft = draft("echo");
    let new = decide::NewTask {
        tenant_id: TenantId::default_tenant(),
        task_id: None,
        user_id: Some(UserId::new("ann").unwrap()),
        key_id: None,
        origin: draft.origin,
        handler: task_domain::Handler::Builtin,
        name: draft.name,
        description: None,
        task_type: draft.task_type,
        config: draft.config,
        metadata: None,
        tags: Vec::new(),
        labels: BTreeMap::new(),
        attributes: draft.attributes,
        priority: draft.priority,
        schedule: None,
        due_date: None,
        reminder_time: None,
        timeout_seconds: None,
        depends_on: Vec::new(),
        blocked: false,
        on_dependency_failure: OnDependencyFailure::Fail,
        concurrency_key: None,
        max_concurrent: None,
        retry: draft.retry,
        credits_per_run: 0.0,
        run_immediately: queued,
    };
    let moment = Moment { now: now(), actor: Actor::System("test"), ids: &RandomIds };
    Task { id: 7, ..decide::create(new, &moment).unwrap().task }
}

/// The same task, leased to `w1`.
pub(crate) fn leased() -> Task {
    let moment = Moment { now: now(), actor: Actor::System("test"), ids: &RandomIds };
    let claimer = decide::Claimer { worker_id: "w1".into(), lease_seconds: 60 };
    decide::claim(&stored(true), &claimer, &moment).unwrap().task
}

pub(crate) fn loaded(task: Task) -> Loaded {
    Loaded { claimable: task.is_due(), task, now: now() }
}

pub(crate) fn policy(level: SubscriptionLevel) -> LimitsPolicy {
    LimitsPolicy { limits: Limits::default(), default_level: level }
}

/// Everybody has this level, unless a call names another one.
pub(crate) fn levels(level: SubscriptionLevel) -> Arc<Levels> {
    Arc::new(Levels::fixed(policy(level)))
}

/// Hints that nobody hears.
pub(crate) fn silent_hints() -> MockHintBus {
    let mut hints = MockHintBus::new();
    hints.expect_send().return_const(());
    hints.expect_subscribe().returning(|| broadcast::channel(16).1);
    hints
}

/// A pulse by which everything is always due.
pub(crate) fn beating() -> Pulse {
    let mut timed = MockTimedStore::new();
    timed.expect_due().returning(|| Ok(Due::EVERYTHING));
    Pulse::new(Arc::new(timed))
}

pub(crate) fn saver(store: MockTaskStore, hints: MockHintBus) -> Saver {
    Saver::new(Arc::new(store), Arc::new(hints))
}

/// A task service over a mock store.
pub(crate) fn service(store: MockTaskStore, executions: MockExecutionStore) -> TaskService {
    service_of(saver(store, silent_hints()), executions)
}

/// The same over a saver.
pub(crate) fn service_of(saver: Saver, executions: MockExecutionStore) -> TaskService {
    service_with(saver, executions, dependencies())
}

/// The same of tasks that wait for others.
pub(crate) fn service_with(saver: Saver, executions: MockExecutionStore, dependencies: Dependencies) -> TaskService {
    let mut executors = MockExecutorRegistry::new();
    executors.expect_find().returning(|_| None);
    TaskService::new(TaskServiceParts {
        saver,
        executions: Arc::new(executions),
        executors: Arc::new(executors),
        dependencies,
        levels: levels(SubscriptionLevel::Basic),
        history: Arc::new(MockHistoryStore::new()),
        progress: Arc::new(MockProgressStore::new()),
        stopping: tokio_util::sync::CancellationToken::new(),
    })
}

/// Of tasks that wait for nothing.
fn dependencies() -> Dependencies {
    let (store, level) = (MockDependencyStore::new(), levels(SubscriptionLevel::Basic));
    Dependencies::new(saver(MockTaskStore::new(), silent_hints()), Arc::new(store), level)
}

/// The types of a change's events.
pub(crate) fn event_types(change: &Change) -> Vec<&'static str> {
    change.events.iter().map(|event| event.event_type.as_str()).collect()
}
