//! What an owner does with a task beside editing it, and the record of it.

use serde_json::{Value, json};

use crate::support::{Answer, TestApp, echo, on_both_engines};

on_both_engines!(
    pause_holds_a_task_and_resume_lets_it_go_on,
    a_failed_task_is_repeated_as_a_new_one,
    the_record_of_a_task_is_read,
    an_edit_on_condition_is_refused_when_the_task_moved,
    lists_are_filtered_sorted_and_paged,
    the_record_is_the_owners_alone,
);

async fn post(app: &TestApp, route: &str, id: &str, body: Value) -> Answer {
    app.call(route, &[id]).user("ann").json(body).send().await
}

async fn pause_holds_a_task_and_resume_lets_it_go_on(app: TestApp) {
    let id = app.create(json!({"name": "n", "task_type": "echo", "schedule": {"type": "daily"}})).await;
    let paused = post(&app, "POST /api/v1/tasks/{task_id}/pause", &id, json!({"reason": "holiday"})).await.expect(200);
    assert_eq!(paused["status"], "paused");
    let again = post(&app, "POST /api/v1/tasks/{task_id}/pause", &id, json!({})).await.expect(409);
    assert_eq!((&again["code"], &again["from"]), (&json!("invalid_transition"), &json!("paused")));
    let resumed = post(&app, "POST /api/v1/tasks/{task_id}/resume", &id, json!({})).await.expect(200);
    assert_eq!(resumed["status"], "scheduled");
    post(&app, "POST /api/v1/tasks/{task_id}/resume", &id, json!({})).await.expect(409);
    app.stop().await;
}

async fn a_failed_task_is_repeated_as_a_new_one(app: TestApp) {
    let id = app.create(echo()).await;
    post(&app, "POST /api/v1/tasks/{task_id}/retry", &id, json!({})).await.expect(409);
    post(&app, "POST /api/v1/tasks/{task_id}/cancel", &id, json!({})).await.expect(200);
    let answer = post(&app, "POST /api/v1/tasks/{task_id}/retry", &id, json!({"reason": "again"})).await;
    let location = answer.headers["location"].to_str().unwrap().to_owned();
    let new = answer.expect(201);
    assert_eq!(location, format!("/api/v1/tasks/{}", new["task_id"].as_str().unwrap()));
    assert_eq!((&new["original_task_id"], &new["retry_count"]), (&json!(id), &json!(1)));
    assert_ne!(new["task_id"], json!(id));
    assert_eq!(app.get(&id).await["status"], "cancelled");
    app.stop().await;
}

async fn the_record_of_a_task_is_read(app: TestApp) {
    let id = app.create(json!({"name": "n", "task_type": "echo", "config": {"steps": 3}})).await;
    post(&app, "POST /api/v1/tasks/{task_id}/execute", &id, json!({})).await.expect(200);
    let get = |route: &'static str| app.call(route, &[&id]).user("ann");
    let status = get("GET /api/v1/tasks/{task_id}/status").send().await.expect(200);
    assert_eq!((&status["status"], &status["is_completed"]), (&json!("completed"), &json!(true)));
    let history = get("GET /api/v1/tasks/{task_id}/history").send().await.expect(200);
    let actions: Vec<_> = history.as_array().unwrap().iter().map(|e| e["action"].as_str().unwrap()).collect();
    assert_eq!(actions, ["create", "execute", "claim", "complete"]);
    assert_eq!(history[0]["actor"], "user:ann");
    let first = history[0]["id"].to_string();
    let rest = get("GET /api/v1/tasks/{task_id}/history").query(&[("after", &first)]).send().await.expect(200);
    assert_eq!(rest.as_array().unwrap().len(), 3);
    let same =
        get("GET /api/v1/tasks/{task_id}/history").query(&[("after_seq_id", &first), ("limit", "1")]).send().await;
    assert_eq!(same.expect(200), json!([rest[0]]));
    let progress = get("GET /api/v1/tasks/{task_id}/progress").query(&[("after_seq_id", "1")]).send().await.expect(200);
    let seqs: Vec<_> = progress.as_array().unwrap().iter().map(|e| e["seq_id"].as_i64().unwrap()).collect();
    assert_eq!(seqs, [2, 3]);
    assert_eq!(progress[1]["data"], json!({"step": 3, "of": 3, "percent": 100}));
    app.stop().await;
}

async fn an_edit_on_condition_is_refused_when_the_task_moved(app: TestApp) {
    let id = app.create(echo()).await;
    let read = app.call("GET /api/v1/tasks/{task_id}", &[&id]).user("ann").send().await;
    let etag = read.headers["etag"].to_str().unwrap().to_owned();
    let edit = |name: &str, tag: &str| {
        let call = app.call("PATCH /api/v1/tasks/{task_id}", &[&id]).user("ann");
        call.header("If-Match", tag).json(json!({"name": name})).send()
    };
    let first = edit("one", &etag).await;
    assert_ne!(first.headers["etag"].to_str().unwrap(), etag);
    first.expect(200);
    let stale = edit("two", &etag).await.expect(412);
    assert_eq!((&stale["code"], &stale["version"]), (&json!("precondition_failed"), &json!(2)));
    for wrong in ["W/\"2\"", "2", "\"x\"", "", "\"1\", \"3\""] {
        edit("three", wrong).await.expect(412);
    }
    assert_eq!(app.get(&id).await["name"], "one");
    edit("four", "\"1\", \"2\"").await.expect(200);
    edit("five", "*").await.expect(200);
    let put = app.call("PUT /api/v1/tasks/{task_id}", &[&id]).user("ann").header("If-Match", "\"1\"");
    put.json(json!({"name": "six"})).send().await.expect(412);
    let delete =
        |tag: &str| app.call("DELETE /api/v1/tasks/{task_id}", &[&id]).user("ann").header("If-Match", tag).send();
    delete("\"1\"").await.expect(412);
    delete("\"4\"").await.expect(200);
    app.stop().await;
}

async fn lists_are_filtered_sorted_and_paged(app: TestApp) {
    for n in 0..7 {
        let due = (n % 2 == 0).then(|| format!("2030-01-0{}T00:00:00Z", 9 - n));
        app.create(json!({
            "name": format!("task {n}"), "task_type": "todo", "tags": [format!("t{}", n % 3), "all"], "labels": {"n": n.to_string()},
            "due_date": due, "priority": if n == 4 { "urgent" } else { "low" },
        }))
        .await;
    }
    let names = |page: &Value| -> Vec<String> {
        page["tasks"].as_array().unwrap().iter().map(|t| t["name"].as_str().unwrap().to_owned()).collect()
    };
    let list = async |query: &[(&str, &str)]| app.call("GET /api/v1/tasks", &[]).user("ann").query(query).send().await;
    let page = list(&[("tag", "t1"), ("tag", "all"), ("include_total", "true")]).await.expect(200);
    assert_eq!((names(&page), &page["total"]), (vec!["task 4".to_owned(), "task 1".to_owned()], &json!(2)));
    assert_eq!(page["filters"]["tag"], json!(["t1", "all"]));
    assert_eq!(names(&list(&[("label", "n:3")]).await.expect(200)), ["task 3"]);
    assert_eq!(names(&list(&[("q", "TASK%205")]).await.expect(200)), ["task 5"]);
    assert_eq!(names(&list(&[("due_before", "2030-01-05T00:00:00Z")]).await.expect(200)), ["task 6"]);
    assert_eq!(names(&list(&[("sort", "priority"), ("limit", "2")]).await.expect(200)), ["task 4", "task 0"]);
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    loop {
        let page = list(&[("sort", "due_date"), ("limit", "2"), ("cursor", &cursor)]).await.expect(200);
        seen.extend(names(&page));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, ["task 6", "task 4", "task 2", "task 0", "task 1", "task 3", "task 5"]);
    for wrong in [
        [("sort", "name"), ("limit", "1")],
        [("cursor", "x"), ("limit", "1")],
        [("cursor", &cursor), ("sort", "priority")],
        [("label", "n"), ("limit", "1")],
        [("due_after", "tomorrow"), ("limit", "1")],
        [("limit", "1"), ("limit", "2")],
        [("include_total", "maybe"), ("limit", "1")],
    ] {
        list(&wrong).await.expect(422);
    }
    app.stop().await;
}

async fn the_record_is_the_owners_alone(app: TestApp) {
    let id = app.create(echo()).await;
    for route in [
        "GET /api/v1/tasks/{task_id}/status",
        "GET /api/v1/tasks/{task_id}/history",
        "GET /api/v1/tasks/{task_id}/progress",
        "POST /api/v1/tasks/{task_id}/pause",
        "POST /api/v1/tasks/{task_id}/resume",
        "POST /api/v1/tasks/{task_id}/retry",
    ] {
        app.call(route, &[&id]).user("bob").send().await.expect(403);
        app.call(route, &[&id]).user("bob").header("X-Tenant-ID", "other").send().await.expect(404);
        app.call(route, &[&id]).send().await.expect(401);
    }
    app.stop().await;
}
