//! Task Management on two instances, one of which is killed half-way: no task is lost, none is done twice.

use std::collections::HashMap;
use std::time::Duration;

use reqwest::Client;
use serde_json::{Value, json};
use task_testkit::pg::TestDatabase;
use task_testkit::{ports, wait};

use crate::support::{Instance, PATIENCE, database};

/// Tasks, and seconds that each takes; `FAULTLAB=long` has more and longer ones.
fn scale() -> (usize, &'static str) {
    if std::env::var("FAULTLAB").is_ok_and(|scale| scale == "long") { (200, "0.2") } else { (40, "0.05") }
}

/// An instance that serves Task Management, and where.
async fn serve(database: &TestDatabase, nats: &str, seconds: &str) -> (Instance, String) {
    let port = ports::free().to_string();
    let instance = Instance::start(&[
        ("DATABASE_URL", database.url()),
        ("NATS_URL", nats),
        ("EXECUTOR_LEASE_SECONDS", "5"),
        ("TASK_PROCESSING_SECONDS", seconds),
        ("TASK_MANAGEMENT_PORT", &port),
    ])
    .await;
    (instance, format!("http://127.0.0.1:{port}"))
}

async fn count(database: &TestDatabase, condition: &str) -> i64 {
    let statement = format!("SELECT count(*) FROM task.task_states WHERE {condition}");
    database.client().await.query_one(&statement, &[]).await.unwrap().get(0)
}

#[tokio::test(flavor = "multi_thread")]
async fn tasks_with_conversations_outlive_a_killed_instance_and_are_processed_once() {
    let (tasks, seconds) = scale();
    let (database, nats) = (database().await, task_testkit::nats::url());
    let (first, first_base) = serve(&database, &nats, seconds).await;
    let (_second, second_base) = serve(&database, &nats, seconds).await;
    let client = Client::builder().timeout(Duration::from_secs(40)).no_proxy().build().unwrap();
    let mut ids = Vec::new();
    for n in 0..tasks {
        let base = [&first_base, &second_base][n % 2];
        let body = json!({"title": format!("task {n}"), "conversations": [{"content": "one"}, {"content": "two"}]});
        let made = client.post(format!("{base}/tasks/")).json(&body).send().await.unwrap();
        assert_eq!(made.status(), 200);
        ids.push(made.json::<Value>().await.unwrap()["id"].as_i64().unwrap());
    }
    // Each instance goes from one task to the next, so it is killed with one in hand.
    wait::until("half of them are done", PATIENCE, || async {
        count(&database, "status = 'completed'").await >= tasks as i64 / 2
    })
    .await;
    first.kill();
    wait::until("all are done", PATIENCE, || async { count(&database, "status <> 'completed'").await == 0 }).await;
    let get = async |path: String| -> Value {
        client.get(format!("{second_base}{path}")).send().await.unwrap().json().await.unwrap()
    };
    for id in &ids {
        let task = get(format!("/tasks/{id}")).await;
        assert_eq!(task["status"], "completed", "{task}");
        assert!(task["processed_at"].is_string(), "{task}");
        let statuses: Vec<_> = task["conversations"].as_array().unwrap().iter().map(|entry| &entry["status"]).collect();
        assert_eq!(statuses, ["processed", "processed"], "{task}");
    }
    assert_eq!(get("/tasks/?limit=1000".to_owned()).await.as_array().unwrap().len(), tasks, "none lost, none doubled");
    let rows = database.client().await.query("SELECT task_id, status FROM task.task_executions", &[]).await.unwrap();
    let mut accepted: HashMap<i64, usize> = HashMap::new();
    for row in &rows {
        let (id, status): (i64, String) = (row.get(0), row.get(1));
        assert!(["completed", "lost"].contains(&status.as_str()), "{status}");
        *accepted.entry(id).or_default() += usize::from(status == "completed");
    }
    assert_eq!(accepted, ids.iter().map(|id| (*id, 1)).collect(), "one accepted execution each");
}
