//! Creates that are repeated under one key, and many creates at once.

use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::{Answer, Call, TestApp, echo, on_both_engines};

on_both_engines!(
    a_repeat_under_one_key_is_the_same_task,
    parallel_repeats_make_one_task,
    another_body_under_the_same_key_is_refused,
    a_key_is_its_callers_own,
    what_was_refused_leaves_the_key_free,
    a_batch_answers_each_in_order,
    a_batch_of_500_makes_500_tasks,
    a_batch_stays_within_the_limit,
    bad_batches_make_nothing,
);

fn keyed(app: &TestApp, key: &str, body: Value) -> Call {
    app.call("POST /api/v1/tasks", &[]).user("ann").header("Idempotency-Key", key).json(body)
}

fn replayed(answer: &Answer) -> bool {
    answer.headers.get("idempotency-replayed").is_some_and(|value| value == "true")
}

async fn count(app: &TestApp) -> Value {
    let page = app.call("GET /api/v1/tasks", &[]).key().query(&[("include_total", "true")]).send().await.expect(200);
    page["total"].clone()
}

async fn a_repeat_under_one_key_is_the_same_task(app: TestApp) {
    let first = keyed(&app, "k 1", json!({"name": "n", "task_type": "echo", "config": {"a": 1, "b": 2}})).send().await;
    assert!(!replayed(&first));
    let (location, task) = (first.headers["location"].clone(), first.expect(201));
    // The same, said in another order.
    let call = app.call("POST /api/v1/tasks", &[]).user("ann").header("Idempotency-Key", "k 1");
    let text = r#"{"config": {"b": 2, "a": 1}, "task_type": "echo", "name": "n"}"#;
    let repeat = call.raw("application/json", text).send().await;
    assert!(replayed(&repeat));
    assert_eq!(repeat.headers["location"], location);
    assert_eq!(repeat.expect(201), task);
    assert_eq!(count(&app).await, 1);
    // A repeat shows the task as it stands.
    let id = task["task_id"].as_str().unwrap();
    app.call("POST /api/v1/tasks/{task_id}/cancel", &[id]).user("ann").send().await.expect(200);
    let body = json!({"name": "n", "task_type": "echo", "config": {"a": 1, "b": 2}});
    assert_eq!(keyed(&app, "k 1", body.clone()).send().await.expect(201)["status"], "cancelled");
    app.call("DELETE /api/v1/tasks/{task_id}", &[id]).user("ann").send().await.expect(200);
    assert_eq!(keyed(&app, "k 1", body).send().await.expect(404)["task_id"], json!(id));
    app.stop().await;
}

async fn parallel_repeats_make_one_task(app: TestApp) {
    let answers = join_all((0..30).map(|_| keyed(&app, "once", echo()).send())).await;
    assert_eq!(answers.iter().filter(|answer| !replayed(answer)).count(), 1);
    let mut ids: Vec<_> = answers.into_iter().map(|answer| answer.expect(201)["task_id"].to_string()).collect();
    ids.dedup();
    assert_eq!((ids.len(), count(&app).await), (1, json!(1)));
    app.stop().await;
}

async fn another_body_under_the_same_key_is_refused(app: TestApp) {
    keyed(&app, "k", echo()).send().await.expect(201);
    let refused = keyed(&app, "k", json!({"name": "Other", "task_type": "echo"})).send().await.expect(422);
    assert_eq!(refused["code"], "idempotency_key_reused");
    assert_eq!(refused["detail"][0]["loc"], json!(["header", "Idempotency-Key"]));
    for wrong in ["", &"x".repeat(256), "a\tb", "é"] {
        let refused = keyed(&app, wrong, echo()).send().await.expect(422);
        assert_eq!(refused["detail"][0]["loc"], json!(["header", "Idempotency-Key"]), "{wrong:?}");
    }
    keyed(&app, "x", echo()).header("Idempotency-Key", "y").send().await.expect(422);
    keyed(&app, &"x".repeat(255), echo()).send().await.expect(201);
    assert_eq!(count(&app).await, 2);
    app.stop().await;
}

async fn a_key_is_its_callers_own(app: TestApp) {
    let create = || app.call("POST /api/v1/tasks", &[]).header("Idempotency-Key", "k").json(echo());
    let calls = [
        create().user("ann"),
        create().user("bob"),
        create().user("ann").header("X-Tenant-ID", "other"),
        create().key(),
        create().key().user("ann"),
        create().key().user("bob"),
    ];
    for call in calls {
        let answer = call.send().await;
        assert!(!replayed(&answer));
        answer.expect(201);
    }
    assert!(replayed(&create().key().user("bob").send().await));
    app.stop().await;
}

async fn what_was_refused_leaves_the_key_free(app: TestApp) {
    keyed(&app, "k", json!({"name": "", "task_type": "echo"})).send().await.expect(422);
    app.create(json!({"name": "n", "task_type": "echo", "task_id": "taken"})).await;
    keyed(&app, "k", json!({"name": "n", "task_type": "echo", "task_id": "taken"})).send().await.expect(409);
    let answer = keyed(&app, "k", echo()).send().await;
    assert!(!replayed(&answer));
    answer.expect(201);
    app.stop().await;
}

async fn batch(app: &TestApp, tasks: Value) -> Answer {
    app.call("POST /api/v1/tasks/batch", &[]).user("ann").json(json!({"tasks": tasks})).send().await
}

async fn a_batch_answers_each_in_order(app: TestApp) {
    app.create(json!({"name": "n", "task_type": "echo", "task_id": "taken"})).await;
    let answer = batch(
        &app,
        json!([
            {"name": "first", "task_type": "echo", "run_immediately": true},
            {"name": "", "task_type": "echo", "colour": "red"},
            "not an object",
            {"name": "taken", "task_type": "echo", "task_id": "taken"},
            {"name": "not ann's", "task_type": "echo", "user_id": "bob"},
            {"name": "last", "task_type": "todo", "tags": ["x"]},
        ]),
    )
    .await
    .expect(200);
    let results = answer["results"].as_array().unwrap();
    let outcome = |n: usize| {
        let item = results[n].as_object().unwrap();
        assert_eq!(item.len(), 1, "{item:?}");
        match item.get("task") {
            Some(task) => task["name"].as_str().unwrap().to_owned(),
            None => format!("error {}", item["error"]["code"].as_str().unwrap()),
        }
    };
    let outcomes: Vec<_> = (0..results.len()).map(outcome).collect();
    assert_eq!(
        outcomes,
        [
            "first",
            "error validation_error",
            "error validation_error",
            "error duplicate_task",
            "error permission_denied",
            "last"
        ]
    );
    let problems = &results[1]["error"]["detail"];
    assert_eq!((&problems[0]["loc"], &problems[1]["loc"]), (&json!(["body", "name"]), &json!(["body", "colour"])));
    assert!(results[1]["error"]["request_id"].is_string());
    let last = &results[5]["task"];
    assert_eq!(app.get(last["task_id"].as_str().unwrap()).await, *last);
    assert_eq!(count(&app).await, 3);
    app.stop().await;
}

async fn a_batch_of_500_makes_500_tasks(app: TestApp) {
    let tasks: Vec<_> = (0..500).map(|n| json!({"name": format!("task {n}"), "task_type": "echo"})).collect();
    let answer = batch(&app, json!(tasks)).await.expect(200);
    let results = answer["results"].as_array().unwrap();
    for (n, result) in results.iter().enumerate() {
        assert_eq!(result["task"]["name"], json!(format!("task {n}")));
    }
    assert_eq!((results.len(), count(&app).await), (500, json!(500)));
    app.stop().await;
}

async fn a_batch_stays_within_the_limit(app: TestApp) {
    let tasks: Vec<_> = (0..20).map(|_| echo()).collect();
    let call = app.call("POST /api/v1/tasks/batch", &[]).user("ann").header("X-Subscription-Level", "free");
    let answer = call.json(json!({"tasks": tasks})).send().await.expect(200);
    let results = answer["results"].as_array().unwrap();
    let (made, refused): (Vec<_>, Vec<_>) = results.iter().partition(|result| result.get("task").is_some());
    assert_eq!((made.len(), refused.len()), (5, 15));
    for result in refused {
        let error = &result["error"];
        assert_eq!((&error["limit_type"], &error["code"]), (&json!("active_tasks"), &json!("limit_exceeded")));
    }
    app.stop().await;
}

async fn bad_batches_make_nothing(app: TestApp) {
    for body in [
        json!({}),
        json!({"tasks": []}),
        json!({"tasks": {}}),
        json!({"tasks": null}),
        json!({"tasks": [echo()], "colour": "red"}),
        json!({"tasks": vec![echo(); 501]}),
        json!([echo()]),
    ] {
        app.call("POST /api/v1/tasks/batch", &[]).user("ann").json(body).send().await.expect(422);
    }
    app.call("POST /api/v1/tasks/batch", &[]).json(json!({"tasks": [echo()]})).send().await.expect(401);
    assert_eq!(count(&app).await, 0);
    app.stop().await;
}
