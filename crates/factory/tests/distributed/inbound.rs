//! Events of other services, from NATS to what they bring about.

use std::sync::Arc;

use async_nats::jetstream;
use serde_json::json;
use task_testkit::nats::PrivateServer;
use task_testkit::wait;

use crate::support::{Instance, PATIENCE, database};

#[tokio::test(flavor = "multi_thread")]
async fn a_deleted_users_work_is_cancelled_and_a_changed_level_applies() {
    let (database, server) = (database().await, Arc::new(PrivateServer::start().await));
    let nats = server.url();
    let context = jetstream::new(async_nats::connect(&nats).await.unwrap());
    // One subject in a stream, the other one without.
    let config = jetstream::stream::Config {
        name: "ACCOUNT".into(),
        subjects: vec!["account_service.>".into()],
        ..Default::default()
    };
    context.create_stream(config).await.unwrap();
    let instance = Instance::start(&[
        ("DATABASE_URL", database.url()),
        ("NATS_URL", &nats),
        ("DEFAULT_SUBSCRIPTION_LEVEL", "pro"),
        ("EXECUTOR_CONCURRENCY", "0"),
    ])
    .await;
    for n in 0..7 {
        instance.create(&format!("task-{n}"), json!({"value": n})).await;
    }
    instance.execute_async("task-1").await;
    let client = async_nats::connect(&nats).await.unwrap();
    // The subscription begins some time after the start, and without a stream nothing waits for it.
    let body = json!({"data": {"user_id": "ann", "subscription_level": "free"}}).to_string();
    let limited = async || {
        let body = json!({"name": "one more", "task_type": "echo"});
        instance.post("/api/v1/tasks", body).await.unwrap().status() == 429
    };
    wait::until("the level of the event applies", PATIENCE, || async {
        client.publish("subscription_service.subscription.changed", body.clone().into()).await.unwrap();
        client.flush().await.unwrap();
        limited().await
    })
    .await;
    let gone = json!({"event_id": "gone-1", "user_id": "ann"}).to_string();
    context.publish("account_service.user.deleted", gone.into()).await.unwrap().await.unwrap();
    for n in 0..7 {
        instance.status_becomes(&format!("task-{n}"), "cancelled").await;
    }
    let client = database.client().await;
    wait::until("the event is noted", PATIENCE, || async {
        let noted = "SELECT count(*) FROM task.inbox_events WHERE event_id = 'gone-1'";
        client.query_one(noted, &[]).await.unwrap().get::<_, i64>(0) == 1
    })
    .await;
    assert!(instance.terminate().await.success());
}
