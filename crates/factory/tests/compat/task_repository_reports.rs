//! The Task Repository: what a client reports in one call happens in one, or not at all.

use serde_json::{Value, json};

use crate::stored_keys::make;
use crate::support::{Answer, TestApp, normalised, on_both_engines};

on_both_engines!(
    &[];
    a_put_of_status_and_results_is_one_change,
    a_key_without_the_scope_changes_nothing,
    while_a_lease_lives_its_holder_is_shown_and_no_other_one_is_taken,
    a_report_is_stored_whole_but_for_who_makes_it,
    every_call_but_the_open_ones_needs_a_key,
    the_whole_document_tells_of_claims_and_reports,
    pending_tasks_are_filtered_as_all_are,
);

const API: &str = "task_repository";
const TASK: &str = "GET /api/v1/tasks/{task_id}";
const PUT: &str = "PUT /api/v1/tasks/{task_id}";
const PATCH: &str = "PATCH /api/v1/tasks/{task_id}/status";
const CLAIM: &str = "POST /api/v1/tasks/{task_id}/claim";
const COMPLETE: &str = "POST /api/v1/tasks/{task_id}/complete";
const FAIL: &str = "POST /api/v1/tasks/{task_id}/fail";
const PENDING: &str = "GET /api/v1/tasks/pending";

async fn send(app: &TestApp, route: &str, id: &str, body: Value) -> Answer {
    app.call(API, route, &[id]).key("dev_api_key").json(body).send().await
}

async fn create(app: &TestApp) -> String {
    let new =
        json!({"task_type": "t", "request": {"content": 1}, "template": {"service_type": "s"}, "tenant_id": "acme"});
    let made = app.call(API, "POST /api/v1/tasks", &[]).key("dev_api_key").json(new).send().await.expect(201);
    made["task_id"].as_str().unwrap().to_owned()
}

async fn claimed(app: &TestApp) -> String {
    let id = create(app).await;
    send(app, CLAIM, &id, json!({"processor_id": "p1"})).await.expect(200);
    id
}

async fn get(app: &TestApp, id: &str) -> Value {
    app.call(API, TASK, &[id]).key("dev_api_key").send().await.expect(200)
}

async fn actions(app: &TestApp, id: &str) -> Vec<String> {
    let history = app.call("task_service", "GET /api/v1/tasks/{task_id}/history", &[id]).key("dev_api_key");
    let history = history.send().await.expect(200);
    history.as_array().unwrap().iter().map(|entry| entry["action"].as_str().unwrap().to_owned()).collect()
}

async fn a_put_of_status_and_results_is_one_change(app: TestApp) {
    let id = claimed(&app).await;
    let put =
        json!({"status": "completed", "processor_id": "p1", "results": {"r": 1}, "priority": 1, "metadata": {"k": 2}});
    send(&app, PUT, &id, put).await.expect(200);
    assert_eq!(actions(&app, &id).await, ["create", "claim", "complete"]);
    let task = get(&app, &id).await;
    let seen = ["status", "results", "priority", "processor_id"].map(|name| task[name].clone());
    assert_eq!(seen, [json!("completed"), json!({"r": 1}), json!(1), json!("p1")]);
    assert_eq!(task["metadata"], json!({"k": 2}));
    let id = create(&app).await;
    send(&app, PUT, &id, json!({"status": "completed", "results": {"r": 2}})).await.expect(200);
    assert_eq!(actions(&app, &id).await, ["create", "set_status"]);
    assert_eq!(get(&app, &id).await["results"], json!({"r": 2}));
    let id = create(&app).await;
    send(&app, PUT, &id, json!({"status": "processing", "processor_id": "p3"})).await.expect(200);
    assert_eq!((actions(&app, &id).await.len(), &get(&app, &id).await["processor_id"]), (2, &json!("p3")));
    app.stop().await;
}

async fn a_key_without_the_scope_changes_nothing(app: TestApp) {
    let worker = make(&app, "dev_api_key", &["tasks:work"]).await;
    let as_worker =
        async |route: &str, id: &str, body: Value| app.call(API, route, &[id]).key(&worker).json(body).send().await;
    let denied = || json!({"detail": "Permission denied"});
    let id = claimed(&app).await;
    let before = get(&app, &id).await;
    as_worker(PATCH, &id, json!({"status": "canceled"})).await.is(403, denied());
    as_worker(PUT, &id, json!({"status": "completed", "priority": 1})).await.is(403, denied());
    as_worker(PUT, &id, json!({"metadata": {"a": 1}})).await.is(403, denied());
    assert_eq!(get(&app, &id).await, before);
    as_worker(PATCH, &id, json!({"status": "completed"})).await.expect(200);
    assert_eq!(get(&app, &id).await["status"], "completed");
    let id = claimed(&app).await;
    as_worker(PUT, &id, json!({"status": "failed", "error": "no"})).await.expect(200);
    let task = get(&app, &id).await;
    assert_eq!((&task["status"], &task["error"]), (&json!("failed"), &json!("no")));
    app.stop().await;
}

async fn while_a_lease_lives_its_holder_is_shown_and_no_other_one_is_taken(app: TestApp) {
    let id = claimed(&app).await;
    let mismatch = json!({"detail": "Processor ID mismatch"});
    for body in [
        json!({"processor_id": "p2"}),
        json!({"processor_id": "p2", "results": 1}),
        json!({"processor_id": "p2", "status": "pending"}),
    ] {
        send(&app, PUT, &id, body).await.is(403, mismatch.clone());
    }
    send(&app, PUT, &id, json!({"processor_id": "p1", "results": {"half": 1}})).await.expect(200);
    let task = get(&app, &id).await;
    assert_eq!((&task["processor_id"], &task["results"]), (&json!("p1"), &json!({"half": 1})));
    send(&app, COMPLETE, &id, json!({"processor_id": "p1", "a": 1})).await.expect(200);
    app.stop().await;
}

async fn a_report_is_stored_whole_but_for_who_makes_it(app: TestApp) {
    let id = claimed(&app).await;
    let body = json!({"service_id": "s", "tenant_id": "t", "processor_id": "p1", "text": "x"});
    send(&app, COMPLETE, &id, body).await.expect(200);
    assert_eq!(get(&app, &id).await["results"], json!({"service_id": "s", "tenant_id": "t", "text": "x"}));
    for (body, message) in [
        (json!({"message": null, "error": "boom"}), "boom"),
        (json!({"error": {"message": null}, "message": "m"}), "m"),
        (json!({"error": {"message": "within"}, "message": null}), "within"),
    ] {
        let id = claimed(&app).await;
        send(&app, FAIL, &id, body).await.is(200, json!({"success": true, "message": "Task marked as failed"}));
        assert_eq!(get(&app, &id).await["error"], message);
    }
    let new = json!({"task_type": "a\u{7}b", "request": {}, "template": {"service_type": "s"}});
    let refused = app.call(API, "POST /api/v1/tasks", &[]).key("dev_api_key").json(new).send().await.expect(422);
    assert_eq!(refused["detail"][0]["loc"], json!(["body", "task_type"]));
    app.stop().await;
}

async fn every_call_but_the_open_ones_needs_a_key(app: TestApp) {
    let id = claimed(&app).await;
    for route in [
        TASK,
        PUT,
        PATCH,
        "POST /api/v1/tasks/{task_id}/status",
        "DELETE /api/v1/tasks/{task_id}",
        CLAIM,
        COMPLETE,
        FAIL,
    ] {
        let body = json!({"status": "canceled", "processor_id": "p1", "message": "x"});
        app.call(API, route, &[&id]).json(body).send().await.is(401, json!({"detail": "Invalid API key"}));
    }
    assert_eq!(get(&app, &id).await["status"], "processing");
    for route in ["GET /", "GET /api/v1/"] {
        let card = app.call(API, route, &[]).send().await.expect(200);
        let expected = json!({"service": "task_repository", "version": "*", "status": "running", "docs": "/docs", "health": "/health"});
        assert_eq!(normalised(card, &["version"]), expected);
    }
    app.stop().await;
}

async fn the_whole_document_tells_of_claims_and_reports(app: TestApp) {
    let times = ["created_at", "updated_at", "processing_started_at"];
    let ended = [times.as_slice(), &["completed_at"]].concat();
    let expected = |id: &str, changes: Value| {
        let mut document = json!({
            "task_id": id, "task_type": "t", "status": "processing", "priority": 5, "tenant_id": "acme", "batch_id": null,
            "request": {"content": 1}, "template": {"service_type": "s"}, "tags": {}, "metadata": {}, "created_at": "*",
            "updated_at": "*", "processor_id": "p1", "processing_started_at": "*", "results": null, "error": null,
            "completed_at": null,
        });
        document.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
        document
    };
    let id = create(&app).await;
    let claim = send(&app, CLAIM, &id, json!({"service_id": "p1"})).await.expect(200);
    assert_eq!(claim, get(&app, &id).await);
    assert_eq!(normalised(claim, &times), expected(&id, json!({})));
    send(&app, COMPLETE, &id, json!({"result": [1]})).await.expect(200);
    let done = json!({"status": "completed", "results": [1], "completed_at": "*"});
    assert_eq!(normalised(get(&app, &id).await, &ended), expected(&id, done));
    let id = claimed(&app).await;
    send(&app, FAIL, &id, json!({"error": {"message": "no"}})).await.expect(200);
    let failed = json!({"status": "failed", "error": "no", "completed_at": "*"});
    assert_eq!(normalised(get(&app, &id).await, &ended), expected(&id, failed));
    app.stop().await;
}

async fn pending_tasks_are_filtered_as_all_are(app: TestApp) {
    let (first, second) = (create(&app).await, create(&app).await);
    let list = async |query: &str| {
        let page = app.call(API, PENDING, &[]).key("dev_api_key").query(query).send().await.expect(200);
        let ids: Vec<_> = page["tasks"].as_array().unwrap().iter().map(|task| task["task_id"].clone()).collect();
        (ids, page["total"].clone())
    };
    assert_eq!(list("").await, (vec![json!(first), json!(second)], json!(2)));
    assert_eq!(list("limit=1").await, (vec![json!(first)], json!(2)));
    assert_eq!(list("task_type=t&tenant_id=acme&limit=1").await, (vec![json!(first)], json!(2)));
    for none in ["task_type=x", "tenant_id=x", "service_tag=x", "status=completed"] {
        assert_eq!(list(none).await, (vec![], json!(0)), "{none}");
    }
    app.call(API, PENDING, &[]).key("dev_api_key").query("limit=101").send().await.expect(422);
    app.stop().await;
}
