//! The lab: instances of the program, clients and workers that keep them busy, and the journal of what
//! they were answered.

mod load;
mod store;
mod subscribers;

use std::sync::RwLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::{Value, json};
use task_testkit::wait;

use crate::checker::Evidence;
use crate::journal::{Accepted, Answer, Asked, Granted, Journal, Verb};
use crate::support::{Instance, PATIENCE};

pub(crate) use store::Store;
pub(crate) use subscribers::{Subscription, listen};

/// Work for outside workers.
pub(crate) const TASK_TYPE: &str = "lab";
/// The shortest lease there is, seconds.
pub(crate) const LEASE: u64 = 5;

pub(crate) struct Lab {
    pub(crate) journal: Journal,
    client: reqwest::Client,
    bases: RwLock<Vec<String>>,
    creating_is_over: AtomicBool,
    working_is_over: AtomicBool,
}

impl Lab {
    /// Whoever asks gives up after `patience`.
    pub(crate) fn of(instances: &[Instance], patience: Duration) -> Self {
        // A connection of its own for each request: an idle one may end while its server is frozen.
        let client = reqwest::Client::builder().timeout(patience).no_proxy().pool_max_idle_per_host(0);
        Self {
            journal: Journal::default(),
            client: client.build().unwrap(),
            bases: RwLock::new(instances.iter().map(|instance| instance.base().to_owned()).collect()),
            creating_is_over: AtomicBool::default(),
            working_is_over: AtomicBool::default(),
        }
    }

    /// The instance with this number listens elsewhere.
    pub(crate) fn moved(&self, number: usize, instance: &Instance) {
        instance.base().clone_into(&mut self.bases.write().unwrap()[number]);
    }

    /// Where the instance with this number listens; they take turns.
    pub(crate) fn base(&self, number: usize) -> String {
        let bases = self.bases.read().unwrap();
        bases[number % bases.len()].clone()
    }

    /// Status and body; `None` when no answer came.
    async fn post(&self, instance: usize, path: &str, body: &Value, key: Option<&str>) -> Option<(u16, Value)> {
        let mut request = self.client.post(format!("{}{path}", self.base(instance))).header("X-API-Key", "dev_api_key");
        if let Some(key) = key {
            request = request.header("Idempotency-Key", key);
        }
        let answer = request.json(body).send().await.ok()?;
        let status = answer.status().as_u16();
        if status == 503 {
            assert!(answer.headers().contains_key("retry-after"), "a 503 says when to come back");
        }
        Some((status, answer.json().await.ok()?))
    }

    /// Asks, and writes down what came of it.
    async fn ask(&self, by: &str, instance: usize, path: &str, body: &Value, asked: Asked) -> Answer {
        let key = match &asked {
            Asked::Create { task } => Some(task.clone()),
            Asked::Claim | Asked::Report { .. } => None,
        };
        let pending = self.journal.begin(by, asked);
        let answer = match self.post(instance, path, body, key.as_deref()).await {
            None => Answer::Missing,
            Some((200..300, body)) => Answer::Accepted(accepted(&body)),
            Some((status, _)) => Answer::Refused(status),
        };
        pending.answered(answer.clone());
        answer
    }

    /// Creates a task that runs at once; `more` is what it has beside that.
    pub(crate) async fn create(&self, instance: usize, id: &str, task_type: &str, more: &Value) -> Answer {
        let mut body = json!({"task_id": id, "name": id, "task_type": task_type, "run_immediately": true});
        body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        self.ask("client", instance, "/api/v1/tasks", &body, Asked::Create { task: id.into() }).await
    }

    /// The same, while nothing is wrong.
    pub(crate) async fn create_surely(&self, id: &str, task_type: &str, more: &Value) {
        let answer = self.create(0, id, task_type, more).await;
        assert!(matches!(answer, Answer::Accepted(_)), "{id}: {answer:?}");
    }

    /// What a worker was given.
    pub(crate) async fn claim(&self, by: &str, instance: usize, tasks: usize, lease: u64) -> Vec<Granted> {
        let body = json!({
            "task_types": [TASK_TYPE], "worker_id": by, "max_tasks": tasks, "lease_seconds": lease, "wait_seconds": 1
        });
        match self.ask(by, instance, "/api/v1/tasks/claim", &body, Asked::Claim).await {
            Answer::Accepted(accepted) => accepted.leases,
            Answer::Refused(_) | Answer::Missing => Vec::new(),
        }
    }

    pub(crate) async fn report(&self, by: &str, instance: usize, verb: Verb, lease: &Granted, what: &str) -> Answer {
        let body = match verb {
            Verb::Heartbeat => json!({}),
            Verb::Progress => json!({"progress": {"by": by, "what": what}}),
            Verb::Complete => json!({"result": {"by": by, "what": what}}),
            Verb::Fail => json!({"error": what, "retryable": false}),
            Verb::Release => json!({"reason": what}),
        };
        let asked = Asked::Report { verb, task: lease.task.clone(), token: lease.token.clone(), body: body.clone() };
        let mut sent = body;
        sent["lease_token"] = json!(lease.token);
        self.ask(by, instance, &format!("/api/v1/tasks/{}/{}", lease.task, verb.name()), &sent, asked).await
    }

    pub(crate) fn stop_creating(&self) {
        self.creating_is_over.store(true, Ordering::SeqCst);
    }

    fn creates(&self) -> bool {
        !self.creating_is_over.load(Ordering::SeqCst)
    }

    fn works(&self) -> bool {
        !self.working_is_over.load(Ordering::SeqCst)
    }

    /// Waits until so many more creates and successes were accepted.
    pub(crate) async fn goes_on(&self, count: usize) {
        let (created, completed) = (self.journal.created(), self.journal.completed());
        wait::until("the load goes on", PATIENCE, || async {
            self.journal.created() >= created + count && self.journal.completed() >= completed + count
        })
        .await;
    }

    /// Waits until no task is queued or leased.
    pub(crate) async fn drained(&self) {
        for status in ["queued", "running"] {
            wait::until(&format!("no task is {status}"), PATIENCE * 2, || async {
                let list = self.client.get(format!("{}/api/v1/tasks?limit=1&status={status}", self.base(0)));
                let Ok(answer) = list.header("X-API-Key", "dev_api_key").send().await else { return false };
                answer.json::<Value>().await.is_ok_and(|page| page["count"] == 0)
            })
            .await;
        }
    }

    /// Waits until every committed event is published.
    pub(crate) async fn relayed(&self) {
        wait::until("every event is published", PATIENCE, || async {
            let Ok(answer) = self.client.get(format!("{}/metrics", self.base(0))).send().await else { return false };
            let metrics = answer.text().await.unwrap_or_default();
            metrics.lines().any(|line| line == "task_service_outbox_backlog 0")
        })
        .await;
    }

    /// Everything that the checker looks at.
    pub(crate) async fn evidence(self, store: Store<'_>, subscription: Subscription) -> Evidence {
        let state = store.read().await;
        let received = subscription.received_all(&state).await;
        Evidence { journal: self.journal, state, received: Some(received), heard: Vec::new() }
    }
}

fn accepted(body: &Value) -> Accepted {
    let millis = |value: &Value| value.as_u64().map(Duration::from_millis);
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let leases = body["claims"].as_array().into_iter().flatten().map(|claim| Granted {
        task: text(&claim["task"]["task_id"]),
        execution: text(&claim["execution_id"]),
        token: text(&claim["lease_token"]),
        expires_in: millis(&claim["lease_expires_in_ms"]).unwrap_or_default(),
    });
    Accepted {
        leases: leases.collect(),
        expires_in: millis(&body["lease_expires_in_ms"]),
        seq_id: body["seq_id"].as_i64(),
    }
}
