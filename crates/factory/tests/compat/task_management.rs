//! Task Management: every row of its table, successes and refusals.

use std::time::Duration;

use serde_json::{Value, json};
use task_testkit::wait;

use crate::support::{Answer, TestApp, normalised, on_both_engines};

const API: &str = "task_management";
const CREATE: &str = "POST /tasks/";
const GET: &str = "GET /tasks/{task_id}";
const PUT: &str = "PUT /tasks/{task_id}";
const PATIENCE: Duration = Duration::from_secs(20);

on_both_engines!(
    &[("TASK_PROCESSING_SECONDS", "0.05")];
    a_created_task_is_processed_with_its_conversations,
    a_task_is_processed_again_when_it_is_set_to_pending,
    what_the_service_says_of_itself,
);

/// Nothing is processed.
mod idle {
    use super::{
        a_task_is_edited_and_deleted, conversations_are_added_listed_and_edited, every_problem_is_named,
        tasks_are_listed_newest_first, the_canonical_api_sees_its_tasks, without_a_worker_it_says_so,
    };
    use crate::support::on_both_engines;

    on_both_engines!(
        &[("TASK_MANAGEMENT_CONCURRENCY", "0")];
        tasks_are_listed_newest_first,
        a_task_is_edited_and_deleted,
        conversations_are_added_listed_and_edited,
        every_problem_is_named,
        the_canonical_api_sees_its_tasks,
        without_a_worker_it_says_so,
    );
}

/// Everything is processed for long.
mod busy {
    use super::what_is_changed_or_deleted_meanwhile_is_not_completed;
    use crate::support::on_both_engines;

    on_both_engines!(&[("TASK_PROCESSING_SECONDS", "600")]; what_is_changed_or_deleted_meanwhile_is_not_completed);
}

async fn call(app: &TestApp, route: &str, id: Option<i64>, body: Option<Value>) -> Answer {
    let id = id.map(|id| id.to_string());
    let parameters: Vec<&str> = id.as_deref().into_iter().collect();
    let call = app.call(API, route, &parameters);
    match body {
        Some(body) => call.json(body).send().await,
        None => call.send().await,
    }
}

async fn create(app: &TestApp, body: Value) -> i64 {
    call(app, CREATE, None, Some(body)).await.expect(200)["id"].as_i64().unwrap()
}

async fn get(app: &TestApp, id: i64) -> Value {
    call(app, GET, Some(id), None).await.expect(200)
}

async fn status_becomes(app: &TestApp, id: i64, status: &str) {
    wait::until(&format!("{id} is {status}"), PATIENCE, || async { get(app, id).await["status"] == status }).await;
}

async fn a_created_task_is_processed_with_its_conversations(app: TestApp) {
    let body = json!({"title": "Hello", "description": "d", "conversations": [{"content": "a"}, {"content": "b", "status": "archived"}]});
    let created = call(&app, CREATE, None, Some(body)).await.expect(200);
    let id = created["id"].as_i64().unwrap();
    let volatile = ["id", "task_id", "created_at", "updated_at"];
    let entry = |content: &str, status: &str| json!({"content": content, "status": status, "id": "*", "task_id": "*", "created_at": "*", "updated_at": "*"});
    let entries = |task: &Value| -> Vec<Value> {
        let entries = task["conversations"].as_array().unwrap();
        assert!(entries.iter().all(|entry| entry["task_id"] == id));
        entries.iter().map(|entry| normalised(entry.clone(), &volatile)).collect()
    };
    assert_eq!(entries(&created), [entry("a", "active"), entry("b", "archived")]);
    let expected = json!({
        "title": "Hello", "description": "d", "id": "*", "status": "pending", "created_at": "*", "updated_at": "*",
        "processed_at": null, "conversations": "*",
    });
    assert_eq!(normalised(created, &["id", "created_at", "updated_at", "conversations"]), expected);
    status_becomes(&app, id, "completed").await;
    let done = get(&app, id).await;
    assert_eq!(entries(&done), [entry("a", "processed"), entry("b", "processed")]);
    assert!(!done["processed_at"].is_null(), "{done}");
    app.stop().await;
}

async fn a_task_is_processed_again_when_it_is_set_to_pending(app: TestApp) {
    let id = create(&app, json!({"title": "again"})).await;
    status_becomes(&app, id, "completed").await;
    let first = get(&app, id).await["processed_at"].clone();
    call(&app, PUT, Some(id), Some(json!({"status": "pending"}))).await.expect(200);
    wait::until("it is processed again", PATIENCE, || async {
        let task = get(&app, id).await;
        task["status"] == "completed" && task["processed_at"] != first
    })
    .await;
    app.stop().await;
}

async fn what_is_changed_or_deleted_meanwhile_is_not_completed(app: TestApp) {
    let first = create(&app, json!({"title": "changed", "conversations": [{"content": "a"}]})).await;
    status_becomes(&app, first, "processing").await;
    let kept = call(&app, PUT, Some(first), Some(json!({"status": "processing", "title": "kept"}))).await.expect(200);
    assert_eq!((&kept["status"], &kept["title"]), (&json!("processing"), &json!("kept")));
    let second = create(&app, json!({"title": "deleted"})).await;
    let status = call(&app, "GET /status", None, None).await.expect(200);
    assert_eq!((&status["current_tasks"], &status["worker_running"]), (&json!([first]), &json!(true)));
    let changed = call(&app, PUT, Some(first), Some(json!({"status": "cancelled"}))).await.expect(200);
    assert_eq!((&changed["status"], &changed["processed_at"]), (&json!("cancelled"), &json!(null)));
    status_becomes(&app, second, "processing").await;
    let deleted = call(&app, "DELETE /tasks/{task_id}", Some(second), None).await;
    deleted.is(200, json!({"message": "Task deleted successfully"}));
    let third = create(&app, json!({"title": "next"})).await;
    status_becomes(&app, third, "processing").await;
    assert_eq!(get(&app, first).await["conversations"][0]["status"], "active");
    app.stop().await;
}

async fn tasks_are_listed_newest_first(app: TestApp) {
    let first = create(&app, json!({"title": "1", "conversations": [{"content": "a"}, {"content": "b"}]})).await;
    let second = create(&app, json!({"title": "2"})).await;
    let third = create(&app, json!({"title": "3"})).await;
    let list = async |query: &str| app.call(API, "GET /tasks/", &[]).query(query).send().await.expect(200);
    let page = list("").await;
    let ids = |page: &Value| page.as_array().unwrap().iter().map(|t| t["id"].as_i64().unwrap()).collect::<Vec<_>>();
    assert_eq!(ids(&page), [third, second, first]);
    assert_eq!(
        normalised(page[2].clone(), &["created_at"]),
        json!({"id": first, "title": "1", "status": "pending", "created_at": "*", "conversation_count": 2})
    );
    assert_eq!(page[1]["conversation_count"], 0);
    assert_eq!(ids(&list("skip=1&limit=1").await), [second]);
    assert_eq!(ids(&list("skip=9").await), [0_i64; 0]);
    for wrong in ["skip=-1", "limit=-1", "limit=x"] {
        app.call(API, "GET /tasks/", &[]).query(wrong).send().await.expect(422);
    }
    app.stop().await;
}

async fn a_task_is_edited_and_deleted(app: TestApp) {
    let id = create(&app, json!({"title": "old", "description": "d", "conversations": [{"content": "a"}]})).await;
    let edited = call(&app, PUT, Some(id), Some(json!({"title": "new", "extra": 1}))).await.expect(200);
    assert_eq!(
        (&edited["title"], &edited["description"], &edited["status"]),
        (&json!("new"), &json!("d"), &json!("pending"))
    );
    assert_eq!(edited, get(&app, id).await);
    let both = call(&app, PUT, Some(id), Some(json!({"title": "done", "status": "completed"}))).await.expect(200);
    assert_eq!((&both["title"], &both["status"]), (&json!("done"), &json!("completed")));
    let tasks = app.call("task_service", "GET /api/v1/tasks", &[]).key("dev_api_key").query("origin=task_management");
    let task_id = tasks.send().await.expect(200)["tasks"][0]["task_id"].clone();
    let history = app.call("task_service", "GET /api/v1/tasks/{task_id}/history", &[task_id.as_str().unwrap()]);
    let history = history.key("dev_api_key").send().await.expect(200);
    let actions: Vec<_> = history.as_array().unwrap().iter().map(|entry| entry["action"].clone()).collect();
    assert_eq!(actions, ["create", "update", "set_status"], "title and status in one change");
    for status in ["completed", "failed", "cancelled", "pending"] {
        let edited = call(&app, PUT, Some(id), Some(json!({"status": status}))).await.expect(200);
        assert_eq!(edited["status"], status);
    }
    let deleted = call(&app, "DELETE /tasks/{task_id}", Some(id), None).await;
    deleted.is(200, json!({"message": "Task deleted successfully"}));
    let not_found = || json!({"detail": "Task not found"});
    call(&app, GET, Some(id), None).await.is(404, not_found());
    call(&app, PUT, Some(id), Some(json!({"title": "x"}))).await.is(404, not_found());
    call(&app, "DELETE /tasks/{task_id}", Some(id), None).await.is(404, not_found());
    call(&app, "GET /tasks/{task_id}/conversations/", Some(id), None).await.is(404, not_found());
    app.stop().await;
}

async fn conversations_are_added_listed_and_edited(app: TestApp) {
    let id = create(&app, json!({"title": "t"})).await;
    let add = async |body: Value| call(&app, "POST /tasks/{task_id}/conversations/", Some(id), Some(body)).await;
    let first = add(json!({"content": "one"})).await.expect(200);
    let expected =
        json!({"content": "one", "status": "active", "id": "*", "task_id": id, "created_at": "*", "updated_at": "*"});
    assert_eq!(normalised(first.clone(), &["id", "created_at", "updated_at"]), expected);
    let second = add(json!({"content": "two", "status": "archived"})).await.expect(200);
    let list = call(&app, "GET /tasks/{task_id}/conversations/", Some(id), None).await.expect(200);
    assert_eq!(list, json!([first, second]));
    add(json!({})).await.expect(422);
    add(json!({"content": 1})).await.expect(422);
    let put =
        async |id: i64, body: Value| call(&app, "PUT /conversations/{conversation_id}", Some(id), Some(body)).await;
    let entry = first["id"].as_i64().unwrap();
    let edited = put(entry, json!({"content": "eins", "status": "processed"})).await.expect(200);
    assert_eq!(
        (&edited["content"], &edited["status"], &edited["task_id"]),
        (&json!("eins"), &json!("processed"), &json!(id))
    );
    assert_eq!(put(entry, json!({})).await.expect(200), edited);
    put(entry + 100, json!({"content": "x"})).await.is(404, json!({"detail": "Conversation not found"}));
    put(entry, json!({"status": 1})).await.expect(422);
    app.stop().await;
}

async fn every_problem_is_named(app: TestApp) {
    let missing = call(&app, CREATE, None, Some(json!({"conversations": [{}]}))).await.expect(422);
    let locations: Vec<&Value> = missing["detail"].as_array().unwrap().iter().map(|problem| &problem["loc"]).collect();
    assert_eq!(locations, [&json!(["body", "title"]), &json!(["body", "conversations", "0", "content"])]);
    for wrong in [json!("nonsense"), json!({"content": "a"}), json!(7)] {
        let refused = call(&app, CREATE, None, Some(json!({"title": "t", "conversations": wrong}))).await.expect(422);
        assert_eq!(refused["detail"][0]["loc"], json!(["body", "conversations"]));
    }
    let none = call(&app, CREATE, None, Some(json!({"title": "t", "conversations": null}))).await.expect(200);
    assert_eq!(none["conversations"], json!([]));
    for (route, name) in [(PUT, "task_id"), ("PUT /conversations/{conversation_id}", "conversation_id")] {
        let wrong = app.call(API, route, &["one"]).json(json!({})).send().await.expect(422);
        assert_eq!(wrong["detail"][0]["loc"], json!(["path", name]));
    }
    let nobody = call(&app, "POST /tasks/{task_id}/conversations/", Some(999_999), Some(json!({"content": "a"}))).await;
    nobody.is(404, json!({"detail": "Task not found"}));
    call(&app, CREATE, None, Some(json!({"title": "x".repeat(255)}))).await.expect(200);
    call(&app, CREATE, None, Some(json!({"title": "x".repeat(256)}))).await.expect(422);
    let id = create(&app, json!({"title": "t"})).await;
    let refused = call(&app, PUT, Some(id), Some(json!({"status": "processing", "title": "new"}))).await.expect(422);
    assert_eq!(refused["detail"][0]["loc"], json!(["body", "status"]));
    assert_eq!(get(&app, id).await["title"], "t");
    call(&app, PUT, Some(id), Some(json!({"title": 1}))).await.expect(422);
    for route in [GET, "DELETE /tasks/{task_id}", "GET /tasks/{task_id}/conversations/"] {
        let wrong = app.call(API, route, &["one"]).send().await.expect(422);
        assert_eq!(wrong["detail"][0]["loc"], json!(["path", "task_id"]));
    }
    for (route, location) in
        [("GET /tasks", "/tasks/?skip=1"), ("POST /tasks", "/tasks/?skip=1"), ("GET /tasks/5/", "/tasks/5?skip=1")]
    {
        let moved = app.call(API, route, &[]).query("skip=1").send().await;
        assert_eq!((moved.status, moved.headers["location"].to_str().unwrap()), (307, location));
    }
    app.call(API, "PATCH /tasks/", &[]).send().await.is(405, json!({"detail": "Method Not Allowed"}));
    app.stop().await;
}

async fn without_a_worker_it_says_so(app: TestApp) {
    create(&app, json!({"title": "t"})).await;
    let status = call(&app, "GET /status", None, None).await.expect(200);
    let seen = ["worker_running", "current_tasks", "tasks"].map(|name| status[name].clone());
    let counts = json!({"pending": 1, "processing": 0, "completed": 0, "failed": 0, "cancelled": 0});
    assert_eq!(seen, [json!(false), json!([]), counts]);
    let detailed = call(&app, "GET /health/detailed", None, None).await.expect(200);
    assert_eq!(detailed["application"]["worker_running"], false);
    app.stop().await;
}

async fn the_canonical_api_sees_its_tasks(app: TestApp) {
    let id = create(&app, json!({"title": "shared"})).await;
    let list = app
        .call("task_service", "GET /api/v1/tasks", &[])
        .key("dev_api_key")
        .query("origin=task_management")
        .send()
        .await;
    let seen = list.expect(200)["tasks"][0].clone();
    assert_eq!(
        (&seen["id"], &seen["name"], &seen["task_type"], &seen["handler"]),
        (&json!(id), &json!("shared"), &json!("conversation"), &json!("builtin"))
    );
    let task_id = seen["task_id"].as_str().unwrap();
    let cancel = app.call("task_service", "POST /api/v1/tasks/{task_id}/cancel", &[task_id]).key("dev_api_key");
    cancel.json(json!({})).send().await.expect(200);
    assert_eq!(get(&app, id).await["status"], "cancelled");
    let own = json!({"name": "n", "task_type": "t"});
    let own = app.call("task_service", "POST /api/v1/tasks", &[]).key("dev_api_key").json(own).send().await.expect(201);
    call(&app, GET, own["id"].as_i64(), None).await.is(404, json!({"detail": "Task not found"}));
    app.stop().await;
}

async fn what_the_service_says_of_itself(app: TestApp) {
    let health = json!({"status": "healthy", "message": "Task management service is running"});
    call(&app, "GET /health", None, None).await.is(200, health);
    let status = call(&app, "GET /status", None, None).await.expect(200);
    assert_eq!(
        normalised(status, &["worker_instance_id"]),
        json!({
            "status": "running", "worker_instance_id": "*", "worker_running": true, "current_tasks": [],
            "tasks": {"pending": 0, "processing": 0, "completed": 0, "failed": 0, "cancelled": 0},
        })
    );
    let mut detailed = call(&app, "GET /health/detailed", None, None).await.expect(200);
    assert!(detailed["database"]["latency_ms"].is_u64(), "{detailed}");
    let engine = if app.database_url().starts_with("sqlite") { "sqlite" } else { "postgres" };
    let version = detailed["application"]["version"].clone();
    assert!(version.is_string());
    detailed["database"]["latency_ms"] = json!("*");
    assert_eq!(
        detailed,
        json!({
            "status": "healthy", "database": {"status": "healthy", "engine": engine, "latency_ms": "*"},
            "application": {"status": "healthy", "version": version, "worker_running": true},
        })
    );
    let instance = call(&app, "GET /status", None, None).await.expect(200)["worker_instance_id"].clone();
    let none = json!({"pending": 0, "processing": 0, "completed": 0, "failed": 0, "cancelled": 0});
    let mut metrics = call(&app, "GET /metrics", None, None).await.expect(200);
    assert!(metrics["application"]["uptime_seconds"].is_u64(), "{metrics}");
    metrics["application"]["uptime_seconds"] = json!("*");
    assert_eq!(
        metrics,
        json!({
            "database": {"engine": engine, "total_tasks": 0, "tasks": none},
            "application": {"worker_instance_id": instance, "uptime_seconds": "*"},
        })
    );
    let mut info = call(&app, "GET /info", None, None).await.expect(200);
    let application = info["application"].take();
    assert_eq!(
        info,
        json!({"name": "task_management", "version": version, "database": {"engine": engine}, "application": null})
    );
    let application = normalised(application, &["event_bus", "started_at"]);
    assert_eq!(application, json!({"worker_instance_id": instance, "event_bus": "*", "started_at": "*"}));
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_key_only_who_shows_it_may_call() {
    let app = TestApp::sqlite(&[("TASK_MANAGEMENT_API_KEY", "secret")]).await;
    let list = |key: Option<&str>| {
        let call = app.call(API, "GET /tasks/", &[]);
        key.map_or(app.call(API, "GET /tasks/", &[]), |key| call.key(key)).send()
    };
    list(None).await.is(401, json!({"detail": "Invalid API key"}));
    list(Some("wrong")).await.is(401, json!({"detail": "Invalid API key"}));
    list(Some("secret")).await.is(200, json!([]));
    call(&app, "GET /health", None, None).await.expect(200);
    app.stop().await;
}
