//! Runs: by hand, at once, by schedule.

use std::time::Duration;

use serde_json::json;
use task_testkit::wait;
use wiremock::matchers::{body_json, header_exists, method};
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{TestApp, echo, on_both_engines};

const SOON: Duration = Duration::from_secs(30);

on_both_engines!(
    an_execute_waits_for_its_result,
    respond_async_answers_at_once,
    an_http_task_calls_and_keeps_the_answer,
    a_failed_run_is_a_documented_500,
    a_failed_attempt_is_tried_again,
    a_schedule_runs_by_itself,
    work_for_outside_workers_is_left_to_them,
    a_run_past_its_deadline_times_out,
);

async fn an_execute_waits_for_its_result(app: TestApp) {
    let id =
        app.create(json!({"name": "e", "task_type": "echo", "config": {"value": 7}, "credits_per_run": 1.5})).await;
    let done = app
        .call("POST /api/v1/tasks/{task_id}/execute", &[&id])
        .user("ann")
        .json(json!({"trigger_data": {"why": "test"}}))
        .send()
        .await
        .expect(200);
    assert_eq!(
        (&done["status"], &done["attempt"], &done["trigger_type"], &done["credits_consumed"]),
        (&json!("completed"), &json!(1), &json!("manual"), &json!(1.5))
    );
    assert_eq!((&done["trigger_data"], &done["result"]["status"]), (&json!({"why": "test"}), &json!("success")));
    let task = app.get(&id).await;
    assert_eq!(
        (&task["status"], &task["run_count"], &task["success_count"], &task["total_credits_consumed"]),
        (&json!("completed"), &json!(1), &json!(1), &json!(1.5))
    );
    assert_eq!(task["last_result"], done["result"]);
    let read = app
        .call("GET /api/v1/executions/{execution_id}", &[done["execution_id"].as_str().unwrap()])
        .user("ann")
        .send()
        .await
        .expect(200);
    assert_eq!(read, done);
    // A completed task may run again.
    app.call("POST /api/v1/tasks/{task_id}/execute", &[&id]).user("ann").send().await.expect(200);
    let runs = app
        .call("GET /api/v1/tasks/{task_id}/executions", &[&id])
        .user("ann")
        .query(&[("status", "completed")])
        .send()
        .await
        .expect(200);
    assert_eq!(runs.as_array().unwrap().len(), 2);
    assert_eq!(runs[1], done);
    app.stop().await;
}

async fn respond_async_answers_at_once(app: TestApp) {
    let id = app.create(echo()).await;
    let answer = app
        .call("POST /api/v1/tasks/{task_id}/execute", &[&id])
        .user("ann")
        .header("Prefer", "return=minimal")
        .header("Prefer", "wait=5, respond-async")
        .send()
        .await;
    let location = answer.headers["location"].to_str().unwrap().to_owned();
    let execution = answer.expect(202);
    assert_eq!(location, format!("/api/v1/executions/{}", execution["execution_id"].as_str().unwrap()));
    wait::until("the run ends", SOON, || async { app.get(&id).await["status"] == "completed" }).await;
    app.stop().await;
}

async fn an_http_task_calls_and_keeps_the_answer(app: TestApp) {
    let server = MockServer::start().await;
    let answer = ResponseTemplate::new(201).set_body_json(json!({"ok": true}));
    Mock::given(method("POST"))
        .and(body_json(json!({"a": 1})))
        .and(header_exists("Idempotency-Key"))
        .respond_with(answer)
        .expect(1)
        .mount(&server)
        .await;
    let id =
        app.create(json!({"name": "h", "task_type": "http", "config": {"url": server.uri(), "body": {"a": 1}}})).await;
    let done = app.call("POST /api/v1/tasks/{task_id}/execute", &[&id]).user("ann").send().await.expect(200);
    assert_eq!(
        (&done["result"]["custom_data"]["status"], &done["result"]["custom_data"]["body"]),
        (&json!(201), &json!({"ok": true}))
    );
    app.stop().await;
}

async fn a_failed_run_is_a_documented_500(app: TestApp) {
    let server = MockServer::start().await;
    Mock::given(method("GET")).respond_with(ResponseTemplate::new(404)).mount(&server).await;
    let id =
        app.create(json!({"name": "h", "task_type": "http", "config": {"url": server.uri(), "method": "GET"}})).await;
    let failed = app.call("POST /api/v1/tasks/{task_id}/execute", &[&id]).user("ann").send().await.expect(500);
    assert_eq!(
        (&failed["detail"], &failed["code"], &failed["error_code"]),
        (&json!("Execution failed"), &json!("execution_failed"), &json!("http_status"))
    );
    let task = app.get(&id).await;
    assert_eq!((&task["status"], &task["failure_count"]), (&json!("failed"), &json!(1)));
    assert!(task["last_error"].is_string());
    app.stop().await;
}

async fn a_failed_attempt_is_tried_again(app: TestApp) {
    let server = MockServer::start().await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(503)).up_to_n_times(2).mount(&server).await;
    Mock::given(method("POST")).respond_with(ResponseTemplate::new(200)).mount(&server).await;
    let retry = json!({"max_attempts": 3, "base_seconds": 0.1});
    let id =
        app.create(json!({"name": "h", "task_type": "http", "config": {"url": server.uri()}, "retry": retry})).await;
    let done = app.call("POST /api/v1/tasks/{task_id}/execute", &[&id]).user("ann").send().await.expect(200);
    assert_eq!((&done["status"], &done["attempt"]), (&json!("completed"), &json!(3)));
    let attempts = app.call("GET /api/v1/tasks/{task_id}/executions", &[&id]).user("ann").send().await.expect(200);
    let attempts = attempts.as_array().unwrap();
    let statuses: Vec<_> = attempts.iter().map(|e| e["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, ["completed", "failed", "failed"]);
    assert!(attempts.iter().all(|e| e["run_id"] == done["run_id"]));
    assert_eq!(app.get(&id).await["run_count"], json!(1));
    app.stop().await;
}

async fn a_schedule_runs_by_itself(app: TestApp) {
    let id = app
        .create(json!({"name": "s", "task_type": "echo", "schedule": {"type": "interval", "interval_seconds": 1}}))
        .await;
    let task = app.get(&id).await;
    assert_eq!(task["status"], json!("scheduled"));
    assert!(task["next_run_time"].is_string());
    wait::until("three runs happened", SOON, || async { app.get(&id).await["run_count"].as_i64() >= Some(3) }).await;
    let executions = app.call("GET /api/v1/tasks/{task_id}/executions", &[&id]).user("ann").send().await.expect(200);
    assert_eq!(executions.as_array().unwrap().last().unwrap()["trigger_type"], json!("scheduled"));
    app.call("DELETE /api/v1/tasks/{task_id}", &[&id]).user("ann").send().await.expect(200);
    app.stop().await;
}

async fn work_for_outside_workers_is_left_to_them(app: TestApp) {
    let task = app
        .call("POST /api/v1/tasks", &[])
        .key()
        .json(json!({"name": "w", "task_type": "render_video"}))
        .send()
        .await
        .expect(201);
    assert_eq!((&task["handler"], &task["user_id"]), (&json!("worker"), &json!(null)));
    let queued = app
        .call("POST /api/v1/tasks/{task_id}/execute", &[task["task_id"].as_str().unwrap()])
        .key()
        .send()
        .await
        .expect(202);
    assert_eq!(queued["status"], json!("queued"));
    let again = app
        .call("POST /api/v1/tasks/{task_id}/execute", &[task["task_id"].as_str().unwrap()])
        .key()
        .send()
        .await
        .expect(409);
    assert_eq!(again["from"], json!("queued"));
    app.stop().await;
}

async fn a_run_past_its_deadline_times_out(app: TestApp) {
    let config = json!({"steps": 1000, "step_ms": 100});
    let id = app
        .create(
            json!({"name": "t", "task_type": "echo", "config": config, "timeout_seconds": 1, "run_immediately": true}),
        )
        .await;
    wait::until("it timed out", SOON, || async { app.get(&id).await["status"] == "timed_out" }).await;
    app.stop().await;
}
