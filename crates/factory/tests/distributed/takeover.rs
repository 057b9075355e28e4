//! Instances that die or freeze while they execute.

use serde_json::json;
use task_testkit::wait;

use crate::support::{Instance, PATIENCE, committed, database};

/// The shortest lease there is.
const LEASE: (&str, &str) = ("EXECUTOR_LEASE_SECONDS", "5");

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_instances_run_is_taken_over_after_its_lease() {
    let (database, nats) = (database().await, task_testkit::nats::url());
    let environment = [("DATABASE_URL", database.url()), ("NATS_URL", nats.as_str()), LEASE];
    let first = Instance::start(&environment).await;
    first.create("long", json!({"steps": 20, "step_ms": 100})).await;
    first.execute_async("long").await;
    first.status_becomes("long", "running").await;
    let second = Instance::start(&environment).await;
    first.kill();
    second.status_becomes("long", "completed").await;
    assert_eq!(second.outcomes("long").await, ["lost", "completed"]);
    let task = second.task("long").await;
    assert_eq!((&task["run_count"], &task["success_count"]), (&json!(1), &json!(1)), "one run, accepted once");
    let executions = second.get("/api/v1/tasks/long/executions").await;
    assert_eq!(executions[0]["run_id"], executions[1]["run_id"]);
    let mut seqs: Vec<i64> = committed(&database).await.into_values().map(|(_, seq)| seq).collect();
    seqs.sort_unstable();
    assert_eq!(seqs, (1..=seqs.len() as i64).collect::<Vec<_>>(), "no hole, no repeat");
}

/// Stopped for longer than its lease and then continued, it is a zombie: what it reports changes nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_frozen_instance_cannot_finish_what_another_took_over() {
    let (database, nats) = (database().await, task_testkit::nats::url());
    let environment = [("DATABASE_URL", database.url()), ("NATS_URL", nats.as_str()), LEASE];
    let zombie = Instance::start(&environment).await;
    zombie.create("long", json!({"steps": 20, "step_ms": 100})).await;
    zombie.execute_async("long").await;
    zombie.status_becomes("long", "running").await;
    zombie.signal("STOP");
    let other = Instance::start(&environment).await;
    other.status_becomes("long", "completed").await;
    let before = other.task("long").await;
    other.kill();
    zombie.signal("CONT");
    // It is well again when it executes; its old work has reported or given up by then.
    zombie.create("next", json!({"steps": 20, "step_ms": 100})).await;
    zombie.execute_async("next").await;
    zombie.status_becomes("next", "completed").await;
    assert_eq!(zombie.task("long").await, before);
    assert_eq!(zombie.outcomes("long").await, ["lost", "completed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn two_instances_share_the_work_and_do_none_of_it_twice() {
    let (database, nats) = (database().await, task_testkit::nats::url());
    let environment = [("DATABASE_URL", database.url()), ("NATS_URL", nats.as_str())];
    let instances = [Instance::start(&environment).await, Instance::start(&environment).await];
    for n in 0..60 {
        let id = format!("t{n}");
        instances[0].create(&id, json!({"steps": 2, "step_ms": 20})).await;
        instances[0].execute_async(&id).await;
    }
    let client = database.client().await;
    wait::until("all are done", PATIENCE, || async {
        let open = "SELECT count(*) FROM task.task_states WHERE status <> 'completed'";
        client.query_one(open, &[]).await.unwrap().get::<_, i64>(0) == 0
    })
    .await;
    let rows = client
        .query("SELECT worker_id, count(*) FROM task.task_executions WHERE status = 'completed' GROUP BY 1", &[])
        .await
        .unwrap();
    let shares: Vec<i64> = rows.iter().map(|row| row.get(1)).collect();
    assert_eq!((shares.len(), shares.iter().sum::<i64>()), (2, 60), "both worked: {shares:?}");
}
