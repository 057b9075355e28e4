//! How many statements each operation sends to PostgreSQL: a round trip that creeps in is seen here.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic where it stands")]

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use task_domain::decide::{Failure, Report};
use task_domain::{Handler, JsonObject, LeaseToken, Limits, Origin, SubscriptionLevel, Task, TaskId, TenantId, UserId};
use task_events::InProcessHints;
use task_protocols::{ClaimRequest, ExecutorRegistry, TaskExecutor, TaskFilter};
use task_repository::postgres::{PostgresConfig, PostgresEngine};
use task_service::{
    Access, Caller, ConversationService, Dependencies, Levels, LimitsPolicy, NamedClaim, OriginService, Saver, Scope,
    TaskDraft, TaskService, TaskServiceParts, WorkerService,
};
use task_testkit::pg::TestDatabase;
use task_testkit::pg_meter::Meter;

struct NoExecutors;

impl ExecutorRegistry for NoExecutors {
    fn find(&self, _: &str) -> Option<Arc<dyn TaskExecutor>> {
        None
    }
}

/// The services over one metered database, without any loop beside them.
struct World {
    meter: Meter,
    tasks: Arc<TaskService>,
    workers: WorkerService,
    conversations: ConversationService,
    tenant: TenantId,
    _database: TestDatabase,
}

impl World {
    async fn new() -> Self {
        let migrate = async |url: String| engine(&url).migrate().await.unwrap();
        let database = TestDatabase::create("statements", migrate).await;
        let meter = Meter::before(database.url()).await;
        let engine = Arc::new(engine(meter.url()));
        let saver = Saver::new(engine.clone(), Arc::new(InProcessHints::default()));
        let policy = LimitsPolicy { limits: Limits::default(), default_level: SubscriptionLevel::Enterprise };
        let levels = Arc::new(Levels::fixed(policy));
        let tasks = Arc::new(TaskService::new(TaskServiceParts {
            saver: saver.clone(),
            executions: engine.clone(),
            executors: Arc::new(NoExecutors),
            dependencies: Dependencies::new(saver.clone(), engine.clone(), Arc::clone(&levels)),
            levels,
            history: engine.clone(),
            progress: engine.clone(),
            stopping: tokio_util::sync::CancellationToken::new(),
        }));
        let workers = WorkerService::new(saver, engine.clone(), engine.clone());
        let conversations = ConversationService::new(engine, Arc::clone(&tasks));
        Self { meter, tasks, workers, conversations, tenant: TenantId::default_tenant(), _database: database }
    }

    /// Statements of one operation: the least of several, because now and then the database is also
    /// asked for the time, and a fresh session is set up.
    async fn of<T>(&self, mut operation: impl AsyncFnMut() -> T) -> u64 {
        let mut least = u64::MAX;
        for _ in 0..4 {
            let before = self.meter.statements();
            operation().await;
            least = least.min(self.meter.statements() - before);
        }
        least
    }

    async fn queued(&self) -> Task {
        self.tasks.create(&key(), draft("garden", true)).await.unwrap()
    }

    async fn claim(&self) -> Task {
        let request = ClaimRequest {
            tenant_id: Some(self.tenant.clone()),
            handler: Handler::Worker,
            task_types: vec!["garden".into()],
            worker_id: "w1".into(),
            max_tasks: 1,
            lease_seconds: 60,
            origin: None,
            request_id: None,
        };
        self.workers.claim(&request).await.unwrap().pop().unwrap()
    }

    async fn leased(&self) -> (TaskId, LeaseToken) {
        self.queued().await;
        let task = self.claim().await;
        let token = task.current.unwrap().lease.unwrap().token;
        (task.task_id, token)
    }
}

/// One connection a pool, so that the sessions are set up once.
fn engine(url: &str) -> PostgresEngine {
    let patience = Duration::from_secs(60);
    let config = PostgresConfig {
        main_connections: 1,
        claim_connections: 1,
        acquire_timeout: patience,
        ..PostgresConfig::new(url)
    };
    PostgresEngine::connect(config, tokio::runtime::Handle::current()).unwrap()
}

fn user(level: SubscriptionLevel) -> Caller {
    let access = Access::User { user_id: UserId::new("ann").unwrap(), level: Some(level) };
    Caller { tenant_id: TenantId::default_tenant(), access }
}

fn key() -> Caller {
    let access = Access::Key {
        key_id: "k1".into(),
        scopes: vec![Scope::TasksWrite, Scope::TasksWork],
        task_types: Vec::new(),
        acting_for: None,
    };
    Caller { tenant_id: TenantId::default_tenant(), access }
}

fn draft(task_type: &str, run_immediately: bool) -> TaskDraft {
    TaskDraft { run_immediately, ..TaskDraft::new(Origin::TaskService, task_type.into(), "Hello".into()) }
}

fn entry() -> Vec<JsonObject> {
    let Value::Object(entry) = json!({"percent": 50}) else { panic!("an object") };
    vec![entry]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_operation_sends_as_many_statements_as_the_page_says() {
    let world = World::new().await;
    let (unlimited, limited) = (user(SubscriptionLevel::Enterprise), user(SubscriptionLevel::Basic));
    let create = world.of(async || world.tasks.create(&unlimited, draft("echo", false)).await.unwrap()).await;
    assert_eq!(create, 1, "create");
    let create = world.of(async || world.tasks.create(&limited, draft("echo", false)).await.unwrap()).await;
    assert_eq!(create, 5, "create of a user under limits: begin, lock, count, insert, commit");

    let task = world.tasks.create(&unlimited, draft("echo", false)).await.unwrap();
    let get = world.of(async || world.tasks.get(&unlimited, &task.task_id).await.unwrap()).await;
    assert_eq!(get, 1, "get");
    let filter = TaskFilter::of(world.tenant.clone());
    let list = world.of(async || world.tasks.list(&unlimited, filter.clone()).await.unwrap()).await;
    assert_eq!(list, 1, "list");

    let mut resting = Vec::new();
    for _ in 0..4 {
        resting.push(world.tasks.create(&unlimited, draft("echo", false)).await.unwrap().task_id);
    }
    let execute = async || {
        let id = resting.pop().unwrap();
        world.tasks.execute(&unlimited, &id, None, Duration::ZERO).await.unwrap()
    };
    assert_eq!(world.of(execute).await, 3, "execute: load, save, read the attempt with its number");

    for _ in 0..8 {
        world.queued().await;
    }
    // The first claims sweep from the bottom of the queue.
    assert_eq!(world.of(async || world.claim().await).await, 1, "claim");

    let (id, token) = world.leased().await;
    let beat = world.of(async || world.workers.heartbeat(&world.tenant, &id, token, None).await.unwrap()).await;
    assert_eq!(beat, 1, "heartbeat");
    let progress = world.of(async || world.workers.progress(&world.tenant, &id, token, &entry()).await.unwrap()).await;
    assert_eq!(progress, 1, "progress");

    let mut leased = Vec::new();
    for _ in 0..4 {
        leased.push(world.leased().await);
    }
    let complete = async || {
        let (id, token) = leased.pop().unwrap();
        let report = Report { result: json!({"done": true}), ..Report::default() };
        world.workers.complete(&world.tenant, &id, token, report).await.unwrap()
    };
    assert_eq!(world.of(complete).await, 1, "complete of what this instance leased: save");
}

impl World {
    fn drop_in(&self, origin: Origin) -> OriginService {
        OriginService::new(Arc::clone(&self.tasks), self.workers.clone(), origin)
    }

    async fn ended(&self, api: &OriginService) -> Task {
        let task = api.create(&key(), draft("garden", true)).await.unwrap();
        api.claim(&key(), &task.task_id, &named()).await.unwrap();
        api.complete(&key(), &task.task_id, Some("w1"), Report::default()).await.unwrap()
    }
}

fn named() -> NamedClaim {
    NamedClaim { worker_id: "w1".into(), lease_seconds: 60, attribute: None }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_drop_in_apis_send_as_many_as_the_canonical_one_to_create_and_read() {
    let world = World::new().await;
    let caller = key();
    let filter = TaskFilter { count: true, conversations: true, ..TaskFilter::of(world.tenant.clone()) };
    for origin in [Origin::TaskRepository, Origin::TaskManagement, Origin::Seedcore, Origin::TaskTracker] {
        let api = world.drop_in(origin);
        let create = world.of(async || api.create(&caller, draft("garden", true)).await.unwrap()).await;
        assert_eq!(create, 1, "create at {origin}");
        let list = world.of(async || api.list(&caller, filter.clone()).await.unwrap()).await;
        assert_eq!(list, 1, "a list at {origin}, whose page has all: its total is known");
        let first = TaskFilter { limit: 1, ..filter.clone() };
        let list = world.of(async || api.list(&caller, first.clone()).await.unwrap()).await;
        assert_eq!(list, 2, "a list at {origin}, whose page has not all: page, count");
    }
    let management = world.drop_in(Origin::TaskManagement);
    let numbered = management.create(&caller, draft("garden", true)).await.unwrap();
    let read = world.of(async || management.get_by_number(&caller, numbered.id).await.unwrap()).await;
    assert_eq!(read, 1, "a task by its number, with how many conversations it has");
    world.conversations.add(&caller, &numbered.task_id, "a", "active").await.unwrap();
    assert_eq!(management.get_by_number(&caller, numbered.id).await.unwrap().1, 1);

    let tracker = world.drop_in(Origin::TaskTracker);
    let ended = world.ended(&tracker).await;
    let read = world.of(async || tracker.get_with_last(&caller, &ended.task_id).await.unwrap()).await;
    assert_eq!(read, 1, "an ended task with its last attempt");
    let entries = world.of(async || tracker.progress_of(&ended).await.unwrap()).await;
    assert_eq!(entries, 1, "its progress");
    let page = [ended];
    let last = world.of(async || tracker.last_ended(&caller, &page, |_| true).await.unwrap()).await;
    assert_eq!(last, 1, "the last attempts of a page");
    let counts = world.of(async || tracker.counts(&caller, Duration::ZERO).await.unwrap()).await;
    assert_eq!(counts, 1, "counts");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn work_under_a_name_sends_one_statement_to_look_and_one_to_save() {
    let world = World::new().await;
    let (caller, api) = (key(), world.drop_in(Origin::TaskTracker));
    let mut queued = Vec::new();
    for _ in 0..12 {
        queued.push(api.create(&caller, draft("garden", true)).await.unwrap().task_id);
    }
    let mut claimed = queued.clone();
    let mut least = Vec::new();
    for _ in 0..3 {
        let claim = async || api.claim(&caller, &queued.pop().unwrap(), &named()).await.unwrap();
        least.push(world.of(claim).await);
    }
    assert_eq!(least, [2; 3], "claim: look, claim");
    let complete =
        async || api.complete(&caller, &claimed.pop().unwrap(), Some("w1"), Report::default()).await.unwrap();
    assert_eq!(world.of(complete).await, 2, "complete: look, save");
    let fail = async || {
        let failure = Failure { message: "no".into(), ..Failure::default() };
        api.fail(&caller, &claimed.pop().unwrap(), None, failure).await.unwrap()
    };
    assert_eq!(world.of(fail).await, 2, "fail: look, save");
    let release = async || api.release(&caller, &claimed.pop().unwrap(), Some("w1")).await.unwrap();
    assert_eq!(world.of(release).await, 3, "release: look, save, count what is kept");
}
