//! SeedCore: what its tasks tell of results and errors, alone and in lists.

use serde_json::{Value, json};

use crate::support::{TestApp, on_both_engines};

on_both_engines!(
    &[];
    a_list_shows_the_results_that_a_read_shows,
    an_error_is_told_of_what_failed_only,
    unknown_paths_and_methods_are_told_apart,
    edits_of_a_fact_replace_tags_and_meta_data_whole,
);

const API: &str = "seedcore";
const TASK: &str = "GET /api/v1/tasks/{task_id}";
const STATUS: &str = "GET /api/v1/tasks/{task_id}/status";

async fn create(app: &TestApp, immediately: bool) -> String {
    let new = json!({"type": "t", "run_immediately": immediately});
    let made = app.call(API, "POST /api/v1/tasks", &[]).json(new).send().await.expect(200);
    made["id"].as_str().unwrap().to_owned()
}

/// Ends a queued task as a worker of the canonical API does.
async fn work(app: &TestApp, id: &str, action: &str, mut report: Value) {
    let post = |action: &str| {
        let route = format!("POST /api/v1/tasks/{{task_id}}/{action}");
        app.call("task_service", &route, &[id]).key("dev_api_key")
    };
    let claim = post("claim").json(json!({"worker_id": "w"})).send().await.expect(200);
    report["lease_token"] = claim["lease_token"].clone();
    post(action).json(report).send().await.expect(200);
}

async fn read(app: &TestApp, id: &str) -> Value {
    app.call(API, TASK, &[id]).send().await.expect(200)
}

async fn act(app: &TestApp, id: &str, action: &str) -> Value {
    let route = format!("POST /api/v1/tasks/{{task_id}}/{action}");
    app.call(API, &route, &[id]).send().await.expect(200)
}

async fn a_list_shows_the_results_that_a_read_shows(app: TestApp) {
    let list = async |query: &str| app.call(API, "GET /api/v1/tasks", &[]).query(query).send().await.expect(200);
    let done = create(&app, true).await;
    work(&app, &done, "complete", json!({"result": {"answer": 42}})).await;
    let failed = create(&app, true).await;
    work(&app, &failed, "fail", json!({"error": {"message": "no", "code": "x", "details": {"d": 1}}})).await;
    let queued = create(&app, true).await;
    let (queued, failed, done) = (read(&app, &queued).await, read(&app, &failed).await, read(&app, &done).await);
    assert_eq!((&done["result"], &done["error"]), (&json!({"answer": 42}), &Value::Null));
    // Only an organism's answer is a result of what failed.
    assert_eq!((&failed["result"], &failed["error"]), (&Value::Null, &json!("no")));
    assert_eq!(list("").await, json!({"total": 3, "items": [queued, failed, done]}));
    assert_eq!(list("status=completed").await, json!({"total": 1, "items": [done]}));
    assert_eq!(list("status=failed").await, json!({"total": 1, "items": [failed]}));
    assert_eq!(list("status=failed&offset=1").await, json!({"total": 1, "items": []}));
    app.stop().await;
}

async fn an_error_is_told_of_what_failed_only(app: TestApp) {
    let error = async |id: &str| app.call(API, STATUS, &[id]).send().await.expect(200)["error"].clone();
    let id = create(&app, true).await;
    work(&app, &id, "fail", json!({"error": "broken"})).await;
    assert_eq!(error(&id).await, "broken");
    let again = act(&app, &id, "run").await;
    assert_eq!((&again["status"], &again["error"], &again["result"]), (&json!("queued"), &Value::Null, &Value::Null));
    assert_eq!(error(&id).await, Value::Null);
    let cancelled = act(&app, &id, "cancel").await;
    assert_eq!((&cancelled["status"], &cancelled["error"]), (&json!("cancelled"), &Value::Null));
    assert_eq!((error(&id).await, read(&app, &id).await["error"].clone()), (Value::Null, Value::Null));
    let queued = act(&app, &id, "run").await;
    assert_eq!((&queued["status"], &queued["error"]), (&json!("queued"), &Value::Null));
    app.stop().await;
}

async fn unknown_paths_and_methods_are_told_apart(app: TestApp) {
    app.call(API, "GET /api/v1/nothing", &[]).send().await.is(404, json!({"detail": "Not Found"}));
    app.call(API, "PUT /api/v1/tasks", &[]).send().await.is(405, json!({"detail": "Method Not Allowed"}));
    app.call(API, "DELETE /api/v1/facts", &[]).send().await.is(405, json!({"detail": "Method Not Allowed"}));
    let new = json!({"type": "a\u{7}b"});
    let refused = app.call(API, "POST /api/v1/tasks", &[]).json(new).send().await.expect(422);
    assert_eq!(refused["detail"][0]["loc"], json!(["body", "type"]));
    app.stop().await;
}

async fn edits_of_a_fact_replace_tags_and_meta_data_whole(app: TestApp) {
    let new = json!({"text": "x", "tags": ["a", "b"], "meta_data": {"k": 1, "l": 2}});
    let fact = app.call(API, "POST /api/v1/facts", &[]).json(new).send().await.expect(200);
    let id = fact["id"].as_str().unwrap();
    let patch =
        async |body: Value| app.call(API, "PATCH /api/v1/facts/{fact_id}", &[id]).json(body).send().await.expect(200);
    let changed = patch(json!({"tags": ["c"]})).await;
    assert_eq!((&changed["tags"], &changed["meta_data"]), (&json!(["c"]), &json!({"k": 1, "l": 2})));
    let changed = patch(json!({"meta_data": {"m": 3}})).await;
    assert_eq!((&changed["tags"], &changed["meta_data"]), (&json!(["c"]), &json!({"m": 3})));
    assert_eq!(changed["text"], "x");
    app.stop().await;
}
