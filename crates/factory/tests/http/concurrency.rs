//! Limits on how many tasks run at once: by a caller's key, and by the operator's of a type.

use std::time::Duration;

use serde_json::{Value, json};
use task_testkit::wait;

use crate::support::{Boot, TestApp};

const PATIENCE: Duration = Duration::from_secs(20);
const COMPLETE: &str = "POST /api/v1/tasks/{task_id}/complete";
const LIMITED: &str = "[concurrency.types.render]\nmax_concurrent = 2";

/// Runs each test on both engines.
macro_rules! on_both {
    ($($name:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::$name(super::Boot::Sqlite).await; })+
        }
        mod postgres {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() { super::$name(super::Boot::Postgres).await; })+
        }
    };
}

on_both!(no_more_of_a_type_run_than_the_operator_says, a_type_with_a_limit_takes_no_key_of_the_callers);

async fn create(app: &TestApp, more: Value, status: u16) -> Value {
    let mut body = json!({"name": "n", "task_type": "render", "run_immediately": true});
    body.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    app.call("POST /api/v1/tasks", &[]).key().json(body).send().await.expect(status)
}

async fn no_more_of_a_type_run_than_the_operator_says(boot: Boot) {
    let app = boot.with(LIMITED).await;
    for _ in 0..5 {
        let task = create(&app, json!({}), 201).await;
        assert_eq!((&task["concurrency_key"], &task["max_concurrent"]), (&json!(null), &json!(null)));
    }
    let free = app.queue("scan", json!({})).await;
    let body = json!({"task_types": ["render", "scan"], "worker_id": "w1", "max_tasks": 10});
    let claims = app.claim(body.clone()).await;
    let of = |claims: &[Value], task_type: &str| claims.iter().filter(|c| c["task"]["task_type"] == task_type).count();
    assert_eq!((of(&claims, "render"), of(&claims, "scan")), (2, 1), "{free} is under no limit");
    assert!(app.claim(body.clone()).await.is_empty());
    let filter = [("status", "queued"), ("task_type", "render")];
    let waiting = app.call("GET /api/v1/tasks", &[]).key().query(&filter).send().await.expect(200);
    let id = waiting["tasks"][0]["task_id"].as_str().unwrap();
    let why = app.call("GET /api/v1/tasks/{task_id}/explain", &[id]).key().send().await.expect(200);
    assert_eq!(why["reason"], "type_limit");
    assert_eq!(why["details"], json!({"task_type": "render", "used": 2, "limit": 2}));
    // Whatever ends a lease makes room, and a waiting worker is told.
    let held: Vec<&Value> = claims.iter().filter(|claim| claim["task"]["task_type"] == "render").collect();
    app.report(COMPLETE, held[0], json!({"result": 1})).await.expect(200);
    wait::until("one more runs", PATIENCE, || async { app.claim(body.clone()).await.len() == 1 }).await;
    assert!(app.claim(body.clone()).await.is_empty());
    let cancelled = held[1]["task"]["task_id"].as_str().unwrap();
    app.call("POST /api/v1/tasks/{task_id}/cancel", &[cancelled]).key().send().await.expect(200);
    wait::until("one more runs", PATIENCE, || async { app.claim(body.clone()).await.len() == 1 }).await;
    app.stop().await;
}

async fn a_type_with_a_limit_takes_no_key_of_the_callers(boot: Boot) {
    let app = boot.with(LIMITED).await;
    for (more, what) in [
        (json!({"concurrency_key": "mine"}), "must be left out"),
        (json!({"concurrency_key": "mine", "task_type": "scan"}), ""),
        (json!({"concurrency_key": "type:render", "task_type": "scan"}), "must not begin with type:"),
        (json!({"max_concurrent": 5}), "needs a concurrency_key"),
    ] {
        let answer = create(&app, more, if what.is_empty() { 201 } else { 422 }).await;
        if what.is_empty() {
            assert_eq!((&answer["concurrency_key"], &answer["max_concurrent"]), (&json!("mine"), &json!(1)));
        } else {
            assert!(answer["detail"][0]["msg"].as_str().unwrap().contains(what), "{answer}");
        }
    }
    app.stop().await;
}
