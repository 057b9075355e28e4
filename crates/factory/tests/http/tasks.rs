//! Create, read, list, edit, cancel, delete.

use serde_json::{Value, json};

use crate::support::{TestApp, echo, on_both_engines};

on_both_engines!(
    a_created_task_is_what_was_written,
    an_edit_changes_only_the_keys_given,
    status_moves_only_as_the_table_says,
    a_list_pages_by_cursor_and_filters,
    a_cancelled_task_stays_cancelled,
    a_deleted_task_is_gone_and_its_id_stays_taken,
    exactly_the_limit_is_accepted_under_parallel_creates,
);

async fn a_created_task_is_what_was_written(app: TestApp) {
    let body = json!({
        "name": "Report", "task_type": "echo", "description": "weekly", "priority": "high", "config": {"value": [1, 2.5, null, "ü"]},
        "tags": ["a", "b"], "labels": {"team": "x"}, "metadata": {"k": {"deep": true}}, "due_date": "2031-02-03T04:05:06Z",
        "timeout_seconds": 60, "retry": {"max_attempts": 3}, "credits_per_run": 0.5, "task_id": "report-1"
    });
    let created = app.call("POST /api/v1/tasks", &[]).user("ann").json(body.clone()).send().await;
    assert_eq!(created.headers["location"], "/api/v1/tasks/report-1");
    let created = created.expect(201);
    for key in [
        "name",
        "task_type",
        "description",
        "priority",
        "config",
        "tags",
        "labels",
        "metadata",
        "due_date",
        "timeout_seconds",
        "credits_per_run",
        "task_id",
    ] {
        assert_eq!(created[key], body[key], "{key}");
    }
    assert_eq!(
        (&created["status"], &created["user_id"], &created["origin"], &created["handler"]),
        (&json!("pending"), &json!("ann"), &json!("task_service"), &json!("builtin"))
    );
    assert_eq!(
        created["retry"],
        json!({"max_attempts": 3, "backoff": "exponential", "base_seconds": 1.0, "max_seconds": 300.0})
    );
    assert_eq!(app.get("report-1").await, created);
    let again = app.call("POST /api/v1/tasks", &[]).user("ann").json(body).send().await.expect(409);
    assert_eq!((&again["code"], &again["task_id"]), (&json!("duplicate_task"), &json!("report-1")));
    app.stop().await;
}

async fn an_edit_changes_only_the_keys_given(app: TestApp) {
    let id = app.create(json!({"name": "One", "task_type": "echo", "description": "d", "tags": ["t"]})).await;
    let before = app.get(&id).await;
    let put = app
        .call("PUT /api/v1/tasks/{task_id}", &[&id])
        .user("ann")
        .json(json!({"name": "Two", "priority": 1}))
        .send()
        .await
        .expect(200);
    assert_eq!(
        (&put["name"], &put["priority"], &put["description"], &put["tags"]),
        (&json!("Two"), &json!("urgent"), &json!("d"), &json!(["t"]))
    );
    assert_eq!(put["version"].as_i64(), before["version"].as_i64().map(|v| v + 1));
    let patched = app
        .call("PATCH /api/v1/tasks/{task_id}", &[&id])
        .user("ann")
        .json(json!({"description": null}))
        .send()
        .await
        .expect(200);
    assert_eq!((&patched["description"], &patched["name"]), (&Value::Null, &json!("Two")));
    let same = app
        .call("PATCH /api/v1/tasks/{task_id}", &[&id])
        .user("ann")
        .json(json!({"name": "Two"}))
        .send()
        .await
        .expect(200);
    assert_eq!(same, patched, "the same values again change nothing");
    app.stop().await;
}

async fn status_moves_only_as_the_table_says(app: TestApp) {
    let id = app.create(echo()).await;
    let put = |status: &str| {
        app.call("PUT /api/v1/tasks/{task_id}", &[&id]).user("ann").json(json!({"status": status})).send()
    };
    assert_eq!(put("completed").await.expect(200)["is_completed"], json!(true));
    assert_eq!(put("completed").await.expect(200)["status"], json!("completed"));
    let refused = put("running").await.expect(409);
    assert_eq!(
        (&refused["code"], &refused["from"], &refused["to"]),
        (&json!("invalid_transition"), &json!("completed"), &json!("running"))
    );
    assert_eq!(put("pending").await.expect(200)["status"], json!("pending"));
    put("scheduled").await.expect(422);
    assert_eq!(app.get(&id).await["status"], json!("pending"));
    app.stop().await;
}

async fn a_list_pages_by_cursor_and_filters(app: TestApp) {
    let mut ids = Vec::new();
    for n in 0..7 {
        ids.push(
            app.create(json!({"name": format!("n{n}"), "task_type": if n % 2 == 0 { "echo" } else { "todo" }})).await,
        );
    }
    ids.reverse();
    let (mut seen, mut cursor) = (Vec::new(), None::<String>);
    loop {
        let mut query = vec![("limit", "3")];
        query.extend(cursor.as_deref().map(|c| ("cursor", c)));
        let page = app.call("GET /api/v1/tasks", &[]).user("ann").query(&query).send().await.expect(200);
        for task in page["tasks"].as_array().unwrap() {
            assert!(task.get("last_result").is_none());
            seen.push(task["task_id"].as_str().unwrap().to_owned());
        }
        // A newcomer does not disturb the pages that follow.
        app.create(echo()).await;
        match page["next_cursor"].as_str() {
            Some(next) => cursor = Some(next.to_owned()),
            None => break,
        }
    }
    assert_eq!(seen, ids);
    let todos = app
        .call("GET /api/v1/tasks", &[])
        .user("ann")
        .query(&[("task_type", "todo"), ("status", "pending")])
        .send()
        .await
        .expect(200);
    assert_eq!((&todos["count"], &todos["filters"]["task_type"]), (&json!(3), &json!("todo")));
    let second = app
        .call("GET /api/v1/tasks", &[])
        .user("ann")
        .query(&[("task_type", "todo"), ("offset", "2"), ("limit", "2")])
        .send()
        .await
        .expect(200);
    assert_eq!(second["count"], json!(1));
    let others = app.call("GET /api/v1/tasks", &[]).user("bob").send().await.expect(200);
    assert_eq!(others["tasks"], json!([]));
    app.stop().await;
}

async fn a_cancelled_task_stays_cancelled(app: TestApp) {
    let id = app.create(json!({"name": "slow", "task_type": "echo", "config": {"steps": 1000, "step_ms": 100}, "run_immediately": true})).await;
    task_testkit::wait::until("the task runs", std::time::Duration::from_secs(20), || async {
        app.get(&id).await["status"] == "running"
    })
    .await;
    let cancelled = app
        .call("POST /api/v1/tasks/{task_id}/cancel", &[&id])
        .user("ann")
        .json(json!({"reason": "enough"}))
        .send()
        .await
        .expect(200);
    assert_eq!(cancelled["status"], json!("cancelled"));
    let executions = app.call("GET /api/v1/tasks/{task_id}/executions", &[&id]).user("ann").send().await.expect(200);
    assert_eq!((&executions[0]["status"], &executions[0]["error_message"]), (&json!("cancelled"), &json!("enough")));
    let again = app.call("POST /api/v1/tasks/{task_id}/cancel", &[&id]).user("ann").send().await.expect(409);
    assert_eq!(again["from"], json!("cancelled"));
    app.stop().await;
}

async fn a_deleted_task_is_gone_and_its_id_stays_taken(app: TestApp) {
    app.create(json!({"name": "x", "task_type": "echo", "task_id": "gone"})).await;
    let deleted = app.call("DELETE /api/v1/tasks/{task_id}", &["gone"]).user("ann").send().await.expect(200);
    assert_eq!(deleted, json!({"message": "Task deleted successfully", "task_id": "gone"}));
    for route in [
        "GET /api/v1/tasks/{task_id}",
        "DELETE /api/v1/tasks/{task_id}",
        "POST /api/v1/tasks/{task_id}/cancel",
        "GET /api/v1/tasks/{task_id}/executions",
    ] {
        let missing = app.call(route, &["gone"]).user("ann").send().await.expect(404);
        assert_eq!((&missing["detail"], &missing["task_id"]), (&json!("Task not found"), &json!("gone")), "{route}");
    }
    assert_eq!(app.call("GET /api/v1/tasks", &[]).user("ann").send().await.expect(200)["count"], json!(0));
    app.call("POST /api/v1/tasks", &[])
        .user("ann")
        .json(json!({"name": "x", "task_type": "echo", "task_id": "gone"}))
        .send()
        .await
        .expect(409);
    app.stop().await;
}

async fn exactly_the_limit_is_accepted_under_parallel_creates(app: TestApp) {
    let creates = (0..40).map(|_| {
        app.call("POST /api/v1/tasks", &[]).user("ann").header("X-Subscription-Level", "free").json(echo()).send()
    });
    let answers = futures::future::join_all(creates).await;
    let accepted = answers.iter().filter(|a| a.status.as_u16() == 201).count();
    assert_eq!(accepted, 5);
    for refused in answers.into_iter().filter(|a| a.status.as_u16() != 201) {
        assert!(refused.headers.contains_key("retry-after"));
        let body = refused.expect(429);
        assert_eq!(
            (&body["detail"], &body["limit_type"], &body["limit"], &body["used"]),
            (&json!("Task limit exceeded"), &json!("active_tasks"), &json!(5), &json!(5))
        );
    }
    app.stop().await;
}
