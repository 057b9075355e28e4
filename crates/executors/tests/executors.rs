//! The executors against local stand-ins.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic where it stands")]

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use task_domain::decide::{self, Moment};
use task_domain::{Actor, Handler, JsonObject, OnDependencyFailure, Origin, Priority, RetryPolicy, TenantId};
use task_executors::{Echo, GuardedClient, Http, OutboundPolicy, Registry, SystemLookup, TypeLimits};
use task_protocols::{ExecutionContext, ExecutorError, ExecutorRegistry, Outcome, ProgressSink, TaskExecutor};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;
use wiremock::matchers::{body_json, body_string, header, method};
use wiremock::{Mock, MockServer, ResponseTemplate};

mod support;

#[derive(Default)]
struct Recorded(Mutex<Vec<JsonObject>>);

#[async_trait]
impl ProgressSink for Recorded {
    async fn report(&self, data: JsonObject) {
        self.0.lock().unwrap().push(data);
    }
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

/// Echo and http as in development mode.
fn registry() -> Registry {
    let client = GuardedClient::new(OutboundPolicy::development(), Arc::new(SystemLookup)).unwrap();
    Registry::new(vec![Arc::new(Echo), Arc::new(Http::new(client))], &BTreeMap::new()).unwrap()
}

fn object(value: Value) -> JsonObject {
    value.as_object().cloned().unwrap()
}

fn context(task_type: &str, config: Value, progress: Arc<Recorded>) -> ExecutionContext {
    let new = decide::NewTask {
        tenant_id: TenantId::default_tenant(),
        task_id: None,
        user_id: None,
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
    ExecutionContext { task, execution, progress, cancelled: CancellationToken::new() }
}

async fn run(task_type: &str, config: Value) -> Result<Outcome, ExecutorError> {
    let registry = registry();
    registry.find(task_type).unwrap().execute(context(task_type, config, Arc::default())).await
}

fn problems(task_type: &str, config: Value) -> Vec<String> {
    let registry = registry();
    registry.find(task_type).unwrap().validate_config(&object(config)).into_iter().map(|p| p.field).collect()
}

#[tokio::test]
async fn echo_reports_its_steps_and_gives_its_config_back() {
    let progress = Arc::<Recorded>::default();
    let registry = registry();
    let config = json!({"value": "v", "steps": 4, "step_ms": 1});
    let outcome =
        registry.find("echo").unwrap().execute(context("echo", config.clone(), Arc::clone(&progress))).await.unwrap();
    assert_eq!(outcome.result["custom_data"]["config"], config);
    let percents: Vec<_> = progress.0.lock().unwrap().iter().map(|entry| entry["percent"].clone()).collect();
    assert_eq!(percents, [25, 50, 75, 100]);
    assert_eq!(problems("echo", json!({"steps": 1001, "step_ms": -1})), ["steps", "step_ms"]);
}

#[tokio::test]
async fn a_cancelled_execution_stops() {
    let registry = registry();
    let server = MockServer::start().await;
    Mock::given(method("POST"))
        .respond_with(ResponseTemplate::new(200).set_delay(std::time::Duration::from_secs(60)))
        .mount(&server)
        .await;
    for (task_type, config) in [
        ("echo", json!({"steps": 1000, "step_ms": 60000})),
        ("http", json!({"url": server.uri(), "timeout_seconds": 60})),
    ] {
        let context = context(task_type, config, Arc::default());
        context.cancelled.cancel();
        assert_eq!(registry.find(task_type).unwrap().execute(context).await.unwrap_err().code, "cancelled");
    }
}

#[tokio::test]
async fn http_sends_what_the_config_says() {
    let server = MockServer::start().await;
    Mock::given(method("PUT"))
        .and(header("x-a", "b"))
        .and(header("content-type", "application/json"))
        .and(body_json(json!({"k": [1]})))
        .respond_with(ResponseTemplate::new(202).insert_header("x-seen", "yes").set_body_string("plain"))
        .expect(1)
        .mount(&server)
        .await;
    let config = json!({"url": server.uri(), "method": "put", "headers": {"X-A": "b"}, "body": {"k": [1]}, "expect_status": [202, 204]});
    let data = run("http", config).await.unwrap().result["custom_data"].clone();
    assert_eq!(
        (&data["status"], &data["headers"]["x-seen"], &data["body"]),
        (&json!(202), &json!("yes"), &json!("plain"))
    );

    Mock::given(method("POST"))
        .and(body_string("as it is"))
        .respond_with(ResponseTemplate::new(200).set_body_bytes(vec![0u8, 159, 146]))
        .mount(&server)
        .await;
    let data =
        run("custom", json!({"webhook_url": server.uri(), "body": "as it is"})).await.unwrap().result["custom_data"]
            .clone();
    assert_eq!((&data["body"], &data["body_encoding"]), (&json!("AJ+S"), &json!("base64")));
}

/// And not how: the path or the query may hold a secret.
#[tokio::test]
async fn http_says_whom_it_calls() {
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    let (progress, config) = (Arc::<Recorded>::default(), json!({"url": format!("{}/hook?token=1", server.uri())}));
    let http = registry().find("http").unwrap();
    http.execute(context("http", config, Arc::clone(&progress))).await.unwrap();
    let told = progress.0.lock().unwrap();
    assert_eq!((told.len(), &told[0]["message"]), (1, &json!("Calling 127.0.0.1")));
}

#[tokio::test]
async fn http_failures_say_what_happened_and_whether_to_try_again() {
    let server = MockServer::start().await;
    for (status, retryable) in [(404, false), (400, false), (429, true), (500, true), (503, true)] {
        let _scoped = Mock::given(method("POST"))
            .respond_with(ResponseTemplate::new(status).set_body_string("why"))
            .mount_as_scoped(&server)
            .await;
        let error = run("http", json!({"url": server.uri()})).await.unwrap_err();
        assert_eq!((error.code, error.retryable), ("http_status", retryable), "{status}");
        assert_eq!(error.details.unwrap(), json!({"status": status, "body": "why"}));
    }
    let closed = task_free_port();
    let error = run("http", json!({"url": format!("http://127.0.0.1:{closed}/")})).await.unwrap_err();
    assert_eq!((error.code, error.retryable), ("connect_failed", true));
    let error = run("http", json!({"url": "http://10.0.0.1/"})).await.unwrap_err();
    assert_eq!((error.code, error.retryable), ("blocked_address", false));
}

/// A port that nothing listens on: bound a moment ago, and let go.
fn task_free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

#[tokio::test]
async fn a_server_that_misbehaves_ends_a_call_with_a_clear_error() {
    // Whatever arrives in time and size is an answer to `http`.
    let answers = support::misbehaviours(100, ("", false)).into_iter().filter(|(_, code, _)| !code.is_empty());
    for (answer, code, retryable) in answers {
        let server = MockServer::start().await;
        Mock::given(method("GET")).respond_with(answer).mount(&server).await;
        let policy = OutboundPolicy { timeout: Duration::from_millis(100), ..support::policy() };
        let http = Http::new(GuardedClient::new(policy, Arc::new(SystemLookup)).unwrap());
        let config = json!({"url": server.uri(), "method": "GET"});
        let error = http.execute(context("http", config, Arc::default())).await.unwrap_err();
        assert_eq!((error.code, error.retryable), (code, retryable));
    }
}

#[test]
fn every_problem_of_an_http_config_is_named() {
    let bad = json!({"url": "ftp://x", "method": "BREW", "headers": {"Host": "x"}, "expect_status": 99, "timeout_seconds": 0});
    assert_eq!(problems("http", bad), ["url", "method", "headers", "expect_status", "timeout_seconds"]);
    assert_eq!(problems("http", json!({})), ["url"]);
    assert_eq!(
        problems("custom", json!({"webhook_url": 5, "headers": {"bad name": "x"}, "expect_status": []})),
        ["webhook_url", "headers", "expect_status"]
    );
    assert!(
        problems("http", json!({"url": "https://example.com", "headers": {"A": "b"}, "expect_status": 204})).is_empty()
    );
}

/// Echo and http with bounds of their own.
fn limited(task_type: &str, timeout: Duration, attempts: u32) -> Registry {
    let client = GuardedClient::new(OutboundPolicy::development(), Arc::new(SystemLookup)).unwrap();
    let limits = BTreeMap::from([(task_type.to_owned(), TypeLimits { timeout, attempts })]);
    Registry::new(vec![Arc::new(Echo), Arc::new(Http::new(client))], &limits).unwrap()
}

#[tokio::test]
async fn an_execution_that_takes_too_long_is_stopped() {
    let registry = limited("echo", Duration::from_millis(50), 1);
    let context = context("echo", json!({"steps": 1000, "step_ms": 60_000}), Arc::default());
    let cancelled = context.cancelled.clone();
    let error = registry.find("echo").unwrap().execute(context).await.unwrap_err();
    assert_eq!((error.code, error.retryable), ("timeout", true));
    assert!(!cancelled.is_cancelled(), "the task itself was not cancelled");
}

#[tokio::test]
async fn a_failure_that_may_pass_is_tried_again_as_often_as_configured() {
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(503)).up_to_n_times(1).mount(&server).await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(404)).expect(1).mount(&server).await;
    let registry = limited("http", Duration::from_secs(60), 3);
    let http = registry.find("http").unwrap();
    let error = http.execute(context("http", json!({"url": server.uri()}), Arc::default())).await.unwrap_err();
    assert_eq!(error.details.unwrap()["status"], 404, "one that will not pass ends it");
}
