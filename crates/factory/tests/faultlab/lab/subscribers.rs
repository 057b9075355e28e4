//! Those who are told: a durable subscriber of NATS, a reader of `GET /api/v1/events`, a listener of a
//! task's progress.

use std::collections::HashSet;
use std::time::Duration;

use futures::StreamExt;
use serde_json::Value;
use task_testkit::wait;
use tokio::task::JoinHandle;

use super::Lab;
use crate::outcome::{FinalState, Heard, Received};
use crate::support::{self, PATIENCE, frames};

/// A subscriber that listens from the beginning.
pub(crate) struct Subscription {
    received: support::Received,
    listening: JoinHandle<()>,
}

#[expect(clippy::disallowed_methods, reason = "a test's own subscriber")]
impl Subscription {
    /// Of JetStream.
    pub(crate) fn nats(url: String) -> Self {
        let received = support::Received::default();
        let listening = tokio::spawn(support::subscribe(url, received.clone()));
        Self { received, listening }
    }

    /// What was read of `GET /api/v1/events` before.
    pub(crate) fn read(events: Vec<Value>) -> Self {
        let received = std::sync::Arc::new(tokio::sync::Mutex::new(events));
        Self { received, listening: tokio::spawn(async {}) }
    }

    /// What it was given, when that is everything that was committed, or nothing more comes.
    pub(super) async fn received_all(self, state: &FinalState) -> Vec<Received> {
        let patience = std::time::Instant::now();
        wait::until("the subscriber has caught up", PATIENCE * 2, || async {
            let received = self.received.lock().await;
            let ids: HashSet<&str> = received.iter().filter_map(|event| event["event_id"].as_str()).collect();
            // What is missing then is for the checker to say.
            state.events.keys().all(|id| ids.contains(id.as_str())) || patience.elapsed() > PATIENCE
        })
        .await;
        self.listening.abort();
        self.received.lock().await.iter().cloned().map(Received::of).collect()
    }
}

impl Lab {
    /// Reads `GET /api/v1/events` from the beginning on and over every cut, until it has `enough`.
    pub(crate) async fn read_events(&self, enough: impl AsyncFn(&[Value]) -> bool) -> Vec<Value> {
        let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
        let (mut events, mut position) = (Vec::new(), "0".to_owned());
        while !enough(&events).await {
            let request = client.get(format!("{}/api/v1/events", self.base(0))).header("X-API-Key", "dev_api_key");
            let answer = request.header("Last-Event-ID", &position).send().await;
            let Ok(Ok(answer)) = answer.map(reqwest::Response::error_for_status) else {
                tokio::time::sleep(Duration::from_millis(50)).await;
                continue;
            };
            let (mut bytes, mut text) = (answer.bytes_stream(), String::new());
            while !enough(&events).await {
                let chunk = match tokio::time::timeout(Duration::from_millis(200), bytes.next()).await {
                    Err(_) => continue,
                    Ok(Some(Ok(chunk))) => chunk,
                    Ok(_) => break,
                };
                text.push_str(std::str::from_utf8(&chunk).unwrap());
                while let Some(end) = text.find("\n\n") {
                    let frame: String = text.drain(..end + 2).collect();
                    let field = |name: &str| frame.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                    if let (Some(id), Some(data)) = (field("id: "), field("data: ")) {
                        position = id;
                        events.push(serde_json::from_str(&data).unwrap());
                    }
                }
            }
        }
        events
    }
}

/// Follows a task's progress to its end, from one instance to the next, whatever happens to them.
pub(crate) async fn listen(lab: &Lab, task: &str) -> Heard {
    let client = reqwest::Client::builder().no_proxy().pool_max_idle_per_host(0).build().unwrap();
    let (mut progress, mut last) = (Vec::new(), None);
    for instance in 0.. {
        let url = format!("{}/api/v1/tasks/{task}/track", lab.base(instance));
        let mut request = client.get(url).header("X-API-Key", "dev_api_key");
        if let Some(id) = &last {
            request = request.header("Last-Event-ID", id);
        }
        match request.send().await {
            Ok(answer) if answer.status() == 204 => break,
            Ok(answer) if answer.status() == 200 => {
                for (event, id) in frames(answer, 40).await {
                    if event == "progress" {
                        progress.push(id.split_once('-').unwrap().0.parse().unwrap());
                    }
                    last = Some(id);
                }
            }
            _ => tokio::time::sleep(Duration::from_millis(50)).await,
        }
    }
    Heard { task: task.to_owned(), progress }
}
