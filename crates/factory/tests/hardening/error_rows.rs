//! The errors of the API, one test a kind: status, exactly the documented keys, stable code.

use std::time::Duration;

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use serde_json::{Value, json};
use task_testkit::pg_server::{PrivateServer, Stop};
use task_testkit::wait;

use crate::support::{Answer, TestApp, echo, on_both_engines};

on_both_engines!(
    no_or_a_wrong_credential_is_401,
    what_is_not_there_is_404,
    every_problem_of_the_input_is_in_one_422,
    bodies_that_cannot_be_read_are_refused_by_kind,
    what_is_not_allowed_is_403_and_names_the_action,
    a_state_that_does_not_allow_it_is_409,
    a_lost_lease_is_409_with_its_reason,
    a_limit_is_429_with_its_figures,
    the_daily_limit_says_how_long_the_day_still_is,
    a_run_that_failed_is_the_documented_500,
);

/// Checks status and code, and that the body has these keys beside `detail`, `code` and
/// `request_id`, and no other. The detail.
fn error(answer: &Answer, status: u16, code: &str, more: &[&str]) -> Value {
    assert_eq!(answer.status.as_u16(), status, "{:#}", answer.body);
    assert_eq!(answer.body["code"], code, "{:#}", answer.body);
    let id = answer.headers["x-request-id"].to_str().unwrap();
    assert_eq!(answer.body["request_id"], id);
    let mut expected: Vec<&str> = ["detail", "code", "request_id"].into_iter().chain(more.iter().copied()).collect();
    expected.sort_unstable();
    let mut keys: Vec<&str> = answer.body.as_object().unwrap().keys().map(String::as_str).collect();
    keys.sort_unstable();
    assert_eq!(keys, expected, "{:#}", answer.body);
    answer.body["detail"].clone()
}

fn retry_after(answer: &Answer) -> i64 {
    answer.headers["retry-after"].to_str().unwrap().parse().unwrap()
}

async fn no_or_a_wrong_credential_is_401(app: TestApp) {
    let call = || app.call("GET /api/v1/tasks", &[]);
    for call in [call(), call().header("X-API-Key", "wrong"), call().header("Authorization", "Bearer wrong")] {
        let answer = call.header("X-Request-ID", "mine-1").send().await;
        assert_eq!(error(&answer, 401, "unauthenticated", &[]), "Invalid or missing authentication");
        assert_eq!(answer.body["request_id"], "mine-1", "the caller's own id comes back");
    }
    app.stop().await;
}

async fn what_is_not_there_is_404(app: TestApp) {
    let answer = app.call("GET /api/v1/tasks/{task_id}", &["nothing"]).user("ann").send().await;
    assert_eq!(error(&answer, 404, "task_not_found", &["task_id"]), "Task not found");
    assert_eq!(answer.body["task_id"], "nothing");
    let answer = app.call("GET /api/v1/nothing", &[]).user("ann").send().await;
    assert_eq!(error(&answer, 404, "not_found", &[]), "Not Found");
    let answer = app.call("DELETE /api/v1/tasks", &[]).user("ann").send().await;
    error(&answer, 405, "method_not_allowed", &[]);
    assert_eq!(answer.headers["allow"], "GET, HEAD, POST");
    app.stop().await;
}

async fn every_problem_of_the_input_is_in_one_422(app: TestApp) {
    let body = json!({
        "name": "", "task_type": "juggle", "priority": "urgentest", "on_dependency_failure": "shrug",
        "timeout_seconds": 0, "tags": [1], "colour": "red"
    });
    let answer = app.call("POST /api/v1/tasks", &[]).user("ann").json(body.clone()).send().await;
    let problems = error(&answer, 422, "validation_error", &[]);
    let problems = problems.as_array().unwrap();
    let mut named: Vec<&str> = problems.iter().map(|problem| problem["loc"][1].as_str().unwrap()).collect();
    named.sort_unstable();
    let mut all: Vec<&str> = body.as_object().unwrap().keys().map(String::as_str).collect();
    all.sort_unstable();
    assert_eq!(named, all, "{problems:#?}");
    for problem in problems {
        assert_eq!(problem.as_object().unwrap().keys().len(), 3, "{problem}");
        assert_eq!(problem["loc"][0], "body");
        assert!(problem["msg"].is_string() && problem["type"].is_string(), "{problem}");
    }
    let message = |field: &str| {
        let found = problems.iter().find(|problem| problem["loc"][1] == field).unwrap();
        found["msg"].as_str().unwrap().to_owned()
    };
    for (field, allowed) in [
        ("task_type", &["echo", "http", "todo"][..]),
        ("priority", &["urgent", "high", "medium", "low"]),
        ("on_dependency_failure", &["fail", "run"]),
    ] {
        for word in allowed {
            assert!(message(field).contains(word), "{field}: {}", message(field));
        }
    }
    let call = app.call("GET /api/v1/tasks", &[]).user("ann").query(&[("status", "asleep"), ("limit", "0")]);
    let problems = error(&call.send().await, 422, "validation_error", &[]);
    assert_eq!(problems.as_array().unwrap().len(), 2);
    assert!(problems.to_string().contains("cancelled"), "the allowed ones are listed: {problems}");
    app.stop().await;
}

async fn bodies_that_cannot_be_read_are_refused_by_kind(app: TestApp) {
    let post = || app.call("POST /api/v1/tasks", &[]).user("ann");
    for body in ["{", "[]", r#"{"name":5}"#, r#"{"name":"a\u0000b"}"#, r#"{"name":"\ud800"}"#] {
        let answer = post().raw("application/json", body).send().await;
        let problems = error(&answer, 422, "validation_error", &[]);
        assert_eq!(problems[0]["loc"][0], "body", "{body}");
    }
    error(&post().raw("text/plain", "{}").send().await, 415, "unsupported_media_type", &[]);
    let large = format!(r#"{{"name":"{}"}}"#, "x".repeat(256 * 1024));
    error(&post().raw("application/json", large).send().await, 413, "body_too_large", &[]);
    app.stop().await;
}

async fn what_is_not_allowed_is_403_and_names_the_action(app: TestApp) {
    let id = app.create(echo()).await;
    for (route, action) in [
        ("GET /api/v1/tasks/{task_id}", "read"),
        ("PATCH /api/v1/tasks/{task_id}", "update"),
        ("DELETE /api/v1/tasks/{task_id}", "delete"),
    ] {
        let answer = app.call(route, &[&id]).user("bob").json(json!({})).send().await;
        assert_eq!(error(&answer, 403, "permission_denied", &["action"]), "Permission denied");
        assert_eq!(answer.body["action"], action);
    }
    let call = app.call("POST /api/v1/tasks/from-template", &[]).user("ann").header("X-Subscription-Level", "free");
    let answer = call.json(json!({"template_id": "tpl_price_tracker"})).send().await;
    assert_eq!(error(&answer, 403, "permission_denied", &["action", "required_level"]), "Permission denied");
    assert_eq!((&answer.body["action"], &answer.body["required_level"]), (&json!("use_template"), &json!("pro")));
    app.stop().await;
}

async fn a_state_that_does_not_allow_it_is_409(app: TestApp) {
    let id = app.create(echo()).await;
    let command = async |route: &str| app.call(route, &[&id]).user("ann").json(json!({})).send().await;
    command("POST /api/v1/tasks/{task_id}/cancel").await.expect(200);
    let answer = command("POST /api/v1/tasks/{task_id}/pause").await;
    assert!(error(&answer, 409, "invalid_transition", &["from", "to"]).is_string());
    assert_eq!((&answer.body["from"], &answer.body["to"]), (&json!("cancelled"), &json!("paused")));
    app.stop().await;
}

async fn a_lost_lease_is_409_with_its_reason(app: TestApp) {
    let body = json!({"name": "w", "task_type": "render", "run_immediately": true});
    let task = app.call("POST /api/v1/tasks", &[]).key().json(body).send().await.expect(201);
    let id = task["task_id"].as_str().unwrap();
    let call = app.call("POST /api/v1/tasks/{task_id}/claim", &[id]).key();
    let claim = call.json(json!({"worker_id": "w"})).send().await.expect(200);
    let beat = async |token: &Value| {
        let call = app.call("POST /api/v1/tasks/{task_id}/heartbeat", &[id]).key();
        call.json(json!({"lease_token": token})).send().await
    };
    let answer = beat(&json!("made-up")).await;
    error(&answer, 409, "lease_lost", &["reason"]);
    assert_eq!(answer.body["reason"], "unknown");
    app.call("POST /api/v1/tasks/{task_id}/cancel", &[id]).key().json(json!({})).send().await.expect(200);
    let answer = beat(&claim["lease_token"]).await;
    error(&answer, 409, "lease_lost", &["reason"]);
    assert_eq!(answer.body["reason"], "cancelled");
    app.stop().await;
}

async fn create_at(app: &TestApp, level: &str, body: Value) -> Answer {
    app.call("POST /api/v1/tasks", &[]).user("ann").header("X-Subscription-Level", level).json(body).send().await
}

async fn a_limit_is_429_with_its_figures(app: TestApp) {
    for _ in 0..5 {
        create_at(&app, "free", echo()).await.expect(201);
    }
    let answer = create_at(&app, "free", echo()).await;
    assert_eq!(error(&answer, 429, "limit_exceeded", &["limit_type", "limit", "used"]), "Task limit exceeded");
    let body = &answer.body;
    assert_eq!((&body["limit_type"], &body["limit"], &body["used"]), (&json!("active_tasks"), &json!(5), &json!(5)));
    assert!(retry_after(&answer) > 0);
    app.stop().await;
}

async fn the_daily_limit_says_how_long_the_day_still_is(app: TestApp) {
    let id = app.create(echo()).await;
    let execute = async || {
        let call = app.call("POST /api/v1/tasks/{task_id}/execute", &[&id]).user("ann");
        call.header("X-Subscription-Level", "pro").json(json!({})).send().await
    };
    for _ in 0..10 {
        execute().await.expect(200);
    }
    let mut body = echo();
    body["run_immediately"] = json!(true);
    let answer = create_at(&app, "free", body).await;
    error(&answer, 429, "limit_exceeded", &["limit_type", "limit", "used"]);
    assert_eq!(answer.body["limit_type"], "daily_executions");
    let sent = DateTime::parse_from_rfc2822(answer.headers["date"].to_str().unwrap()).unwrap().with_timezone(&Utc);
    let again = sent + TimeDelta::seconds(retry_after(&answer));
    // The clock of the limit and the one of the header are read a moment apart.
    let off = (again + TimeDelta::hours(12)).time().signed_duration_since(NaiveTime::MIN) - TimeDelta::hours(12);
    assert!(off.num_seconds().abs() <= 60, "{again} is not midnight");
    app.stop().await;
}

async fn a_run_that_failed_is_the_documented_500(app: TestApp) {
    let id = app.create(json!({"name": "n", "task_type": "http", "config": {"url": "http://127.0.0.1:1/"}})).await;
    let answer = app.call("POST /api/v1/tasks/{task_id}/execute", &[&id]).user("ann").json(json!({})).send().await;
    let detail = error(&answer, 500, "execution_failed", &["error_code", "execution_id"]);
    assert_eq!(detail, "Execution failed");
    assert!(answer.body["error_code"].is_string());
    let execution_id = answer.body["execution_id"].as_str().unwrap();
    let execution = app.call("GET /api/v1/executions/{execution_id}", &[execution_id]).user("ann").send().await;
    assert_eq!(execution.expect(200)["status"], "failed");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_is_away_is_503_and_tells_no_internals() {
    let mut server = PrivateServer::start().await;
    let app = TestApp::postgres_at(&server.url()).await;
    app.create(echo()).await;
    server.stop(Stop::Fast);
    for call in [
        app.call("GET /api/v1/tasks", &[]).user("ann"),
        app.call("POST /api/v1/tasks", &[]).user("ann").json(echo()),
        app.call("GET /api/v1/facts", &[]).user("ann"),
    ] {
        let answer = call.send().await;
        assert_eq!(error(&answer, 503, "unavailable", &[]), "Internal server error");
        assert!(retry_after(&answer) > 0);
    }
    server.resume().await;
    wait::until("the API answers again", Duration::from_secs(60), || async {
        app.call("GET /api/v1/tasks", &[]).user("ann").send().await.status == 200
    })
    .await;
    app.stop().await;
}
