//! Bad input: a clear 4xx that names the field and changes nothing.

use serde_json::{Value, json};

use crate::support::{TestApp, echo, on_both_engines};

on_both_engines!(
    every_problem_is_named_at_once,
    malformed_bodies_change_nothing,
    bad_queries_and_paths_are_refused,
    unknown_routes_and_methods_are_told_apart,
    null_means_absent_where_something_is_made,
);

async fn every_problem_is_named_at_once(app: TestApp) {
    let body = json!({
        "name": "", "task_type": "nonsense", "priority": "someday", "tags": [1], "due_date": "tomorrow",
        "schedule": {"type": "daily", "run_time": "25:00"}, "retry": {"max_attempts": 0}, "colour": "red", "credits_per_run": -1
    });
    let answer = app.call("POST /api/v1/tasks", &[]).user("ann").json(body).send().await.expect(422);
    assert_eq!(answer["code"], json!("validation_error"));
    let problems = answer["detail"].as_array().unwrap();
    let named =
        |loc: &[&str]| problems.iter().any(|p| p["loc"] == json!(loc) && p["msg"].is_string() && p["type"].is_string());
    for loc in [
        &["body", "name"][..],
        &["body", "task_type"],
        &["body", "priority"],
        &["body", "tags"],
        &["body", "due_date"],
        &["body", "schedule", "run_time"],
        &["body", "retry", "max_attempts"],
        &["body", "colour"],
        &["body", "credits_per_run"],
    ] {
        assert!(named(loc), "{loc:?} in {answer:#}");
    }
    let missing = app.call("POST /api/v1/tasks", &[]).user("ann").json(json!({})).send().await.expect(422);
    assert_eq!(missing["detail"].as_array().unwrap().len(), 2, "{missing:#}");
    let config = app
        .call("POST /api/v1/tasks", &[])
        .user("ann")
        .json(json!({"name": "h", "task_type": "http"}))
        .send()
        .await
        .expect(422);
    assert_eq!(config["detail"][0]["loc"], json!(["body", "config", "url"]));
    assert_eq!(app.call("GET /api/v1/tasks", &[]).user("ann").send().await.expect(200)["count"], json!(0));
    app.stop().await;
}

async fn malformed_bodies_change_nothing(app: TestApp) {
    let id = app.create(echo()).await;
    let before = app.get(&id).await;
    let deep = format!(r#"{{"config":{}1{}}}"#, r#"{"a":"#.repeat(40), "}".repeat(40));
    let huge = format!(r#"{{"description":"{}"}}"#, "x".repeat(300_000));
    let bodies: Vec<(&str, String, u16)> = vec![
        ("application/json", "{".into(), 422),
        ("application/json", "[]".into(), 422),
        ("application/json", "\"text\"".into(), 422),
        ("application/json", "null".into(), 422),
        ("application/json", r#"{"name":"\u0000"}"#.into(), 422),
        ("application/json", r#"{"name":"\ud800"}"#.into(), 422),
        ("application/json", r#"{"metadata":{"n":123456789012345678901234567890}}"#.into(), 422),
        ("application/json", r#"{"metadata":{"n":1e999}}"#.into(), 422),
        ("application/json", r#"{"name":5}"#.into(), 422),
        ("application/json", r#"{"name":null}"#.into(), 422),
        ("application/json", r#"{"task_type":"todo"}"#.into(), 422),
        ("application/json", r#"{"due_date":"99999-01-01T00:00:00Z"}"#.into(), 422),
        ("application/json", r#"{"timeout_seconds":0}"#.into(), 422),
        ("application/json", r#"{"timeout_seconds":1.5}"#.into(), 422),
        ("application/json", r#"{"labels":{"a":1}}"#.into(), 422),
        ("application/json", r#"{"schedule":{"type":"cron","cron_expression":"nope"}}"#.into(), 422),
        ("application/json", r#"{"status":"sideways"}"#.into(), 422),
        ("application/json", deep, 422),
        ("application/json", huge, 413),
        ("text/plain", "name=x".into(), 415),
        ("application/x-www-form-urlencoded", "name=x".into(), 415),
    ];
    for (content_type, body, status) in bodies {
        let shown: String = body.chars().take(80).collect();
        let answer = app.call("PATCH /api/v1/tasks/{task_id}", &[&id]).user("ann").raw(content_type, body).send().await;
        assert_eq!(answer.status.as_u16(), status, "{shown}: {:#}", answer.body);
        assert!(answer.body["code"].is_string() && answer.body["request_id"].is_string(), "{shown}: {:#}", answer.body);
    }
    let not_utf8 = app
        .call("PATCH /api/v1/tasks/{task_id}", &[&id])
        .user("ann")
        .raw("application/json", vec![b'"', 0xff, b'"'])
        .send()
        .await;
    assert_eq!(not_utf8.status.as_u16(), 422);
    assert_eq!(app.get(&id).await, before);
    app.stop().await;
}

async fn bad_queries_and_paths_are_refused(app: TestApp) {
    for (name, value) in [
        ("limit", "0"),
        ("limit", "101"),
        ("limit", "ten"),
        ("offset", "-1"),
        ("cursor", "x"),
        ("cursor", "-5"),
        ("cursor", "99999999999999999999"),
        ("status", "sideways"),
        ("priority", "11"),
        ("sort_of", "1"),
        ("origin", "elsewhere"),
        ("user_id", "%00"),
        ("task_type", "%00"),
    ] {
        let answer = app.call("GET /api/v1/tasks", &[]).key().query(&[(name, value)]).send().await.expect(422);
        assert_eq!(answer["detail"][0]["loc"], json!(["query", name]), "{name}={value}");
    }
    let twice = app.call("GET /api/v1/tasks", &[]).user("ann").query(&[("limit", "1"), ("limit", "2")]).send().await;
    assert_eq!(twice.status.as_u16(), 422);
    for id in ["%00", "a%20b", "%ff", "..%2f", "x".repeat(200).as_str()] {
        let answer = app.call("GET /api/v1/tasks/{task_id}", &[id]).user("ann").send().await;
        assert!(answer.status.is_client_error(), "{id}: {:?}", answer.status);
    }
    app.call("GET /api/v1/executions/{execution_id}", &["nonsense"]).user("ann").send().await.expect(422);
    app.call("GET /api/v1/executions/{execution_id}", &["0199f3c0-7b1e-7c44-9d1e-6d0f6c1f2a30"])
        .user("ann")
        .send()
        .await
        .expect(404);
    app.stop().await;
}

async fn unknown_routes_and_methods_are_told_apart(app: TestApp) {
    let unknown = app.call("GET /api/v2/nothing", &[]).send().await.expect(404);
    assert_eq!((&unknown["detail"], &unknown["code"]), (&json!("Not Found"), &json!("not_found")));
    let wrong = app.call("DELETE /api/v1/tasks", &[]).user("ann").send().await;
    assert_eq!(wrong.headers["allow"], "GET, HEAD, POST");
    assert_eq!(wrong.expect(405)["detail"], json!("Method Not Allowed"));
    let echoed = app.call("GET /api/v2/nothing", &[]).header("X-Request-ID", "my-id-1").send().await;
    assert_eq!(echoed.headers["x-request-id"], "my-id-1");
    assert_eq!(echoed.body["request_id"], Value::from("my-id-1"));
    app.stop().await;
}

/// As the document says; in an edit it clears what can be empty, and nothing else.
async fn null_means_absent_where_something_is_made(app: TestApp) {
    let task = json!({
        "name": "n", "task_type": "echo", "description": null, "priority": null, "config": null, "schedule": null,
        "credits_per_run": null, "tags": null, "labels": null, "metadata": null, "due_date": null, "reminder_time": null,
        "timeout_seconds": null, "retry": null, "run_immediately": null, "depends_on": null, "on_dependency_failure": null,
        "concurrency_key": null, "max_concurrent": null, "task_id": null, "user_id": null, "handler": null
    });
    let made = app.call("POST /api/v1/tasks", &[]).user("ann").json(task).send().await.expect(201);
    assert_eq!((&made["priority"], &made["tags"], &made["labels"]), (&json!("medium"), &json!([]), &json!({})));
    let unknown = json!({"name": "n", "task_type": "echo", "colour": null});
    app.call("POST /api/v1/tasks", &[]).user("ann").json(unknown).send().await.expect(422);
    let fact = json!({"text": "t", "tags": null, "meta_data": null});
    let fact = app.call("POST /api/v1/facts", &[]).user("ann").json(fact).send().await.expect(201);
    let (task_id, fact_id) = (made["task_id"].as_str().unwrap(), fact["id"].as_str().unwrap());
    let document = serde_json::to_value(task_server::document()).unwrap();
    for (route, id, schema, keys) in [
        (
            "PATCH /api/v1/tasks/{task_id}",
            task_id,
            "UpdateTask",
            &["name", "priority", "config", "credits_per_run", "tags", "labels", "retry"][..],
        ),
        ("PATCH /api/v1/facts/{fact_id}", fact_id, "UpdateFact", &["text", "tags", "meta_data"]),
    ] {
        for key in keys {
            let refused = app.call(route, &[id]).user("ann").json(json!({*key: null})).send().await.expect(422);
            assert_eq!(refused["detail"][0]["loc"], json!(["body", key]));
            let described = &document["components"]["schemas"][schema];
            assert!(!described["properties"][key].to_string().contains("null"), "{schema}.{key}: {described:#}");
            assert!(!described["required"].to_string().contains(&format!("\"{key}\"")), "{schema}.{key}");
        }
    }
    app.stop().await;
}
