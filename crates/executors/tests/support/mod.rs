//! What the tests of the executors have in common.
#![allow(dead_code, reason = "no test file needs all of it")]

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use serde_json::Value;
use task_domain::decide::{self, Moment};
use task_domain::{Actor, Handler, JsonObject, OnDependencyFailure, Origin, Priority, RetryPolicy, TenantId, UserId};
use task_executors::{GuardedClient, OutboundPolicy, SystemLookup};
use task_protocols::{
    ExecutionContext, ExecutorError, NeighbourError, Notification, NotificationClient, Outcome, ProgressSink,
    TaskExecutor,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

#[derive(Default)]
pub(crate) struct Recorded(pub(crate) Mutex<Vec<JsonObject>>);

#[async_trait]
impl ProgressSink for Recorded {
    async fn report(&self, data: JsonObject) {
        self.0.lock().unwrap().push(data);
    }
}

/// Keeps what it is told to send; refuses when told so.
#[derive(Default)]
pub(crate) struct Notified {
    pub(crate) sent: Mutex<Vec<Notification>>,
    pub(crate) refuses: bool,
}

impl Notified {
    pub(crate) fn contents(&self) -> Vec<String> {
        self.sent.lock().unwrap().iter().map(|n| n.content.clone()).collect()
    }
}

#[async_trait]
impl NotificationClient for Notified {
    async fn send(&self, notification: &Notification) -> Result<(), NeighbourError> {
        self.sent.lock().unwrap().push(notification.clone());
        if self.refuses { Err(neighbour_error("notification", true)) } else { Ok(()) }
    }
}

pub(crate) fn neighbour_error(service: &'static str, retryable: bool) -> NeighbourError {
    NeighbourError { service, retryable, source: "away".into() }
}

struct Ids;

impl decide::IdSource for Ids {
    fn id(&self) -> Uuid {
        Uuid::now_v7()
    }
    fn secret(&self) -> Uuid {
        Uuid::new_v4()
    }
}

pub(crate) fn object(value: Value) -> JsonObject {
    value.as_object().cloned().unwrap()
}

/// A run of a task that belongs to user `u1`.
pub(crate) fn context(task_type: &str, config: Value) -> ExecutionContext {
    let new = decide::NewTask {
        tenant_id: TenantId::default_tenant(),
        task_id: None,
        user_id: Some(UserId::new("u1").unwrap()),
        key_id: None,
        origin: Origin::TaskService,
        handler: Handler::Builtin,
        name: "n".into(),
        description: None,
        task_type: task_type.into(),
        config: object(config),
        metadata: None,
        tags: Vec::new(),
        labels: Default::default(),
        attributes: JsonObject::new(),
        priority: Priority::MEDIUM,
        schedule: None,
        due_date: None,
        reminder_time: None,
        timeout_seconds: None,
        depends_on: Vec::new(),
        blocked: false,
        on_dependency_failure: OnDependencyFailure::Fail,
        concurrency_key: None,
        max_concurrent: None,
        retry: RetryPolicy::default(),
        credits_per_run: 0.0,
        run_immediately: true,
    };
    let now = "2030-01-01T00:00:00Z".parse().unwrap();
    let task = decide::create(new, &Moment { now, actor: Actor::System("test"), ids: &Ids }).unwrap().task;
    let execution = task.current.clone().unwrap();
    let progress = Arc::<Recorded>::default();
    ExecutionContext { task, execution, progress, cancelled: CancellationToken::new() }
}

/// Runs once, and looks at what every run must do: 1 to 3 progress entries, no NUL anywhere.
pub(crate) async fn run(executor: &dyn TaskExecutor, mut context: ExecutionContext) -> Result<Outcome, ExecutorError> {
    let progress = Arc::<Recorded>::default();
    context.progress = Arc::clone(&progress) as Arc<dyn ProgressSink>;
    assert!(executor.task_types().contains(&context.task.task_type.as_str()));
    let outcome = executor.execute(context).await;
    if let Ok(outcome) = &outcome {
        assert!((1..=3).contains(&progress.0.lock().unwrap().len()));
        assert_eq!(outcome.result["status"], "success");
        assert!(outcome.api_calls_made > 0);
    }
    let said = format!("{outcome:?} {:?}", progress.0.lock().unwrap());
    assert!(!said.contains('\0') && !said.contains("\\0") && !said.contains("u{0}"), "{said}");
    outcome
}

pub(crate) fn problems(executor: &dyn TaskExecutor, config: Value) -> Vec<String> {
    executor.validate_config(&object(config)).into_iter().map(|p| p.field).collect()
}

/// The production rules, except that this machine may be called, over http and on any port.
pub(crate) fn policy() -> OutboundPolicy {
    OutboundPolicy {
        allow_http: true,
        allowed_ports: Vec::new(),
        allow_networks: vec!["127.0.0.1/32".parse().unwrap()],
        ..OutboundPolicy::strict()
    }
}

pub(crate) fn client() -> GuardedClient {
    GuardedClient::new(policy(), Arc::new(SystemLookup)).unwrap()
}

/// What is called where the operator named the URL.
pub(crate) fn operators() -> GuardedClient {
    GuardedClient::new(OutboundPolicy::operators_choice(), Arc::new(SystemLookup)).unwrap()
}

/// Serves one body at one path.
pub(crate) async fn serve(server: &MockServer, at: &str, body: impl Into<Vec<u8>>) {
    Mock::given(path(at)).respond_with(ResponseTemplate::new(200).set_body_bytes(body)).mount(server).await;
}

/// Answers that go wrong, with the code and `retryable` that a run must end with. What comes after
/// `timeout_ms` is too late; `garbage` is the code of an answer that makes no sense.
pub(crate) fn misbehaviours(
    timeout_ms: u64,
    garbage: (&'static str, bool),
) -> Vec<(ResponseTemplate, &'static str, bool)> {
    let ok = || ResponseTemplate::new(200);
    let to = |target: &str| ResponseTemplate::new(302).insert_header("location", target);
    vec![
        (ResponseTemplate::new(500).set_body_string("why\0"), "http_status", true),
        (ResponseTemplate::new(404), "http_status", false),
        (ok().set_delay(std::time::Duration::from_millis(timeout_ms * 10)), "timeout", true),
        (ok().set_body_bytes(b"\0\xff{<garbage".to_vec()), garbage.0, garbage.1),
        (ok().set_body_bytes(vec![b' '; 1024 * 1024 + 1]), "response_too_large", false),
        (to("http://10.0.0.1/"), "blocked_address", false),
        (to("http://169.254.169.254/latest/meta-data/"), "blocked_address", false),
        (to("file:///etc/passwd"), "blocked_scheme", false),
    ]
}
