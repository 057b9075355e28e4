//! Inputs that once did harm: numbers, depths and instants at the edge of what is kept.

use serde_json::json;

use crate::support::{TestApp, echo, on_both_engines};

on_both_engines!(
    numbers_come_back_as_they_were_sent,
    a_leap_second_at_the_end_of_time_is_refused,
    a_nul_is_refused_where_it_stands,
    an_unknown_method_is_one_label,
    headers_beyond_8_kib_are_refused,
    development_mode_answers_to_this_machine_only,
    head_is_answered_as_get_without_a_body,
);

/// jsonb prints the largest double as an integer of 309 digits.
async fn numbers_come_back_as_they_were_sent(app: TestApp) {
    let config = json!({
        "value": [f64::MAX, f64::MIN, 5e-324, 0.1, 1.0, 3.0e300, 2.2250738585072014e-308, i64::MAX, i64::MIN, 6.02214076e23, 0.30000000000000004]
    });
    let id = app.create(json!({"name": "n", "task_type": "echo", "config": config})).await;
    assert_eq!(app.get(&id).await["config"].to_string().replace(".0", ""), config.to_string().replace(".0", ""));
    let run = app.call("POST /api/v1/tasks/{task_id}/execute", &[&id]).user("ann").send().await.expect(200);
    assert_eq!(run["status"], "completed");
    app.call("GET /api/v1/tasks", &[]).user("ann").send().await.expect(200);
    app.stop().await;
}

async fn a_leap_second_at_the_end_of_time_is_refused(app: TestApp) {
    let with = |due: &str| json!({"name": "n", "task_type": "todo", "due_date": due});
    let call = |body| app.call("POST /api/v1/tasks", &[]).user("ann").json(body);
    call(with("9999-12-31T23:59:60Z")).send().await.expect(422);
    let task = call(with("2016-12-31T23:59:60Z")).send().await.expect(201);
    assert_eq!(task["due_date"], "2017-01-01T00:00:00Z");
    app.stop().await;
}

async fn a_nul_is_refused_where_it_stands(app: TestApp) {
    let body = json!({"name": "a\0b", "task_type": "echo", "config": {"list": [1, "x\0"]}});
    let refused = app.call("POST /api/v1/tasks", &[]).user("ann").json(body).send().await.expect(422);
    let places: Vec<_> = refused["detail"].as_array().unwrap().iter().map(|problem| problem["loc"].clone()).collect();
    assert_eq!(places, [json!(["body", "config", "list", "1"]), json!(["body", "name"])]);
    app.stop().await;
}

async fn an_unknown_method_is_one_label(app: TestApp) {
    for n in 0..5 {
        let method = reqwest::Method::from_bytes(format!("X{n}").as_bytes()).unwrap();
        app.client.request(method, format!("{}/api/v1/tasks", app.base)).send().await.unwrap();
    }
    app.create(echo()).await;
    let metrics = app.client.get(format!("{}/metrics", app.base)).send().await.unwrap().text().await.unwrap();
    assert!(metrics.contains(r#"method="OTHER""#) && !metrics.contains(r#"method="X1""#));
    app.stop().await;
}

/// Together: many small ones are as large as one.
async fn headers_beyond_8_kib_are_refused(app: TestApp) {
    let list = |size: usize| {
        let call = app.call("GET /api/v1/tasks", &[]).user("ann");
        (0..4).fold(call, |call, n| call.header(&format!("X-Filler-{n}"), &"x".repeat(size)))
    };
    list(1900).send().await.expect(200);
    let refused = list(2100).send().await;
    assert!(refused.headers.contains_key("x-request-id"));
    let refused = refused.expect(431);
    assert_eq!(refused["code"], "headers_too_large");
    assert!(refused["detail"].as_str().unwrap().contains("8192 bytes") && refused["request_id"].is_string());
    app.stop().await;
}

/// A web page may have its own name resolve to this machine.
async fn development_mode_answers_to_this_machine_only(app: TestApp) {
    for (route, host) in [("GET /api/v1/tasks", "evil.example"), ("GET /health", "evil.example:8211")] {
        let refused = app.call(route, &[]).user("ann").header("Host", host).send().await.expect(421);
        assert_eq!(refused["code"], "misdirected_request");
        assert!(refused["detail"].as_str().unwrap().contains("localhost"), "{refused}");
    }
    app.call("GET /api/v1/tasks", &[]).user("ann").header("Host", "localhost:1").send().await.expect(200);
    app.stop().await;
}

async fn head_is_answered_as_get_without_a_body(app: TestApp) {
    let id = app.create(echo()).await;
    let head = async |path: &str| {
        let call = app.client.head(format!("{}{path}", app.base)).header("X-User-ID", "ann");
        let answer = call.send().await.unwrap();
        let (status, headers) = (answer.status().as_u16(), answer.headers().clone());
        assert!(answer.bytes().await.unwrap().is_empty());
        (status, headers)
    };
    let (status, headers) = head(&format!("/api/v1/tasks/{id}")).await;
    assert_eq!(
        (status, &headers["content-type"], &headers["etag"]),
        (200, &"application/json".parse().unwrap(), &"\"1\"".parse().unwrap())
    );
    assert!(headers["content-length"].to_str().unwrap().parse::<usize>().unwrap() > 100);
    assert_eq!(head("/api/v1/tasks/nobody").await.0, 404);
    assert_eq!(head("/health").await.0, 200);
    // Nobody waits for what a stream would bring.
    let (status, headers) = head("/api/v1/events").await;
    assert_eq!((status, &headers["content-type"]), (200, &"text/event-stream".parse().unwrap()));
    // Where there is no GET there is no HEAD.
    assert_eq!(head("/api/v1/tasks/some/claim").await.0, 405);
    app.stop().await;
}
