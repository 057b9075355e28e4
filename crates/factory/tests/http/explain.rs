//! Why a task is not running.

use serde_json::{Value, json};

use crate::support::{Call, TestApp, echo, on_both_engines};

on_both_engines!(
    a_task_at_rest_says_what_it_rests_for,
    a_blocked_task_names_what_it_waits_for,
    work_of_a_worker_says_where_it_stands,
    a_full_key_says_so,
    only_those_who_may_read_a_task_are_told,
);

const EXPLAIN: &str = "GET /api/v1/tasks/{task_id}/explain";

/// Asks, and checks the reason; the details.
async fn told(call: Call, reason: &str) -> Value {
    let mut body = call.send().await.expect(200);
    assert_eq!(body["reason"], reason, "{body:#}");
    assert!(body["message"].as_str().is_some_and(|text| text.ends_with('.')), "{body:#}");
    body["details"].take()
}

impl TestApp {
    /// As user `ann`.
    pub(crate) async fn explain(&self, id: &str, reason: &str) -> Value {
        told(self.call("GET /api/v1/tasks/{task_id}/explain", &[id]).user("ann"), reason).await
    }

    async fn explain_as_key(&self, id: &str, reason: &str) -> Value {
        told(self.call(EXPLAIN, &[id]).key(), reason).await
    }
}

async fn a_task_at_rest_says_what_it_rests_for(app: TestApp) {
    let id = app.create(echo()).await;
    assert_eq!(app.explain(&id, "not_scheduled").await["started_by"][0], "execute");
    let command = async |route: &str| app.call(route, &[&id]).user("ann").send().await.expect(200);
    command("POST /api/v1/tasks/{task_id}/pause").await;
    assert_eq!(app.explain(&id, "paused").await, json!({"held_back": false}));
    command("POST /api/v1/tasks/{task_id}/cancel").await;
    let answer = app.call(EXPLAIN, &[&id]).user("ann").send().await.expect(200);
    assert_eq!((&answer["task_id"], &answer["status"]), (&json!(id), &json!("cancelled")));
    assert_eq!(app.explain(&id, "terminal").await["status"], "cancelled");
    let mut body = echo();
    body["schedule"] = json!({"type": "interval", "interval_minutes": 60});
    let id = app.create(body).await;
    let next = app.get(&id).await["next_run_time"].clone();
    assert_eq!(app.explain(&id, "not_due").await, json!({"next_run_time": next}));
    app.stop().await;
}

async fn a_blocked_task_names_what_it_waits_for(app: TestApp) {
    let todo = || json!({"name": "one", "task_type": "todo"});
    let (one, two) = (app.create(todo()).await, app.create(todo()).await);
    let last = app.create(json!({"name": "waits", "task_type": "echo", "depends_on": [one, two]})).await;
    let done = app.call("PATCH /api/v1/tasks/{task_id}", &[&one]).user("ann").json(json!({"status": "completed"}));
    done.send().await.expect(200);
    let details = app.explain(&last, "blocked").await;
    assert_eq!(details, json!({"waiting_for": [{"task_id": two, "status": "pending"}]}));
    app.stop().await;
}

async fn work_of_a_worker_says_where_it_stands(app: TestApp) {
    let retry = json!({"retry": {"max_attempts": 3, "base_seconds": 1000, "max_seconds": 1000}});
    let first = app.queue("render", retry).await;
    let details = app.explain_as_key(&first, "no_worker_seen").await;
    assert_eq!(
        details,
        json!({"task_type": "render", "handler": "worker", "last_seen": null, "other_instances": "unknown"})
    );
    let claim = app.claim_one("render").await;
    let running = app.explain_as_key(&first, "running").await;
    assert_eq!((&running["worker_id"], &running["attempt"]), (&json!("w1"), &json!(1)));
    assert!(running["lease_expires_at"].is_string());
    let (second, third) = (app.queue("render", json!({})).await, app.queue("render", json!({})).await);
    let place = |position: i64| json!({"position": position, "more_than": null, "estimated_wait_seconds": null});
    assert_eq!(app.explain_as_key(&second, "queued").await, place(1));
    assert_eq!(app.explain_as_key(&third, "queued").await, place(2));
    app.report("POST /api/v1/tasks/{task_id}/fail", &claim, json!({"error": "no"})).await.expect(200);
    let backoff = app.explain_as_key(&first, "backoff").await;
    assert_eq!((&backoff["failures"], &backoff["lost_leases"]), (&json!(1), &json!(0)));
    assert!(backoff["until"].is_string());
    let claim = app.claim_one("render").await;
    app.report("POST /api/v1/tasks/{task_id}/complete", &claim, json!({"result": 1})).await.expect(200);
    // The failed attempt has not ended the run, but its worker was free again: two in a minute.
    let details = app.explain_as_key(&third, "queued").await;
    assert_eq!((&details["position"], &details["estimated_wait_seconds"]), (&json!(1), &json!(30)));
    app.stop().await;
}

async fn a_full_key_says_so(app: TestApp) {
    let key = || json!({"concurrency_key": "printer", "max_concurrent": 1});
    let first = app.queue("print", key()).await;
    let second = app.queue("print", key()).await;
    let full = json!({"key": "printer", "used": 1, "limit": 1});
    assert_eq!(app.explain_as_key(&second, "concurrency_limit").await, full);
    let claim = app.claim_one("print").await;
    assert_eq!(claim["task"]["task_id"], json!(first));
    assert_eq!((&claim["task"]["concurrency_key"], &claim["task"]["max_concurrent"]), (&json!("printer"), &json!(1)));
    assert!(app.claim(json!({"task_types": ["print"], "worker_id": "w2"})).await.is_empty());
    assert_eq!(app.explain_as_key(&second, "concurrency_limit").await, full);
    app.report("POST /api/v1/tasks/{task_id}/complete", &claim, json!({"result": 1})).await.expect(200);
    assert_eq!(app.explain_as_key(&second, "queued").await["position"], 1);
    assert_eq!(app.claim_one("print").await["task"]["task_id"], json!(second));
    app.stop().await;
}

async fn only_those_who_may_read_a_task_are_told(app: TestApp) {
    let id = app.create(echo()).await;
    app.call(EXPLAIN, &[&id]).send().await.expect(401);
    app.call(EXPLAIN, &[&id]).user("bob").send().await.expect(403);
    app.call(EXPLAIN, &[&id]).user("ann").header("X-Tenant-ID", "other").send().await.expect(404);
    app.call(EXPLAIN, &[&id]).user("ann").query(&[("limit", "1")]).send().await.expect(422);
    app.stop().await;
}

/// Without executors a built-in type has nobody to run it.
#[tokio::test(flavor = "multi_thread")]
async fn a_type_that_no_instance_runs_is_told() {
    let app = TestApp::sqlite_with(&[("EXECUTOR_CONCURRENCY", "0")]).await;
    let mut body = echo();
    body["run_immediately"] = json!(true);
    let id = app.create(body).await;
    let details = app.explain(&id, "no_worker_seen").await;
    assert_eq!((&details["handler"], &details["last_seen"]), (&json!("builtin"), &Value::Null));
    app.stop().await;
}
