//! Instances as processes, and what a user and a subscriber see of them.

use std::collections::HashMap;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::{self, consumer::pull};
use futures::StreamExt;
use reqwest::{Client, Response};
use serde_json::{Value, json};
use task_factory::{Application, Settings};
use task_testkit::pg::TestDatabase;
use task_testkit::{ports, process, wait};
use tokio::sync::Mutex;

pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// A database with the schema, shared by the instances of one test.
pub(crate) async fn database() -> TestDatabase {
    TestDatabase::create("distributed", |url| async move {
        let mut environment = vec![("DATABASE_URL", url.as_str()), ("SERVICE_PORT", "0")];
        environment.extend(ports::NO_DROP_INS);
        let settings = Settings::from_environment(None, true, |name| {
            environment.iter().find(|(n, _)| *n == name).map(|(_, value)| (*value).to_owned())
        });
        Application::build(settings.unwrap(), true).await.expect("migrates").stop().await;
    })
    .await
}

/// The program, running as a process of its own.
pub(crate) struct Instance {
    child: Child,
    base: String,
    client: Client,
}

impl Instance {
    pub(crate) async fn start(environment: &[(&str, &str)]) -> Self {
        let port = ports::free();
        let child = Command::new(env!("CARGO_BIN_EXE_task-service"))
            .arg("--dev")
            .env("SERVICE_PORT", port.to_string())
            .env("LOG_LEVEL", "error")
            .envs(ports::NO_DROP_INS)
            .envs(environment.iter().copied())
            .stdout(Stdio::null())
            .spawn()
            .unwrap();
        // A connection of its own for each request: an idle one may end while its server is frozen.
        let client =
            Client::builder().timeout(Duration::from_secs(40)).no_proxy().pool_max_idle_per_host(0).build().unwrap();
        let instance = Self { child, base: format!("http://127.0.0.1:{port}"), client };
        wait::until("the instance answers", PATIENCE, || async {
            instance.client.get(format!("{}/health", instance.base)).send().await.is_ok()
        })
        .await;
        instance
    }

    /// Where it listens.
    pub(crate) fn base(&self) -> &str {
        &self.base
    }

    pub(crate) fn signal(&self, signal: &str) {
        process::signal(&self.child, signal);
    }

    /// `kill -9`.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// SIGTERM; waits for the end.
    pub(crate) async fn terminate(mut self) -> ExitStatus {
        self.signal("TERM");
        wait::until("the instance has ended", PATIENCE, || {
            let ended = self.child.try_wait().unwrap().is_some();
            async move { ended }
        })
        .await;
        self.child.wait().unwrap()
    }

    pub(crate) async fn post(&self, path: &str, body: Value) -> reqwest::Result<Response> {
        self.client.post(format!("{}{path}", self.base())).header("X-User-ID", "ann").json(&body).send().await
    }

    /// Posts with the development key; the answer, which must be a success.
    pub(crate) async fn post_as_key(&self, path: &str, body: Value) -> Value {
        let request = self.client.post(format!("{}{path}", self.base)).header("X-API-Key", "dev_api_key");
        let answer = request.json(&body).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.status());
        answer.json().await.unwrap()
    }

    /// Opens a stream with the development key; it has begun when this returns.
    pub(crate) async fn stream_as_key(&self, path: &str) -> Response {
        let request = self.client.get(format!("{}{path}", self.base)).header("X-API-Key", "dev_api_key");
        let mut stream = request.send().await.unwrap();
        assert_eq!(stream.status(), 200);
        stream.chunk().await.unwrap().expect("a comment at once");
        stream
    }

    /// Queues a run and does not wait for its end.
    pub(crate) async fn execute_async(&self, task_id: &str) {
        let request = self.client.post(format!("{}/api/v1/tasks/{task_id}/execute", self.base));
        let answer = request.header("X-User-ID", "ann").header("Prefer", "respond-async").send().await.unwrap();
        // 200 when a quick run ended before the answer was written.
        assert!(matches!(answer.status().as_u16(), 200 | 202), "{}", answer.status());
    }

    pub(crate) async fn answer(&self, path: &str) -> Response {
        self.client.get(format!("{}{path}", self.base())).header("X-User-ID", "ann").send().await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Value {
        self.answer(path).await.json().await.unwrap()
    }

    /// Opens the stream of a task after a position.
    pub(crate) async fn track(&self, task_id: &str, last_event_id: Option<&str>) -> Response {
        let mut request =
            self.client.get(format!("{}/api/v1/tasks/{task_id}/track", self.base)).header("X-User-ID", "ann");
        if let Some(id) = last_event_id {
            request = request.header("Last-Event-ID", id);
        }
        request.send().await.unwrap()
    }

    pub(crate) async fn get_text(&self, path: &str) -> String {
        self.client.get(format!("{}{path}", self.base())).send().await.unwrap().text().await.unwrap()
    }

    /// Creates an `echo` task with `config`; it must be accepted.
    pub(crate) async fn create(&self, task_id: &str, config: Value) {
        let answer = self
            .post("/api/v1/tasks", json!({"task_id": task_id, "name": task_id, "task_type": "echo", "config": config}))
            .await
            .unwrap();
        assert_eq!(answer.status(), 201);
    }

    pub(crate) async fn task(&self, task_id: &str) -> Value {
        self.get(&format!("/api/v1/tasks/{task_id}")).await
    }

    pub(crate) async fn status_becomes(&self, task_id: &str, status: &str) {
        wait::until(&format!("{task_id} is {status}"), PATIENCE, || async {
            self.task(task_id).await["status"] == status
        })
        .await;
    }

    /// Statuses of the task's executions, oldest first.
    pub(crate) async fn outcomes(&self, task_id: &str) -> Vec<String> {
        let executions = self.get(&format!("/api/v1/tasks/{task_id}/executions")).await;
        let mut outcomes: Vec<String> =
            executions.as_array().unwrap().iter().map(|e| e["status"].as_str().unwrap().to_owned()).collect();
        outcomes.reverse();
        outcomes
    }
}

impl Drop for Instance {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The events that the database has committed: id → (task, seq).
pub(crate) async fn committed(database: &TestDatabase) -> HashMap<String, (String, i64)> {
    let rows = database
        .client()
        .await
        .query("SELECT event_id::text, task_id, seq FROM task.outbox_events", &[])
        .await
        .unwrap();
    rows.iter().map(|row| (row.get(0), (row.get(1), row.get(2)))).collect()
}

/// What a durable subscriber was given, in order; repeats included.
pub(crate) type Received = Arc<Mutex<Vec<Value>>>;

/// Pulls and acknowledges for ever, through everything that happens to the server.
pub(crate) async fn subscribe(url: String, received: Received) {
    let client = async_nats::ConnectOptions::new().retry_on_initial_connect().connect(url).await.unwrap();
    let context = jetstream::new(client);
    loop {
        // The stream appears with the first event.
        let Ok(stream) = context.get_stream("TASK_SERVICE").await else {
            tokio::time::sleep(Duration::from_millis(20)).await;
            continue;
        };
        let durable = pull::Config { durable_name: Some("test".into()), ..pull::Config::default() };
        let Ok(consumer) = stream.get_or_create_consumer("test", durable).await else { continue };
        let fetch = consumer.fetch().max_messages(1000).expires(Duration::from_millis(500)).messages();
        let Ok(mut messages) = fetch.await else { continue };
        while let Some(Ok(message)) = messages.next().await {
            received.lock().await.push(serde_json::from_slice(&message.payload).unwrap());
            let _ = message.ack().await;
        }
    }
}

/// Event and id of the frames that have one, as they arrive; reads at most `count` of them, fewer when
/// the stream ends before, in order or not.
pub(crate) async fn frames(response: Response, count: usize) -> Vec<(String, String)> {
    let (mut bytes, mut text, mut frames) = (response.bytes_stream(), String::new(), Vec::new());
    while frames.len() < count {
        let Some(Ok(chunk)) = bytes.next().await else { break };
        text.push_str(std::str::from_utf8(&chunk).unwrap());
        while let Some(end) = text.find("\n\n")
            && frames.len() < count
        {
            let frame: String = text.drain(..end + 2).collect();
            let field = |name: &str| frame.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            frames.extend(field("event: ").zip(field("id: ")));
        }
    }
    frames
}
