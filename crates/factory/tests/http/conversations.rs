//! Conversations of a task, and whose they are.

use serde_json::{Value, json};

use crate::support::{TestApp, echo, on_both_engines};

on_both_engines!(
    an_entry_lives_from_post_to_delete,
    entries_are_listed_oldest_first_in_pages,
    entries_are_the_owners_of_the_task,
    bad_entries_change_nothing,
);

async fn add(app: &TestApp, task: &str, content: &str) -> Value {
    let call = app.call("POST /api/v1/tasks/{task_id}/conversations", &[task]).user("ann");
    call.json(json!({"content": content})).send().await.expect(201)
}

async fn list(app: &TestApp, task: &str, query: &[(&str, &str)]) -> Value {
    app.call("GET /api/v1/tasks/{task_id}/conversations", &[task]).user("ann").query(query).send().await.expect(200)
}

async fn an_entry_lives_from_post_to_delete(app: TestApp) {
    let task = app.create(echo()).await;
    let answer = app
        .call("POST /api/v1/tasks/{task_id}/conversations", &[&task])
        .user("ann")
        .json(json!({"content": "Shall we?", "status": "waiting"}))
        .send()
        .await;
    let location = answer.headers["location"].to_str().unwrap().to_owned();
    let entry = answer.expect(201);
    let id = entry["id"].to_string();
    assert_eq!(location, format!("/api/v1/conversations/{id}"));
    assert_eq!((&entry["task_id"], &entry["status"]), (&json!(task), &json!("waiting")));
    assert_eq!(add(&app, &task, "x").await["status"], "active");
    let get = || app.call("GET /api/v1/conversations/{conversation_id}", &[&id]).user("ann").send();
    let put =
        |body: Value| app.call("PUT /api/v1/conversations/{conversation_id}", &[&id]).user("ann").json(body).send();
    assert_eq!(get().await.expect(200), entry);
    assert_eq!(put(json!({})).await.expect(200), entry, "nothing given, nothing changed");
    let edited = put(json!({"status": "archived"})).await.expect(200);
    assert_eq!((&edited["content"], &edited["status"]), (&json!("Shall we?"), &json!("archived")));
    let edited = put(json!({"content": "We shall"})).await.expect(200);
    assert_eq!((&edited["content"], &edited["status"]), (&json!("We shall"), &json!("archived")));
    assert_eq!(get().await.expect(200), edited);
    let delete = || app.call("DELETE /api/v1/conversations/{conversation_id}", &[&id]).user("ann").send();
    let gone = delete().await.expect(200);
    assert_eq!(gone, json!({"message": "Conversation deleted successfully", "conversation_id": entry["id"].clone()}));
    for gone in [get().await, put(json!({})).await, delete().await] {
        let gone = gone.expect(404);
        assert_eq!((&gone["detail"], &gone["conversation_id"]), (&json!("Conversation not found"), &entry["id"]));
    }
    app.stop().await;
}

async fn entries_are_listed_oldest_first_in_pages(app: TestApp) {
    let (task, other) = (app.create(echo()).await, app.create(echo()).await);
    let mut entries = Vec::new();
    for n in 0..4 {
        entries.push(add(&app, &task, &format!("entry {n}")).await);
    }
    add(&app, &other, "elsewhere").await;
    assert_eq!(list(&app, &task, &[]).await, json!(entries));
    let after = entries[0]["id"].to_string();
    assert_eq!(list(&app, &task, &[("after", &after), ("limit", "2")]).await, json!(entries[1..3]));
    // They go with their task.
    app.call("DELETE /api/v1/tasks/{task_id}", &[&task]).user("ann").send().await.expect(200);
    let lists = app.call("GET /api/v1/tasks/{task_id}/conversations", &[&task]).user("ann").send().await;
    assert_eq!(lists.expect(404)["detail"], "Task not found");
    app.call("GET /api/v1/conversations/{conversation_id}", &[&after]).user("ann").send().await.expect(404);
    app.stop().await;
}

async fn entries_are_the_owners_of_the_task(app: TestApp) {
    let task = app.create(echo()).await;
    let id = add(&app, &task, "ann's").await["id"].to_string();
    for (route, value, action) in [
        ("POST /api/v1/tasks/{task_id}/conversations", &task, "update"),
        ("GET /api/v1/tasks/{task_id}/conversations", &task, "read"),
        ("GET /api/v1/conversations/{conversation_id}", &id, "read"),
        ("PUT /api/v1/conversations/{conversation_id}", &id, "update"),
        ("DELETE /api/v1/conversations/{conversation_id}", &id, "delete"),
    ] {
        let call = || app.call(route, &[value]).json(json!({"content": "bob's"}));
        assert_eq!(call().user("bob").send().await.expect(403)["action"], json!(action), "{route}");
        call().user("ann").header("X-Tenant-ID", "other").send().await.expect(404);
        call().send().await.expect(401);
    }
    let by_key = app.call("PUT /api/v1/conversations/{conversation_id}", &[&id]).key();
    assert_eq!(by_key.json(json!({"status": "processed"})).send().await.expect(200)["content"], "ann's");
    assert_eq!(list(&app, &task, &[]).await.as_array().unwrap().len(), 1);
    app.stop().await;
}

async fn bad_entries_change_nothing(app: TestApp) {
    let task = app.create(echo()).await;
    let entry = add(&app, &task, "stays").await;
    let id = entry["id"].to_string();
    for body in [
        json!({"content": ""}),
        json!({"content": 7}),
        json!({"content": null}),
        json!({"content": "x", "status": ""}),
        json!({"content": "x", "status": "x".repeat(65)}),
        json!({"content": "x", "task_id": "other"}),
        json!([]),
    ] {
        let post = app.call("POST /api/v1/tasks/{task_id}/conversations", &[&task]).user("ann");
        post.json(body.clone()).send().await.expect(422);
        let put = app.call("PUT /api/v1/conversations/{conversation_id}", &[&id]).user("ann");
        put.json(body).send().await.expect(422);
    }
    for wrong in ["x", "-1", "1.5", "99999999999999999999"] {
        app.call("GET /api/v1/conversations/{conversation_id}", &[wrong]).user("ann").send().await.expect(422);
    }
    app.call("GET /api/v1/conversations/{conversation_id}", &["999999"]).user("ann").send().await.expect(404);
    let lists = app.call("GET /api/v1/tasks/{task_id}/conversations", &[&task]).user("ann");
    lists.query(&[("limit", "101")]).send().await.expect(422);
    assert_eq!(list(&app, &task, &[]).await, json!([entry]));
    app.stop().await;
}
