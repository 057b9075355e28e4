//! SIGTERM: in order, and nothing is left behind.

use serde_json::json;
use task_testkit::wait;

use crate::support::{Instance, PATIENCE, database};

#[tokio::test(flavor = "multi_thread")]
async fn a_terminated_instance_gives_its_work_back_at_once() {
    let (database, nats) = (database().await, task_testkit::nats::url());
    // Nobody could wait for this lease to run out.
    let lease = ("EXECUTOR_LEASE_SECONDS", "86400");
    let environment = [("DATABASE_URL", database.url()), ("NATS_URL", nats.as_str()), lease];
    let first = Instance::start(&environment).await;
    first.create("long", json!({"steps": 100, "step_ms": 100})).await;
    first.execute_async("long").await;
    first.status_becomes("long", "running").await;
    let second = Instance::start(&environment).await;
    assert!(first.terminate().await.success(), "exit code 0");
    second.status_becomes("long", "running").await;
    let mut outcomes = second.outcomes("long").await;
    assert_eq!(outcomes.remove(0), "released");
    let client = database.client().await;
    wait::until("the outbox is empty", PATIENCE, || async {
        let left = "SELECT count(*) FROM task.outbox_events WHERE published_at IS NULL";
        client.query_one(left, &[]).await.unwrap().get::<_, i64>(0) == 0
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_accepted_before_the_end_is_finished_and_published() {
    let database = database().await;
    let instance = Instance::start(&[("DATABASE_URL", database.url())]).await;
    for n in 0..20 {
        instance.create(&format!("t{n}"), json!({})).await;
        instance.execute_async(&format!("t{n}")).await;
    }
    assert!(instance.terminate().await.success());
    let client = database.client().await;
    let count = async |what: &str| client.query_one(what, &[]).await.unwrap().get::<_, i64>(0);
    assert_eq!(count("SELECT count(*) FROM task.task_states WHERE status = 'running'").await, 0);
    assert_eq!(count("SELECT count(*) FROM task.outbox_events WHERE published_at IS NULL").await, 0);
    assert_eq!(count("SELECT count(*) FROM task.outbox_events WHERE event_type = 'task.created'").await, 20);
}
