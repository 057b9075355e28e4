//! The Task Repository: every row of its table, successes and refusals.

use serde_json::{Value, json};

use crate::support::{Answer, TestApp, normalised, on_both_engines};

const API: &str = "task_repository";
const KEY: &str = "dev_api_key";

on_both_engines!(
    &[];
    a_task_is_created_read_and_deleted,
    every_problem_of_a_new_task_is_named_at_once,
    the_seven_calls_of_the_old_client_succeed,
    a_claim_names_its_processor_and_is_refused_in_the_old_words,
    a_report_checks_the_state_then_the_processor,
    results_are_stored_whole_or_unwrapped,
    a_result_has_up_to_a_mebibyte,
    a_put_changes_what_is_given_and_merges_metadata,
    every_status_can_be_set,
    lists_are_filtered_and_most_urgent_first,
    what_the_service_says_of_its_tasks,
    other_apis_see_its_tasks_and_it_sees_none_of_theirs,
);

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

const TASKS: &str = "POST /api/v1/tasks";
const CLAIM: &str = "POST /api/v1/tasks/{task_id}/claim";
const COMPLETE: &str = "POST /api/v1/tasks/{task_id}/complete";
const FAIL: &str = "POST /api/v1/tasks/{task_id}/fail";
const PUT: &str = "PUT /api/v1/tasks/{task_id}";
const PATCH_STATUS: &str = "PATCH /api/v1/tasks/{task_id}/status";

fn success(message: &str) -> Value {
    json!({"success": true, "message": message})
}

async fn post(app: &TestApp, route: &str, id: &str, body: Value) -> Answer {
    call(app, route, &[id], Some(body)).await
}

async fn claimed(app: &TestApp) -> String {
    let id = create(app, new_task()).await;
    post(app, CLAIM, &id, json!({"processor_id": "p1"})).await.expect(200);
    id
}

async fn the_seven_calls_of_the_old_client_succeed(app: TestApp) {
    let id = create(&app, new_task()).await;
    let pending = call(&app, "GET /api/v1/tasks/pending", &[], None).await.expect(200);
    assert_eq!(pending["tasks"].as_array().unwrap().len(), 1);
    assert_eq!(get(&app, &id).await, pending["tasks"][0]);
    let taken = post(&app, CLAIM, &id, json!({"service_id": "svc"})).await.expect(200);
    assert_eq!((&taken["status"], &taken["processor_id"]), (&json!("processing"), &json!("svc")));
    post(&app, COMPLETE, &id, json!({"result": {"text": "done"}}))
        .await
        .is(200, success("Task completed successfully"));
    let done = get(&app, &id).await;
    assert_eq!(
        (&done["status"], &done["results"], &done["processor_id"]),
        (&json!("completed"), &json!({"text": "done"}), &json!("svc"))
    );
    assert!(!done["completed_at"].is_null() && !done["processing_started_at"].is_null(), "{done}");
    let id = claimed(&app).await;
    post(&app, FAIL, &id, json!({"error": {"message": "broken"}})).await.is(200, success("Task marked as failed"));
    let failed = get(&app, &id).await;
    assert_eq!(
        (&failed["status"], &failed["error"], &failed["results"]),
        (&json!("failed"), &json!("broken"), &json!(null))
    );
    post(&app, PATCH_STATUS, &id, json!({"status": "pending"})).await.is(200, success("Task updated successfully"));
    let again = get(&app, &id).await;
    assert_eq!(
        (&again["status"], &again["error"], &again["processor_id"]),
        (&json!("pending"), &json!(null), &json!(null))
    );
    app.stop().await;
}

async fn a_claim_names_its_processor_and_is_refused_in_the_old_words(app: TestApp) {
    let id = create(&app, new_task()).await;
    let nobody = call(&app, CLAIM, &[&id], None).await.expect(422);
    assert_eq!(nobody["detail"][0]["loc"], json!(["query", "processor_id"]));
    let claim = |id: &str| app.call(API, CLAIM, &[id]).key(KEY);
    let mismatch = json!({"detail": "Tenant ID mismatch"});
    claim(&id).query("processor_id=p1&tenant_id=other").send().await.is(403, mismatch.clone());
    claim(&id).json(json!({"processor_id": "p1", "tenant_id": "other"})).send().await.is(403, mismatch);
    let taken = claim(&id).query("processor_id=p1&tenant_id=acme").send().await.expect(200);
    assert_eq!(taken["processor_id"], "p1");
    claim(&id).query("processor_id=p2").send().await.is(409, json!({"detail": "Task is already processing"}));
    post(&app, COMPLETE, &id, json!({})).await.expect(200);
    claim(&id).query("processor_id=p2").send().await.is(409, json!({"detail": "Task is already completed"}));
    claim("nothing").query("processor_id=p2").send().await.is(404, json!({"detail": "Task not found"}));
    let id = create(&app, new_task()).await;
    let taken = claim(&id).header("X-Service-ID", "by-header").send().await.expect(200);
    assert_eq!(taken["processor_id"], "by-header");
    claim(&id).json(json!({"processor_id": 7})).send().await.expect(422);
    app.stop().await;
}

async fn a_report_checks_the_state_then_the_processor(app: TestApp) {
    let id = create(&app, new_task()).await;
    let waiting = json!({"detail": "Task is not processing, status: pending"});
    post(&app, COMPLETE, &id, json!({"processor_id": "p2"})).await.is(409, waiting.clone());
    post(&app, FAIL, &id, json!({"message": "x"})).await.is(409, waiting);
    let id = claimed(&app).await;
    let mismatch = json!({"detail": "Processor ID mismatch"});
    post(&app, COMPLETE, &id, json!({"result": 1, "processor_id": "p2"})).await.is(403, mismatch.clone());
    let other = app.call(API, FAIL, &[&id]).key(KEY).query("processor_id=p2").json(json!({"error": "x"})).send().await;
    other.is(403, mismatch);
    for wrong in [json!({}), json!({"error": {}}), json!({"message": 1}), json!({"error": [1]})] {
        let detail = json!({"detail": "Error must contain 'message' field"});
        post(&app, FAIL, &id, wrong).await.is(400, detail);
    }
    assert_eq!(get(&app, &id).await["status"], "processing");
    let ours =
        app.call(API, COMPLETE, &[&id]).key(KEY).query("processor_id=p1").json(json!({"results": [1]})).send().await;
    ours.is(200, success("Task completed successfully"));
    let completed = json!({"detail": "Task is not processing, status: completed"});
    post(&app, COMPLETE, &id, json!({"results": [2]})).await.is(409, completed);
    assert_eq!(get(&app, &id).await["results"], json!([1]));
    for route in [COMPLETE, FAIL] {
        post(&app, route, "nothing", json!({"message": "x"})).await.is(404, json!({"detail": "Task not found"}));
    }
    app.stop().await;
}

async fn results_are_stored_whole_or_unwrapped(app: TestApp) {
    for (body, stored) in [
        (json!({"a": 1, "result": 2}), json!({"a": 1, "result": 2})),
        (json!({"result": {"b": [null]}}), json!({"b": [null]})),
        (json!({"results": "text"}), json!("text")),
        (json!({}), json!({})),
    ] {
        let id = claimed(&app).await;
        post(&app, COMPLETE, &id, body).await.expect(200);
        assert_eq!(get(&app, &id).await["results"], stored);
    }
    for (body, message) in [(json!({"message": "a"}), "a"), (json!({"error": "b"}), "b")] {
        let id = claimed(&app).await;
        post(&app, FAIL, &id, body).await.expect(200);
        assert_eq!(get(&app, &id).await["error"], message);
    }
    app.stop().await;
}

async fn a_result_has_up_to_a_mebibyte(app: TestApp) {
    let id = claimed(&app).await;
    let large = "x".repeat(1024 * 1024);
    let refused = post(&app, COMPLETE, &id, json!({"result": large.repeat(2)})).await.expect(413);
    assert_eq!(refused.as_object().unwrap().keys().collect::<Vec<_>>(), ["detail"]);
    assert_eq!(get(&app, &id).await["status"], "processing");
    post(&app, COMPLETE, &id, json!({"result": large})).await.expect(200);
    let task = get(&app, &id).await;
    assert!(task["status"] == "completed" && task["results"] == large.as_str());
    let new = json!({"task_type": "t", "request": {"text": large}, "template": {"service_type": "x"}});
    call(&app, "POST /api/v1/tasks", &[], Some(new)).await.expect(413);
    app.stop().await;
}

async fn a_put_changes_what_is_given_and_merges_metadata(app: TestApp) {
    let id = create(&app, new_task()).await;
    let edit = json!({"priority": 1, "metadata": {"k": 2, "more": true}, "processor_id": "me", "results": {"r": 1}, "error": "note"});
    post(&app, PUT, &id, edit).await.is(200, success("Task updated successfully"));
    let task = get(&app, &id).await;
    assert_eq!((&task["priority"], &task["metadata"]), (&json!(1), &json!({"k": 2, "more": true})));
    assert_eq!(task["processor_id"], "me");
    assert_eq!((&task["results"], &task["error"]), (&json!({"r": 1}), &json!("note")));
    post(&app, PUT, &id, json!({})).await.is(200, success("Task updated successfully"));
    assert_eq!(get(&app, &id).await["priority"], 1);
    // What an execution brings about is newer than what was reported before it.
    post(&app, CLAIM, &id, json!({"processor_id": "p1"})).await.expect(200);
    let mismatch = json!({"detail": "Processor ID mismatch"});
    post(&app, PUT, &id, json!({"status": "completed", "processor_id": "p2"})).await.is(403, mismatch);
    post(&app, PUT, &id, json!({"status": "completed", "processor_id": "p1", "results": {"r": 2}})).await.expect(200);
    let task = get(&app, &id).await;
    assert_eq!(
        (&task["status"], &task["results"], &task["error"]),
        (&json!("completed"), &json!({"r": 2}), &json!(null))
    );
    for wrong in [json!({"status": "done"}), json!({"priority": 11}), json!({"metadata": []}), json!({"error": 1})] {
        post(&app, PUT, &id, wrong).await.expect(422);
    }
    post(&app, PUT, "nothing", json!({"priority": 1})).await.is(404, json!({"detail": "Task not found"}));
    app.stop().await;
}

async fn every_status_can_be_set(app: TestApp) {
    let id = create(&app, new_task()).await;
    for status in ["completed", "failed", "canceled", "pending", "processing", "failed", "pending", "canceled"] {
        post(&app, "POST /api/v1/tasks/{task_id}/status", &id, json!({"status": status}))
            .await
            .is(200, success("Task updated successfully"));
        assert_eq!(get(&app, &id).await["status"], status);
        post(&app, PATCH_STATUS, &id, json!({"status": status})).await.is(200, success("Task updated successfully"));
    }
    let unknown = post(&app, PATCH_STATUS, &id, json!({"status": "running"})).await.expect(422);
    assert_eq!(unknown["detail"][0]["msg"], "must be one of: pending, processing, completed, failed, canceled");
    post(&app, PATCH_STATUS, &id, json!({})).await.expect(422);
    post(&app, PATCH_STATUS, "nothing", json!({"status": "failed"})).await.is(404, json!({"detail": "Task not found"}));
    app.stop().await;
}

async fn lists_are_filtered_and_most_urgent_first(app: TestApp) {
    let make = async |priority: i64, task_type: &str, tenant: &str, service: &str| {
        let mut body = new_task();
        (body["priority"], body["task_type"], body["tenant_id"]) = (json!(priority), json!(task_type), json!(tenant));
        body["tags"]["service"] = json!(service);
        create(&app, body).await
    };
    let late = make(9, "a", "acme", "chat").await;
    let first = make(2, "a", "acme", "chat").await;
    let second = make(2, "b", "other", "mail").await;
    let list =
        async |query: &str| app.call(API, "GET /api/v1/tasks", &[]).key(KEY).query(query).send().await.expect(200);
    let ids = |page: &Value| -> Vec<String> {
        page["tasks"].as_array().unwrap().iter().map(|t| t["task_id"].as_str().unwrap().to_owned()).collect()
    };
    let page = list("").await;
    assert_eq!(ids(&page), [first.clone(), second.clone(), late.clone()]);
    let no_filters = json!({"task_type": null, "tenant_id": null, "service_tag": null});
    assert_eq!((&page["total"], &page["limit"], &page["filters"]), (&json!(3), &json!(10), &no_filters));
    assert_eq!(page.as_object().unwrap().len(), 4);
    let page = list("tenant_id=acme&service_tag=chat&task_type=a&limit=1").await;
    assert_eq!((ids(&page), &page["total"]), (vec![first.clone()], &json!(2)));
    assert_eq!(page["filters"], json!({"task_type": "a", "tenant_id": "acme", "service_tag": "chat"}));
    assert_eq!(ids(&list("service_tag=mail").await), [second.as_str()]);
    post(&app, CLAIM, &first, json!({"processor_id": "p"})).await.expect(200);
    assert_eq!(ids(&list("status=processing").await), [first.as_str()]);
    post(&app, COMPLETE, &first, json!({"results": {"x": 1}})).await.expect(200);
    let done = list("status=completed").await;
    assert_eq!(done["tasks"][0], get(&app, &first).await);
    assert_eq!(ids(&list("").await), [second, late]);
    for wrong in ["limit=0", "limit=101", "limit=x", "status=queued"] {
        let answer = app.call(API, "GET /api/v1/tasks", &[]).key(KEY).query(wrong).send().await.expect(422);
        assert_eq!(answer["detail"].as_array().unwrap().len(), 1);
    }
    app.call(API, "GET /api/v1/tasks/pending", &[]).send().await.is(401, json!({"detail": "Invalid API key"}));
    app.stop().await;
}

async fn what_the_service_says_of_its_tasks(app: TestApp) {
    claimed(&app).await;
    create(&app, new_task()).await;
    let stats = call(&app, "GET /api/v1/stats", &[], None).await.expect(200);
    assert_eq!(
        normalised(stats, &["timestamp"]),
        json!({
            "total_tasks": 2, "status_distribution": {"pending": 1, "processing": 1}, "type_distribution": {"summary": 2},
            "timestamp": "*",
        })
    );
    app.call(API, "GET /api/v1/stats", &[]).send().await.is(401, json!({"detail": "Invalid API key"}));
    let health = app.call(API, "GET /health", &[]).send().await.expect(200);
    assert_eq!(
        normalised(health, &["timestamp", "version"]),
        json!({
            "status": "healthy", "service": "task_repository", "version": "*", "timestamp": "*", "tasks_count": 2,
            "components": {"api": "healthy", "storage": "healthy", "memory": "healthy"},
        })
    );
    for route in ["GET /", "GET /api/v1/"] {
        let card = app.call(API, route, &[]).query("what=ever").send().await.expect(200);
        assert_eq!(card["service"], "task_repository");
    }
    app.stop().await;
}

async fn other_apis_see_its_tasks_and_it_sees_none_of_theirs(app: TestApp) {
    let id = create(&app, new_task()).await;
    let seen = app.canonical(&id).await;
    assert_eq!(
        (&seen["origin"], &seen["status"], &seen["name"]),
        (&json!("task_repository"), &json!("queued"), &json!("summary"))
    );
    assert_eq!(seen["config"]["request"], new_task()["request"]);
    let canonical = |route: &str, id: &str| app.call("task_service", route, &[id]).key(KEY);
    canonical("POST /api/v1/tasks/{task_id}/cancel", &id).json(json!({})).send().await.expect(200);
    assert_eq!(get(&app, &id).await["status"], "canceled");
    let own = json!({"name": "n", "task_type": "t", "task_id": "own"});
    app.call("task_service", TASKS, &[]).key(KEY).json(own).send().await.expect(201);
    call(&app, "GET /api/v1/tasks/{task_id}", &["own"], None).await.is(404, json!({"detail": "Task not found"}));
    call(&app, "DELETE /api/v1/tasks/{task_id}", &["own"], None).await.is(404, json!({"detail": "Task not found"}));
    post(&app, CLAIM, "own", json!({"processor_id": "p"})).await.is(404, json!({"detail": "Task not found"}));
    app.stop().await;
}
