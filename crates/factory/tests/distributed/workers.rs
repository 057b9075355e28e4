//! Workers at one instance, their tasks at another.

use serde_json::{Value, json};

use crate::support::{Instance, PATIENCE, database};

async fn queue(instance: &Instance) -> String {
    let body = json!({"name": "w", "task_type": "render", "run_immediately": true});
    let task = instance.post_as_key("/api/v1/tasks", body).await;
    task["task_id"].as_str().unwrap().to_owned()
}

async fn claim(instance: &Instance) -> Value {
    let body = json!({"task_types": ["render"], "worker_id": "w1", "wait_seconds": 30});
    instance.post_as_key("/api/v1/tasks/claim", body).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_create_at_one_instance_wakes_a_claim_that_waits_at_another() {
    let (database, nats) = (database().await, task_testkit::nats::url());
    let environment = [("DATABASE_URL", database.url()), ("NATS_URL", nats.as_str())];
    let (first, second) = (Instance::start(&environment).await, Instance::start(&environment).await);
    let (claims, id) = tokio::join!(claim(&first), queue(&second));
    assert_eq!(claims["claims"][0]["task"]["task_id"], json!(id));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cancel_at_one_instance_reaches_a_worker_that_listens_at_another() {
    let (database, nats) = (database().await, task_testkit::nats::url());
    let environment = [("DATABASE_URL", database.url()), ("NATS_URL", nats.as_str())];
    let (first, second) = (Instance::start(&environment).await, Instance::start(&environment).await);
    let mut stream = second.stream_as_key("/api/v1/workers/w1/control").await;
    let told = async {
        let mut text = String::new();
        while !text.contains("event: cancel") {
            text.push_str(std::str::from_utf8(&stream.chunk().await.unwrap().expect("it goes on")).unwrap());
        }
        text
    };
    let cancelled = async {
        let id = queue(&first).await;
        claim(&first).await;
        first.post_as_key(&format!("/api/v1/tasks/{id}/cancel"), json!({})).await;
        id
    };
    let both = async { tokio::join!(told, cancelled) };
    let (text, id) = tokio::time::timeout(PATIENCE, both).await.expect("the worker is told");
    assert!(text.contains(&id) && text.contains("\"reason\":\"cancelled\""), "{text}");
}
