//! Figures that add up to what was done.

use serde_json::{Value, json};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{TestApp, echo, on_both_engines};

on_both_engines!(figures_add_up_to_what_was_done, nothing_done_is_all_zero, figures_are_the_users_own);

async fn figures(app: &TestApp, user: &str, days: &str) -> Value {
    app.call("GET /api/v1/analytics", &[]).user(user).query(&[("days", days)]).send().await.expect(200)
}

async fn run(app: &TestApp, id: &str, status: u16) {
    app.call("POST /api/v1/tasks/{task_id}/execute", &[id]).user("ann").send().await.expect(status);
}

async fn figures_add_up_to_what_was_done(app: TestApp) {
    let server = MockServer::start().await;
    Mock::given(method("GET")).respond_with(ResponseTemplate::new(404)).mount(&server).await;
    for _ in 0..3 {
        let id = app.create(json!({"name": "e", "task_type": "echo", "credits_per_run": 0.1})).await;
        run(&app, &id, 200).await;
    }
    let twice = app.create(json!({"name": "e", "task_type": "echo", "credits_per_run": 2})).await;
    run(&app, &twice, 200).await;
    run(&app, &twice, 200).await;
    let failing = json!({"name": "h", "task_type": "http", "credits_per_run": 7, "config": {"url": server.uri(), "method": "GET"}});
    let failing = app.create(failing).await;
    run(&app, &failing, 500).await;
    app.create(json!({"name": "t", "task_type": "todo"})).await;
    app.create(json!({"name": "s", "task_type": "echo", "schedule": {"type": "daily"}})).await;
    let paused = app.create(echo()).await;
    app.call("POST /api/v1/tasks/{task_id}/pause", &[&paused]).user("ann").send().await.expect(200);
    let deleted = app.create(echo()).await;
    app.call("DELETE /api/v1/tasks/{task_id}", &[&deleted]).user("ann").send().await.expect(200);
    // What others do does not count.
    app.call("POST /api/v1/tasks", &[]).user("bob").json(echo()).send().await.expect(201);
    app.call("POST /api/v1/tasks", &[]).key().json(echo()).send().await.expect(201);

    let seen = figures(&app, "ann", "7").await;
    for (key, value) in [
        ("user_id", json!("ann")),
        ("time_period", json!("Last 7 days")),
        ("total_tasks", json!(8)),
        ("active_tasks", json!(1)),
        ("completed_tasks", json!(4)),
        ("failed_tasks", json!(1)),
        ("paused_tasks", json!(1)),
        ("tasks_by_status", json!({"completed": 4, "failed": 1, "paused": 1, "pending": 1, "scheduled": 1})),
        ("task_types_distribution", json!({"echo": 6, "http": 1, "todo": 1})),
        ("total_executions", json!(6)),
        ("successful_executions", json!(5)),
        ("failed_executions", json!(1)),
        ("success_rate", json!(83.33)),
        ("total_credits_consumed", json!(4.3)),
        ("total_tokens_used", json!(0)),
    ] {
        assert_eq!(seen[key], value, "{key} in {seen:#}");
    }
    assert!(seen["average_execution_time"].is_number() && seen["total_api_calls"].is_number());
    let days = seen["executions_per_day"].as_array().unwrap();
    let total = |key: &str| days.iter().map(|day| day[key].as_i64().unwrap()).sum::<i64>();
    assert_eq!((days.len(), total("total"), total("successful"), total("failed")), (8, 6, 5, 1));
    assert!((1..=2).contains(&seen["busiest_hours"].as_array().unwrap().len()));
    assert!((1..=2).contains(&seen["busiest_days"].as_array().unwrap().len()));

    // Within a minute the same window is not counted again, another one is.
    run(&app, &twice, 200).await;
    assert_eq!(figures(&app, "ann", "7").await, seen);
    assert_eq!(figures(&app, "ann", "8").await["total_executions"], 7);
    app.stop().await;
}

async fn nothing_done_is_all_zero(app: TestApp) {
    let seen = app.call("GET /api/v1/analytics", &[]).user("ann").send().await.expect(200);
    assert_eq!((&seen["time_period"], &seen["success_rate"]), (&json!("Last 30 days"), &json!(0.0)));
    assert_eq!((&seen["total_tasks"], &seen["busiest_hours"]), (&json!(0), &json!([])));
    assert_eq!(seen["executions_per_day"].as_array().unwrap().len(), 31);
    assert_eq!(figures(&app, "ann", "365").await["executions_per_day"].as_array().unwrap().len(), 366);
    for days in ["0", "366", "-1", "x", "1.5"] {
        let call = app.call("GET /api/v1/analytics", &[]).user("ann").query(&[("days", days)]);
        assert_eq!(call.send().await.expect(422)["detail"][0]["loc"], json!(["query", "days"]));
    }
    app.stop().await;
}

async fn figures_are_the_users_own(app: TestApp) {
    app.create(echo()).await;
    let total = |call: crate::support::Call| async { call.send().await.expect(200)["total_tasks"].clone() };
    let get = || app.call("GET /api/v1/analytics", &[]);
    assert_eq!(total(get().user("bob")).await, 0);
    assert_eq!(total(get().user("ann").header("X-Tenant-ID", "other")).await, 0);
    assert_eq!(total(get().key().user("ann")).await, 1);
    assert_eq!(total(get().key().query(&[("user_id", "ann")])).await, 1);
    assert_eq!(total(get().user("ann").query(&[("user_id", "ann")])).await, 1);
    get().user("bob").query(&[("user_id", "ann")]).send().await.expect(403);
    get().key().user("bob").query(&[("user_id", "ann")]).send().await.expect(403);
    let missing = get().key().send().await.expect(422);
    assert_eq!(missing["detail"][0]["loc"], json!(["query", "user_id"]));
    get().send().await.expect(401);
    app.stop().await;
}
