//! The Task Repository: every row of its table, successes and refusals.

use serde_json::{Value, json};

use crate::support::{Answer, TestApp, normalised, on_both_engines};

const API: &str = "task_repository";
const KEY: &str = "dev_api_key";

on_both_engines!(a_task_is_created_read_and_deleted, every_problem_of_a_new_task_is_named_at_once);

fn new_task() -> Value {
    json!({
        "task_type": "summary", "request": {"content": {"text": "a"}, "metadata": {"lang": "en"}},
        "template": {"service_type": "llm", "template_data": {"x": 1}, "parameters": {}},
        "tags": {"service": "chat", "source": "web", "category": "c", "custom_tags": ["a", "b"]},
        "priority": 2, "tenant_id": "acme", "batch_id": "b1", "metadata": {"k": [1, 2.5, null]},
    })
}

async fn call(app: &TestApp, route: &str, parameters: &[&str], body: Option<Value>) -> Answer {
    let call = app.call(API, route, parameters).key(KEY);
    match body {
        Some(body) => call.json(body).send().await,
        None => call.send().await,
    }
}

async fn create(app: &TestApp, body: Value) -> String {
    let created = call(app, "POST /api/v1/tasks", &[], Some(body)).await.expect(201);
    created["task_id"].as_str().unwrap().to_owned()
}

async fn get(app: &TestApp, id: &str) -> Value {
    call(app, "GET /api/v1/tasks/{task_id}", &[id], None).await.expect(200)
}

async fn a_task_is_created_read_and_deleted(app: TestApp) {
    let created = call(&app, "POST /api/v1/tasks", &[], Some(new_task())).await.expect(201);
    assert_eq!(
        normalised(created.clone(), &["task_id"]),
        json!({"task_id": "*", "status": "created", "message": "Task created successfully"})
    );
    let id = created["task_id"].as_str().unwrap();
    let mut expected = new_task();
    let more = json!({
        "task_id": id, "status": "pending", "created_at": "*", "updated_at": "*", "processor_id": null,
        "processing_started_at": null, "results": null, "error": null, "completed_at": null,
    });
    expected.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    assert_eq!(normalised(get(&app, id).await, &["created_at", "updated_at"]), expected);
    let least =
        json!({"task_type": "t", "request": {}, "template": {"service_type": "s"}, "task_id": "mine", "extra": 1});
    assert_eq!(create(&app, least.clone()).await, "mine");
    let read = get(&app, "mine").await;
    let defaults = ["priority", "tenant_id", "batch_id", "tags", "metadata"].map(|name| read[name].clone());
    assert_eq!(defaults, [json!(5), json!(null), json!(null), json!({}), json!({})]);
    call(&app, "POST /api/v1/tasks", &[], Some(least)).await.is(409, json!({"detail": "Task id is already in use"}));
    let deleted = async || call(&app, "DELETE /api/v1/tasks/{task_id}", &[id], None).await;
    deleted().await.is(200, json!({"success": true, "message": "Task deleted successfully"}));
    deleted().await.is(404, json!({"detail": "Task not found"}));
    let not_found = call(&app, "GET /api/v1/tasks/{task_id}", &[id], None).await;
    not_found.is(404, json!({"detail": "Task not found"}));
    app.stop().await;
}

async fn every_problem_of_a_new_task_is_named_at_once(app: TestApp) {
    let refused = async |body: Value| call(&app, "POST /api/v1/tasks", &[], Some(body)).await.expect(422);
    let locations = |body: &Value| -> Vec<String> {
        let parts =
            |e: &Value| e["loc"].as_array().unwrap().iter().map(|p| p.as_str().unwrap()).collect::<Vec<_>>().join(".");
        body["detail"].as_array().unwrap().iter().map(parts).collect()
    };
    let answer = refused(json!({})).await;
    assert_eq!(answer.as_object().unwrap().len(), 1, "{answer}");
    assert_eq!(locations(&answer), ["body.task_type", "body.request", "body.template", "body.template.service_type"]);
    assert_eq!(answer["detail"][0], json!({"loc": ["body", "task_type"], "msg": "is required", "type": "missing"}));
    for (field, wrong) in [
        ("priority", json!(0)),
        ("priority", json!("high")),
        ("tags", json!([])),
        ("metadata", json!(1)),
        ("tenant_id", json!(1)),
        ("task_id", json!("a b")),
        ("request", json!("text")),
    ] {
        let mut body = new_task();
        body[field] = wrong;
        assert_eq!(locations(&refused(body).await), [format!("body.{field}")]);
    }
    for (headers, body) in [(vec![], new_task()), (vec![("X-API-Key", "wrong")], new_task())] {
        let call = headers.into_iter().fold(app.call(API, "POST /api/v1/tasks", &[]), |c, (n, v)| c.header(n, v));
        call.json(body).send().await.is(401, json!({"detail": "Invalid API key"}));
    }
    let user = app.call(API, "GET /api/v1/tasks/{task_id}", &["x"]).header("X-User-ID", "ann").send().await;
    user.is(401, json!({"detail": "Invalid API key"}));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn the_service_card_is_open() {
    let app = TestApp::sqlite(&[]).await;
    let card = app.call(API, "GET /", &[]).query("what=ever").send().await.expect(200);
    assert_eq!(card["service"], "task_repository");
    app.stop().await;
}
