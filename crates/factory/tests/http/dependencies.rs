//! Tasks that wait for others.

use std::time::Duration;

use serde_json::{Value, json};
use task_testkit::wait::until;

use crate::support::{TestApp, on_both_engines};

on_both_engines!(
    a_task_runs_when_all_it_waits_for_have_completed,
    a_task_fails_with_what_it_waits_for_unless_it_runs_anyway,
    what_is_completed_already_keeps_nobody_waiting,
    tasks_of_one_batch_wait_for_each_other_by_ref,
    a_circle_in_a_batch_is_refused,
    only_ones_own_tasks_can_be_waited_for,
    a_blocked_task_is_cancelled_and_deleted_but_not_paused,
);

/// Long enough for a busy machine; nothing waits for it when all goes well.
const PATIENCE: Duration = Duration::from_secs(20);

fn todo(name: &str) -> Value {
    json!({"name": name, "task_type": "todo"})
}

fn waiting(ids: &[&str]) -> Value {
    json!({"name": "waits", "task_type": "echo", "depends_on": ids})
}

async fn status_becomes(app: &TestApp, id: &str, status: &str) -> Value {
    until("the task has the status", PATIENCE, || async { app.get(id).await["status"] == status }).await;
    app.get(id).await
}

async fn patch(app: &TestApp, id: &str, body: Value) {
    app.call("PATCH /api/v1/tasks/{task_id}", &[id]).user("ann").json(body).send().await.expect(200);
}

async fn a_task_runs_when_all_it_waits_for_have_completed(app: TestApp) {
    let (one, two) = (app.create(todo("one")).await, app.create(todo("two")).await);
    let last = app.create(waiting(&[&one, &two, &one])).await;
    let task = app.get(&last).await;
    assert_eq!((&task["status"], &task["depends_on"]), (&json!("blocked"), &json!([one, two])));
    patch(&app, &one, json!({"status": "completed"})).await;
    assert_eq!(app.get(&last).await["status"], "blocked");
    patch(&app, &two, json!({"status": "completed"})).await;
    let done = status_becomes(&app, &last, "completed").await;
    assert_eq!(done["run_count"], 1);
    app.stop().await;
}

async fn a_task_fails_with_what_it_waits_for_unless_it_runs_anyway(app: TestApp) {
    let (one, two) = (app.create(todo("one")).await, app.create(todo("two")).await);
    let fails = app.create(waiting(&[&one, &two])).await;
    let next = app.create(waiting(&[&fails])).await;
    let runs = {
        let mut body = waiting(&[&one, &two]);
        body["on_dependency_failure"] = json!("run");
        app.create(body).await
    };
    app.call("POST /api/v1/tasks/{task_id}/cancel", &[&one]).user("ann").send().await.expect(200);
    let failed = status_becomes(&app, &fails, "failed").await;
    assert_eq!(failed["last_error"], format!("dependency {one} was cancelled"));
    let after = status_becomes(&app, &next, "failed").await;
    assert_eq!(after["last_error"], format!("dependency {fails} failed"));
    assert_eq!(app.get(&runs).await["status"], "blocked", "the other one has not ended");
    app.call("DELETE /api/v1/tasks/{task_id}", &[&two]).user("ann").send().await.expect(200);
    status_becomes(&app, &runs, "completed").await;
    app.stop().await;
}

async fn what_is_completed_already_keeps_nobody_waiting(app: TestApp) {
    let one = app.create(todo("one")).await;
    patch(&app, &one, json!({"status": "completed"})).await;
    let next = app.create(waiting(&[&one])).await;
    status_becomes(&app, &next, "completed").await;
    let lost = app.create(todo("lost")).await;
    app.call("POST /api/v1/tasks/{task_id}/cancel", &[&lost]).user("ann").send().await.expect(200);
    let body = app.call("POST /api/v1/tasks", &[]).user("ann").json(waiting(&[&lost])).send().await.expect(201);
    assert_eq!(body["status"], "failed");
    app.stop().await;
}

async fn batch(app: &TestApp, tasks: Value) -> Value {
    let body = json!({"tasks": tasks});
    app.call("POST /api/v1/tasks/batch", &[]).user("ann").json(body).send().await.expect(200)["results"].take()
}

async fn tasks_of_one_batch_wait_for_each_other_by_ref(app: TestApp) {
    let results = batch(
        &app,
        json!([
            {"name": "last", "task_type": "echo", "depends_on": [{"ref": "a"}, {"ref": "b"}]},
            {"name": "b", "task_type": "echo", "ref": "b", "depends_on": [{"ref": "a"}]},
            {"name": "a", "task_type": "echo", "ref": "a", "run_immediately": true},
            {"name": "wrong", "task_type": "echo", "depends_on": [{"ref": "c"}]},
        ]),
    )
    .await;
    let id = |n: usize| results[n]["task"]["task_id"].as_str().unwrap().to_owned();
    assert_eq!(results[0]["task"]["depends_on"], json!([id(2), id(1)]));
    status_becomes(&app, &id(0), "completed").await;
    assert_eq!(results[3]["error"]["detail"][0]["loc"], json!(["body", "depends_on"]));
    app.stop().await;
}

async fn a_circle_in_a_batch_is_refused(app: TestApp) {
    let results = batch(
        &app,
        json!([
            {"name": "a", "task_type": "todo", "ref": "a", "depends_on": [{"ref": "b"}]},
            {"name": "b", "task_type": "todo", "ref": "b", "depends_on": [{"ref": "a"}]},
            {"name": "c", "task_type": "todo", "ref": "c"},
            {"name": "self", "task_type": "todo", "ref": "self", "depends_on": [{"ref": "self"}]},
            {"name": "twice", "task_type": "todo", "ref": "twice"},
            {"name": "twice", "task_type": "todo", "ref": "twice"},
        ]),
    )
    .await;
    for n in [0, 1, 3] {
        assert_eq!(results[n]["error"]["detail"][0]["loc"], json!(["body", "depends_on"]), "{n}");
    }
    assert_eq!(results[2]["task"]["status"], "pending");
    for n in [4, 5] {
        assert_eq!(results[n]["error"]["detail"][0]["loc"], json!(["body", "ref"]));
    }
    app.stop().await;
}

async fn only_ones_own_tasks_can_be_waited_for(app: TestApp) {
    let mine = app.create(todo("mine")).await;
    let refused = app.call("POST /api/v1/tasks", &[]).user("bob").json(waiting(&[&mine, "nobody"])).send().await;
    let body = refused.expect(422);
    let problems: Vec<_> = body["detail"].as_array().unwrap().iter().map(|p| p["msg"].as_str().unwrap()).collect();
    assert_eq!(problems.len(), 2, "{body}");
    assert!(problems[0].starts_with(&mine) && problems[1].starts_with("nobody"), "{body}");
    for wrong in [json!("x"), json!([7]), json!([""]), json!([{"ref": "a"}]), json!(vec!["a"; 101])] {
        let mut body = todo("x");
        body["depends_on"] = wrong;
        let body = app.call("POST /api/v1/tasks", &[]).user("ann").json(body).send().await.expect(422);
        assert_eq!(body["detail"][0]["loc"], json!(["body", "depends_on"]));
    }
    app.stop().await;
}

async fn a_blocked_task_is_cancelled_and_deleted_but_not_paused(app: TestApp) {
    let one = app.create(todo("one")).await;
    let (cancelled, deleted) = (app.create(waiting(&[&one])).await, app.create(waiting(&[&one])).await);
    for refused in ["POST /api/v1/tasks/{task_id}/pause", "POST /api/v1/tasks/{task_id}/execute"] {
        app.call(refused, &[&cancelled]).user("ann").send().await.expect(409);
    }
    app.call("POST /api/v1/tasks/{task_id}/cancel", &[&cancelled]).user("ann").send().await.expect(200);
    app.call("DELETE /api/v1/tasks/{task_id}", &[&deleted]).user("ann").send().await.expect(200);
    let witness = app.create(waiting(&[&one])).await;
    patch(&app, &one, json!({"status": "completed"})).await;
    status_becomes(&app, &witness, "completed").await;
    assert_eq!(app.get(&cancelled).await["status"], "cancelled");
    app.stop().await;
}
