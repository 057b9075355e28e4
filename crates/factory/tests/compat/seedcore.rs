//! SeedCore: every row of its table, successes and refusals; and its tasks' way to an organism.

use std::time::Duration;

use serde_json::{Value, json};
use task_testkit::wait;
use wiremock::matchers::{body_json, method, path};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{Answer, TestApp, normalised, on_both_engines};

const API: &str = "seedcore";
const PATIENCE: Duration = Duration::from_secs(20);

on_both_engines!(
    &[];
    a_task_is_created_listed_and_read,
    bad_tasks_are_refused,
    tasks_run_are_cancelled_and_tell_their_status,
    facts_are_kept_found_and_changed
);

async fn call(app: &TestApp, route: &str, parameters: &[&str], body: Option<Value>) -> Answer {
    let call = app.call(API, route, parameters);
    match body {
        Some(body) => call.json(body).send().await,
        None => call.send().await,
    }
}

async fn create(app: &TestApp, body: Value) -> Value {
    call(app, "POST /api/v1/tasks", &[], Some(body)).await.expect(200)
}

fn id(task: &Value) -> &str {
    task["id"].as_str().unwrap()
}

async fn a_task_is_created_listed_and_read(app: TestApp) {
    let new = json!({
        "type": "general_query", "params": {"k": [1, 2.5]}, "description": "d", "domain": "facts", "drift_score": 0.25,
        "run_immediately": true
    });
    let queued = create(&app, new).await;
    let expected = json!({
        "id": "*", "type": "general_query", "description": "d", "params": {"k": [1, 2.5]}, "domain": "facts",
        "drift_score": 0.25, "status": "queued", "result": null, "error": null, "created_at": "*", "updated_at": "*"
    });
    let volatile = ["id", "created_at", "updated_at"];
    assert_eq!(normalised(queued.clone(), &volatile), expected);
    let created = create(&app, json!({"type": "t"})).await;
    let defaults = ["description", "params", "domain", "drift_score", "status"].map(|name| created[name].clone());
    assert_eq!(defaults, [json!(""), json!({}), json!(null), json!(0.0), json!("created")]);
    for task in [&queued, &created] {
        call(&app, "GET /api/v1/tasks/{task_id}", &[id(task)], None).await.is(200, task.clone());
    }
    let list = async |query: &str| app.call(API, "GET /api/v1/tasks", &[]).query(query).send().await;
    list("").await.is(200, json!({"total": 2, "items": [created, queued]}));
    list("limit=1&offset=1").await.is(200, json!({"total": 2, "items": [queued]}));
    list("status=queued").await.is(200, json!({"total": 1, "items": [queued]}));
    list("status=created").await.is(200, json!({"total": 1, "items": [created]}));
    for query in ["status=nonsense", "limit=0", "limit=x", "offset=-1"] {
        list(query).await.expect(422);
    }
    app.stop().await;
}

async fn bad_tasks_are_refused(app: TestApp) {
    let missing = call(&app, "POST /api/v1/tasks", &[], Some(json!({"params": {}}))).await;
    missing.is(422, json!({"detail": [{"loc": ["body", "type"], "msg": "is required", "type": "missing"}]}));
    for (field, wrong) in
        [("params", json!([])), ("description", json!(1)), ("drift_score", json!("x")), ("run_immediately", json!(1))]
    {
        let mut body = json!({"type": "t"});
        body[field] = wrong;
        let refused = call(&app, "POST /api/v1/tasks", &[], Some(body)).await.expect(422);
        assert_eq!(refused["detail"][0]["loc"], json!(["body", field]));
    }
    for route in [
        "GET /api/v1/tasks/{task_id}",
        "GET /api/v1/tasks/{task_id}/status",
        "POST /api/v1/tasks/{task_id}/run",
        "POST /api/v1/tasks/{task_id}/cancel",
    ] {
        let unknown = call(&app, route, &["0199f3c0-7b1e-7c44-9d1e-6d0f6c1f2a30"], None).await;
        unknown.is(404, json!({"detail": "Task not found"}));
        let refused = call(&app, route, &["nonsense"], None).await.expect(422);
        assert_eq!(refused["detail"][0]["loc"], json!(["path", "task_id"]));
    }
    // Another API's task is not there.
    let foreign = app.call("task_service", "POST /api/v1/tasks", &[]).key("dev_api_key");
    let foreign = foreign.json(json!({"name": "n", "task_type": "echo"})).send().await.expect(201);
    let id = foreign["task_id"].as_str().unwrap();
    call(&app, "GET /api/v1/tasks/{task_id}", &[id], None).await.is(404, json!({"detail": "Task not found"}));
    app.stop().await;
}

async fn tasks_run_are_cancelled_and_tell_their_status(app: TestApp) {
    let task = create(&app, json!({"type": "t"})).await;
    let status = async |expected: &str| {
        let answer = call(&app, "GET /api/v1/tasks/{task_id}/status", &[id(&task)], None).await.expect(200);
        let expected = json!({"id": id(&task), "status": expected, "updated_at": "*", "error": answer["error"]});
        assert_eq!(normalised(answer, &["updated_at"]), expected);
    };
    status("created").await;
    let run = async || call(&app, "POST /api/v1/tasks/{task_id}/run", &[id(&task)], None).await.expect(200);
    let queued = run().await;
    assert_eq!(queued["status"], "queued");
    assert_eq!(run().await, queued, "a queued task stays as it is");
    let claim = async |task: &Value| {
        let call = app.call("task_service", "POST /api/v1/tasks/{task_id}/claim", &[id(task)]).key("dev_api_key");
        call.json(json!({"worker_id": "w"})).send().await.expect(200)
    };
    let complete = async |task: &Value, claim: &Value| {
        let call = app.call("task_service", "POST /api/v1/tasks/{task_id}/complete", &[id(task)]).key("dev_api_key");
        call.json(json!({"lease_token": claim["lease_token"], "result": {"answer": 42}})).send().await
    };
    let claimed = claim(&task).await;
    status("running").await;
    assert_eq!(run().await["status"], "running");
    let cancel = async || call(&app, "POST /api/v1/tasks/{task_id}/cancel", &[id(&task)], None).await.expect(200);
    assert_eq!(cancel().await["status"], "cancelled");
    assert_eq!(cancel().await["status"], "cancelled");
    // Its worker finishes later: too late.
    complete(&task, &claimed).await.expect(409);
    status("cancelled").await;
    let done = create(&app, json!({"type": "t", "run_immediately": true})).await;
    let claimed = claim(&done).await;
    complete(&done, &claimed).await.expect(200);
    let read = call(&app, "GET /api/v1/tasks/{task_id}", &[id(&done)], None).await.expect(200);
    assert_eq!((&read["status"], &read["result"]), (&json!("completed"), &json!({"answer": 42})));
    for route in ["POST /api/v1/tasks/{task_id}/run", "POST /api/v1/tasks/{task_id}/cancel"] {
        call(&app, route, &[id(&done)], None).await.is(200, read.clone());
    }
    app.stop().await;
}

async fn facts_are_kept_found_and_changed(app: TestApp) {
    let new = json!({"text": "Important: x", "tags": ["reference", "b"], "meta_data": {"source": "Manual"}});
    let fact = call(&app, "POST /api/v1/facts", &[], Some(new)).await.expect(200);
    let expected = json!({
        "id": "*", "text": "Important: x", "tags": ["reference", "b"], "meta_data": {"source": "Manual"},
        "created_at": "*", "updated_at": "*"
    });
    assert_eq!(normalised(fact.clone(), &["id", "created_at", "updated_at"]), expected);
    let other = call(&app, "POST /api/v1/facts", &[], Some(json!({"text": "other"}))).await.expect(200);
    assert_eq!((&other["tags"], &other["meta_data"]), (&json!([]), &json!({})));
    let search = async |query: &str| app.call(API, "GET /api/v1/facts", &[]).query(query).send().await;
    search("").await.is(200, json!({"total": 2, "items": [other, fact]}));
    search("q=important&tag=reference&limit=50&offset=0").await.is(200, json!({"total": 1, "items": [fact]}));
    search("q=manual").await.is(200, json!({"total": 1, "items": [fact]}));
    search("q=other&tag=reference").await.is(200, json!({"total": 0, "items": []}));
    search("tag=refer").await.is(200, json!({"total": 0, "items": []}));
    search("limit=1&offset=1").await.is(200, json!({"total": 2, "items": [fact]}));
    for query in ["limit=0", "limit=1001", "offset=-1"] {
        search(query).await.expect(422);
    }
    let patch = async |body: Value| call(&app, "PATCH /api/v1/facts/{fact_id}", &[id(&fact)], Some(body)).await;
    patch(json!({})).await.is(200, fact.clone());
    let changed = patch(json!({"text": "new"})).await.expect(200);
    assert_eq!((&changed["text"], &changed["tags"]), (&json!("new"), &fact["tags"]));
    assert_ne!(changed["updated_at"], fact["updated_at"]);
    patch(json!({"text": 5})).await.expect(422);
    call(&app, "GET /api/v1/facts/{fact_id}", &[id(&fact)], None).await.is(200, changed);
    let unknown = "0199f3c0-7b1e-7c44-9d1e-6d0f6c1f2a30";
    let gone = |id: &str| json!({"detail": format!("Fact '{id}' not found")});
    for (route, body) in [
        ("GET /api/v1/facts/{fact_id}", None),
        ("PATCH /api/v1/facts/{fact_id}", Some(json!({"text": "x"}))),
        ("DELETE /api/v1/facts/{fact_id}", None),
    ] {
        call(&app, route, &[unknown], body.clone()).await.is(404, gone(unknown));
        call(&app, route, &["nonsense"], body).await.expect(422);
    }
    let delete = async || call(&app, "DELETE /api/v1/facts/{fact_id}", &[id(&fact)], None).await;
    delete().await.is(200, json!({"deleted": id(&fact)}));
    delete().await.is(404, gone(id(&fact)));
    call(&app, "POST /api/v1/facts", &[], Some(json!({"tags": []}))).await.expect(422);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn it_says_how_it_is_and_asks_for_its_key() {
    let app = TestApp::sqlite(&[("SEEDCORE_API_KEY", "k")]).await;
    let health = app.call(API, "GET /health", &[]).send().await.expect(200);
    let version = health["version"].clone();
    assert_eq!(health, json!({"status": "healthy", "service": "seedcore-api", "version": version}));
    let card = app.call(API, "GET /", &[]).send().await.expect(200);
    assert_eq!(card, json!({"message": "SeedCore API", "version": version, "docs": "/docs", "health": "/health"}));
    let refused = app.call(API, "GET /api/v1/tasks", &[]).send().await;
    refused.is(401, json!({"detail": "Invalid API key"}));
    app.call(API, "GET /api/v1/tasks", &[]).key("k").send().await.expect(200);
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_configured_organism_is_asked_and_its_answer_is_the_result() {
    let organism = MockServer::start().await;
    let sent = json!({"type": "embed", "params": {"k": 2}, "description": "d", "domain": "facts", "drift_score": 0.5});
    let answer = json!({"success": true, "result": {"vectors": [1, 2]}});
    let succeed = ResponseTemplate::new(200).set_body_json(answer.clone());
    Mock::given(method("POST")).and(path("/run")).and(body_json(&sent)).respond_with(succeed).mount(&organism).await;
    let failed = json!({"success": false, "error": "no such graph", "at": 3});
    let fail = ResponseTemplate::new(200).set_body_json(failed.clone());
    Mock::given(method("POST")).and(path("/run")).respond_with(fail).with_priority(10).mount(&organism).await;
    let app = TestApp::sqlite(&[("ORGANISM_URL", &format!("{}/run", organism.uri()))]).await;
    let ended = async |task: Value| {
        wait::until("the task has ended", PATIENCE, || async {
            let read = call(&app, "GET /api/v1/tasks/{task_id}/status", &[id(&task)], None).await.expect(200);
            ["completed", "failed"].iter().any(|ended| read["status"] == *ended)
        })
        .await;
        call(&app, "GET /api/v1/tasks/{task_id}", &[id(&task)], None).await.expect(200)
    };
    let mut new = sent.clone();
    new["run_immediately"] = json!(true);
    let task = ended(create(&app, new).await).await;
    assert_eq!((&task["status"], &task["result"], &task["error"]), (&json!("completed"), &answer, &json!(null)));
    let task = ended(create(&app, json!({"type": "graph", "run_immediately": true})).await).await;
    assert_eq!((&task["status"], &task["result"]), (&json!("failed"), &failed));
    assert_eq!(task["error"], "no such graph");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn queued_tasks_survive_a_restart() {
    let app = TestApp::sqlite(&[]).await;
    let task = create(&app, json!({"type": "t", "run_immediately": true})).await;
    let app = app.restart().await;
    call(&app, "GET /api/v1/tasks/{task_id}", &[id(&task)], None).await.is(200, task.clone());
    app.stop().await;
}
