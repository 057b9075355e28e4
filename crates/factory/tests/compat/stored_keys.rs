//! Keys that the service keeps, at the Task Repository: what they may do, and whose work they see.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::{Answer, TestApp, on_both_engines};

on_both_engines!(
    &[];
    a_key_does_here_what_its_scopes_say,
    a_key_sees_and_claims_its_tenants_work_only,
);

const API: &str = "task_repository";
const CREATE: &str = "POST /api/v1/tasks";
const CLAIM: &str = "POST /api/v1/tasks/{task_id}/claim";

/// Makes a key as `admin`, in its tenant.
pub(crate) async fn make(app: &TestApp, admin: &str, scopes: &[&str]) -> String {
    let call = app.call("task_service", "POST /api/v1/keys", &[]).key(admin);
    let made = call.json(json!({"name": "worker", "scopes": scopes})).send().await.expect(201);
    made["key"].as_str().unwrap().to_owned()
}

/// An admin's key of another tenant, as an operator makes it.
fn admin_of(app: &TestApp, tenant: &str) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_task-service"))
        .args(["keys", "create", "--name", "admin", "--scope", "admin", "--tenant", tenant])
        .env("DATABASE_URL", app.database_url())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().next().unwrap().to_owned()
}

async fn call(app: &TestApp, key: &str, route: &str, id: &[&str], body: Value) -> Answer {
    let call = app.call(API, route, id).key(key);
    if body.is_null() { call.send().await } else { call.json(body).send().await }
}

async fn create(app: &TestApp, key: &str, id: &str) -> Answer {
    let body = json!({"task_id": id, "task_type": "render", "request": {}, "template": {"service_type": "x"}});
    call(app, key, CREATE, &[], body).await
}

async fn a_key_does_here_what_its_scopes_say(app: TestApp) {
    let both = make(&app, "dev_api_key", &["tasks:write", "tasks:work"]).await;
    let writer = make(&app, "dev_api_key", &["tasks:write"]).await;
    let worker = make(&app, "dev_api_key", &["tasks:work"]).await;
    let denied = || json!({"detail": "Permission denied"});
    create(&app, &both, "one").await.expect(201);
    create(&app, &writer, "two").await.expect(201);
    create(&app, &worker, "three").await.is(403, denied());
    call(&app, &writer, CLAIM, &["two"], json!({"service_id": "w"})).await.is(403, denied());
    call(&app, &worker, CLAIM, &["two"], json!({"service_id": "w"})).await.expect(200);
    call(&app, &writer, "POST /api/v1/tasks/{task_id}/complete", &["two"], json!({"result": 1}))
        .await
        .is(403, denied());
    call(&app, &worker, "DELETE /api/v1/tasks/{task_id}", &["two"], Value::Null).await.is(403, denied());
    call(&app, &both, CLAIM, &["one"], json!({"service_id": "w"})).await.expect(200);
    call(&app, &both, "POST /api/v1/tasks/{task_id}/complete", &["one"], json!({"result": 1})).await.expect(200);
    let read = call(&app, &worker, "GET /api/v1/tasks/{task_id}", &["one"], Value::Null).await.expect(200);
    assert_eq!((&read["status"], &read["results"]), (&json!("completed"), &json!(1)));
    let last = if both.ends_with('x') { "y" } else { "x" };
    let mistyped = format!("{}{last}", &both[..both.len() - 1]);
    create(&app, &mistyped, "four").await.is(401, json!({"detail": "Invalid API key"}));
    app.stop().await;
}

async fn a_key_sees_and_claims_its_tenants_work_only(app: TestApp) {
    let scopes = ["tasks:write", "tasks:work"];
    let ours = make(&app, "dev_api_key", &scopes).await;
    let theirs = make(&app, &admin_of(&app, "acme"), &scopes).await;
    create(&app, &ours, "one").await.expect(201);
    let not_found = || json!({"detail": "Task not found"});
    let task = "GET /api/v1/tasks/{task_id}";
    call(&app, &theirs, task, &["one"], Value::Null).await.is(404, not_found());
    call(&app, &theirs, CLAIM, &["one"], json!({"service_id": "w"})).await.is(404, not_found());
    let put = "PUT /api/v1/tasks/{task_id}";
    call(&app, &theirs, put, &["one"], json!({"status": "canceled"})).await.is(404, not_found());
    call(&app, &theirs, "DELETE /api/v1/tasks/{task_id}", &["one"], Value::Null).await.is(404, not_found());
    let list = call(&app, &theirs, "GET /api/v1/tasks", &[], Value::Null).await.expect(200);
    assert_eq!((&list["total"], &list["tasks"]), (&json!(0), &json!([])));
    let stats = call(&app, &theirs, "GET /api/v1/stats", &[], Value::Null).await.expect(200);
    assert_eq!(stats["total_tasks"], 0);
    // An id is taken in one tenant only.
    create(&app, &theirs, "one").await.expect(201);
    call(&app, &theirs, CLAIM, &["one"], json!({"service_id": "w"})).await.expect(200);
    let read = call(&app, &ours, task, &["one"], Value::Null).await.expect(200);
    assert_eq!((&read["status"], &read["processor_id"]), (&json!("pending"), &Value::Null));
    app.stop().await;
}
