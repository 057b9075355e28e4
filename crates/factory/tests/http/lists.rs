//! Every filter, order and page of the task list.

use serde_json::{Value, json};

use crate::support::{TestApp, on_both_engines};

on_both_engines!(
    each_filter_narrows_the_list_and_is_echoed,
    keys_filter_by_user_and_origin,
    every_order_pages_by_cursor_and_by_offset,
    a_filter_that_cannot_be_is_refused,
);

async fn list(app: &TestApp, query: &[(&str, &str)]) -> Value {
    app.call("GET /api/v1/tasks", &[]).user("ann").query(query).send().await.expect(200)
}

fn names(page: &Value) -> Vec<&str> {
    page["tasks"].as_array().unwrap().iter().map(|task| task["name"].as_str().unwrap()).collect()
}

async fn each_filter_narrows_the_list_and_is_echoed(app: TestApp) {
    let plain = |name: &str| json!({"name": name, "task_type": "echo"});
    app.create(plain("first")).await;
    let between = app.get(&app.create(plain("second")).await).await["created_at"].as_str().unwrap().to_owned();
    app.create(json!({"name": "typed", "task_type": "todo"})).await;
    app.create(json!({"name": "scheduled", "task_type": "echo", "schedule": {"type": "daily"}})).await;
    app.create(json!({"name": "urgent", "task_type": "echo", "priority": 1})).await;
    app.create(json!({"name": "tagged", "task_type": "echo", "tags": ["a", "b"]})).await;
    app.create(json!({"name": "labelled", "task_type": "echo", "labels": {"team": "x:y"}})).await;
    app.create(json!({"name": "told", "task_type": "echo", "description": "of a Wonder"})).await;
    app.create(json!({"name": "due", "task_type": "echo", "due_date": "2030-01-10T00:00:00Z"})).await;
    app.create(json!({"name": "due later", "task_type": "echo", "due_date": "2030-01-20T00:00:00Z"})).await;
    for (query, found, echo) in [
        (vec![("status", "scheduled")], vec!["scheduled"], json!({"status": "scheduled"})),
        (vec![("task_type", "todo")], vec!["typed"], json!({"task_type": "todo"})),
        (vec![("priority", "urgent")], vec!["urgent"], json!({"priority": "urgent"})),
        (vec![("priority", "1")], vec!["urgent"], json!({"priority": "urgent"})),
        (vec![("tag", "b")], vec!["tagged"], json!({"tag": ["b"]})),
        (vec![("tag", "a"), ("tag", "c")], vec![], json!({"tag": ["a", "c"]})),
        (vec![("label", "team:x:y")], vec!["labelled"], json!({"label": ["team:x:y"]})),
        (vec![("q", "wonder")], vec!["told"], json!({"q": "wonder"})),
        (vec![("due_before", "2030-01-15T00:00:00Z")], vec!["due"], json!({"due_before": "2030-01-15T00:00:00Z"})),
        (vec![("due_after", "2030-01-20T00:00:00Z")], vec!["due later"], json!({"due_after": "2030-01-20T00:00:00Z"})),
        (
            vec![("status", "pending"), ("q", "DUE"), ("sort", "due_date")],
            vec!["due", "due later"],
            json!({"sort": "due_date"}),
        ),
    ] {
        let page = list(&app, &query).await;
        assert_eq!(names(&page), found, "{query:?}");
        for (key, value) in echo.as_object().unwrap() {
            assert_eq!(page["filters"][key], *value);
        }
    }
    let since = list(&app, &[("created_after", &between)]).await;
    assert_eq!((names(&since).len(), names(&since)[8]), (9, "second"), "that moment included");
    app.stop().await;
}

async fn keys_filter_by_user_and_origin(app: TestApp) {
    let create = |call: crate::support::Call, name: &str| call.json(json!({"name": name, "task_type": "echo"})).send();
    create(app.call("POST /api/v1/tasks", &[]).user("ann"), "ann's").await.expect(201);
    create(app.call("POST /api/v1/tasks", &[]).user("bob"), "bob's").await.expect(201);
    create(app.call("POST /api/v1/tasks", &[]).key(), "nobody's").await.expect(201);
    let by_key = |query: &'static [(&str, &str)]| app.call("GET /api/v1/tasks", &[]).key().query(query).send();
    assert_eq!(names(&by_key(&[]).await.expect(200)), ["nobody's", "bob's", "ann's"]);
    assert_eq!(names(&by_key(&[("user_id", "bob")]).await.expect(200)), ["bob's"]);
    assert_eq!(by_key(&[("origin", "task_service")]).await.expect(200)["count"], 3);
    assert_eq!(by_key(&[("origin", "seedcore")]).await.expect(200)["count"], 0);
    by_key(&[("origin", "elsewhere")]).await.expect(422);
    app.stop().await;
}

async fn every_order_pages_by_cursor_and_by_offset(app: TestApp) {
    for (n, priority) in ["low", "urgent", "medium", "urgent", "high"].into_iter().enumerate() {
        let due = format!("2030-01-0{}T00:00:00Z", 1 + (n * 3) % 5);
        app.create(json!({"name": n.to_string(), "task_type": "echo", "priority": priority, "due_date": due})).await;
    }
    for (sort, order) in [
        ("-created_at", ["4", "3", "2", "1", "0"]),
        ("created_at", ["0", "1", "2", "3", "4"]),
        ("due_date", ["0", "2", "4", "1", "3"]),
        ("priority", ["3", "1", "4", "2", "0"]),
    ] {
        let whole = list(&app, &[("sort", sort), ("include_total", "true")]).await;
        let by_age = |mut names: Vec<&str>| -> Vec<String> {
            // Equal priorities: either age first is an order, as long as every page keeps to it.
            if sort == "priority" {
                names[..2].sort_unstable();
                names[..2].reverse();
            }
            names.into_iter().map(str::to_owned).collect()
        };
        assert_eq!(by_age(names(&whole)), order, "{sort}");
        assert_eq!((&whole["total"], &whole["count"], &whole["next_cursor"]), (&json!(5), &json!(5), &Value::Null));
        let (mut by_cursor, mut by_offset, mut cursor) = (Vec::new(), Vec::new(), String::new());
        for offset in ["0", "2", "4"] {
            let page =
                list(&app, &[("sort", sort), ("limit", "2"), ("cursor", &cursor), ("include_total", "true")]).await;
            by_cursor.extend(names(&page).into_iter().map(str::to_owned));
            assert_eq!((&page["total"], &page["limit"]), (&json!(5), &json!(2)));
            cursor = page["next_cursor"].as_str().unwrap_or_default().to_owned();
            let page = list(&app, &[("sort", sort), ("limit", "2"), ("offset", offset)]).await;
            by_offset.extend(names(&page).into_iter().map(str::to_owned));
            assert_eq!((page["offset"].to_string().as_str(), page.get("total")), (offset, None));
        }
        assert_eq!(cursor, "", "the last page has no cursor");
        assert_eq!((&by_cursor, &by_offset), (&names(&whole).into_iter().map(str::to_owned).collect(), &by_cursor));
    }
    app.stop().await;
}

async fn a_filter_that_cannot_be_is_refused(app: TestApp) {
    let refused = async |name: &str, value: &str| {
        let call = app.call("GET /api/v1/tasks", &[]).user("ann").query(&[(name, value)]);
        let body = call.send().await.expect(422);
        assert_eq!(body["detail"][0]["loc"], json!(["query", name]));
        body["detail"][0]["msg"].as_str().unwrap().to_owned()
    };
    let allowed = refused("status", "done").await;
    assert!(allowed.contains("pending, scheduled, blocked, queued, running"), "{allowed}");
    assert!(refused("priority", "0").await.contains("urgent, high, medium, low"));
    for (name, value) in [
        ("limit", "101"),
        ("limit", "0"),
        ("offset", "-1"),
        ("cursor", "nonsense"),
        ("sort", "name"),
        ("label", "team"),
        ("due_before", "tomorrow"),
        ("created_after", "2030-13-01T00:00:00Z"),
        ("user_id", "%0A"),
        ("colour", "red"),
    ] {
        refused(name, value).await;
    }
    refused("q", &"x".repeat(201)).await;
    app.stop().await;
}
