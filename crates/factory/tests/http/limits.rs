//! The four limits, wherever they are met, and where a user's level comes from.

use std::time::Duration;

use chrono::{DateTime, NaiveTime, TimeDelta, Utc};
use futures::future::join_all;
use serde_json::{Value, json};
use task_testkit::wait;
use wiremock::matchers::path;
use wiremock::{Mock, MockServer, ResponseTemplate};

use crate::support::{Answer, Call, TestApp, echo, on_both_engines};

on_both_engines!(
    of_parallel_creates_exactly_the_limit_is_admitted,
    reopening_is_limited_like_creating,
    the_daily_limit_holds_for_every_kind_of_run,
    the_rate_of_one_task_is_limited,
    schedules_are_no_faster_than_the_level_allows,
    a_key_without_a_user_is_under_no_limit,
    a_scheduled_run_over_the_daily_limit_waits_for_midnight,
);

fn at(call: Call, level: &str) -> Call {
    call.user("ann").header("X-Subscription-Level", level)
}

fn limited(answer: Answer, limit_type: &str, limit: i64, used: i64) {
    let seconds: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!(seconds > 0);
    let mut body = answer.expect(429);
    body.as_object_mut().unwrap().remove("request_id");
    let expected = json!({
        "detail": "Task limit exceeded", "code": "limit_exceeded", "limit_type": limit_type, "limit": limit, "used": used,
    });
    assert_eq!(body, expected);
}

async fn create(app: &TestApp, level: &str, body: Value) -> Answer {
    at(app.call("POST /api/v1/tasks", &[]), level).json(body).send().await
}

async fn created(app: &TestApp, level: &str, body: Value) -> String {
    create(app, level, body).await.expect(201)["task_id"].as_str().unwrap().to_owned()
}

async fn command(app: &TestApp, route: &str, id: &str, level: &str) -> Answer {
    at(app.call(route, &[id]), level).json(json!({})).send().await
}

async fn set_status(app: &TestApp, id: &str, level: &str, status: &str) -> Answer {
    at(app.call("PUT /api/v1/tasks/{task_id}", &[id]), level).json(json!({"status": status})).send().await
}

async fn of_parallel_creates_exactly_the_limit_is_admitted(app: TestApp) {
    for (level, user, limit) in [("free", "ann", 5), ("basic", "bob", 20)] {
        let creates = (0..60).map(|_| {
            let call = app.call("POST /api/v1/tasks", &[]).user(user).header("X-Subscription-Level", level);
            call.json(echo()).send()
        });
        let (admitted, refused): (Vec<_>, Vec<_>) =
            join_all(creates).await.into_iter().partition(|answer| answer.status == 201);
        assert_eq!(admitted.len(), limit, "{level}");
        for answer in refused {
            limited(answer, "active_tasks", limit as i64, limit as i64);
        }
        let listed = app.call("GET /api/v1/tasks", &[]).user(user).send().await.expect(200);
        assert_eq!(listed["count"], json!(limit));
    }
    app.stop().await;
}

async fn reopening_is_limited_like_creating(app: TestApp) {
    let done = created(&app, "free", echo()).await;
    set_status(&app, &done, "free", "completed").await.expect(200);
    let cancelled = created(&app, "free", echo()).await;
    command(&app, "POST /api/v1/tasks/{task_id}/cancel", &cancelled, "free").await.expect(200);
    for _ in 0..5 {
        created(&app, "free", echo()).await;
    }
    limited(create(&app, "free", echo()).await, "active_tasks", 5, 5);
    limited(set_status(&app, &done, "free", "pending").await, "active_tasks", 5, 5);
    limited(command(&app, "POST /api/v1/tasks/{task_id}/execute", &done, "free").await, "active_tasks", 5, 5);
    limited(command(&app, "POST /api/v1/tasks/{task_id}/retry", &cancelled, "free").await, "active_tasks", 5, 5);
    // The next level has room for all of them.
    set_status(&app, &done, "basic", "pending").await.expect(200);
    command(&app, "POST /api/v1/tasks/{task_id}/retry", &cancelled, "basic").await.expect(201);
    app.stop().await;
}

async fn the_daily_limit_holds_for_every_kind_of_run(app: TestApp) {
    let task = created(&app, "pro", echo()).await;
    let rest = created(&app, "pro", echo()).await;
    command(&app, "POST /api/v1/tasks/{task_id}/cancel", &rest, "pro").await.expect(200);
    for _ in 0..10 {
        command(&app, "POST /api/v1/tasks/{task_id}/execute", &task, "pro").await.expect(200);
    }
    let other = created(&app, "free", echo()).await;
    limited(command(&app, "POST /api/v1/tasks/{task_id}/execute", &other, "free").await, "daily_executions", 10, 10);
    limited(command(&app, "POST /api/v1/tasks/{task_id}/retry", &rest, "free").await, "daily_executions", 10, 10);
    let mut body = echo();
    body["run_immediately"] = json!(true);
    limited(create(&app, "free", body.clone()).await, "daily_executions", 10, 10);
    create(&app, "basic", body).await.expect(201);
    app.stop().await;
}

async fn the_rate_of_one_task_is_limited(app: TestApp) {
    let (task, other) = (created(&app, "basic", echo()).await, created(&app, "basic", echo()).await);
    for _ in 0..30 {
        command(&app, "POST /api/v1/tasks/{task_id}/execute", &task, "basic").await.expect(200);
    }
    let refused = command(&app, "POST /api/v1/tasks/{task_id}/execute", &task, "basic").await;
    limited(refused, "task_execution_rate", 30, 30);
    command(&app, "POST /api/v1/tasks/{task_id}/execute", &other, "basic").await.expect(200);
    app.stop().await;
}

async fn schedules_are_no_faster_than_the_level_allows(app: TestApp) {
    let every = |seconds: i64| {
        let mut body = echo();
        body["schedule"] = json!({"type": "interval", "interval_seconds": seconds});
        body
    };
    limited(create(&app, "free", every(899)).await, "schedule_interval", 900, 899);
    created(&app, "free", every(900)).await;
    let task = created(&app, "pro", every(60)).await;
    let edit = |level: &'static str, seconds| {
        let call = at(app.call("PATCH /api/v1/tasks/{task_id}", &[&task]), level);
        call.json(json!({"schedule": every(seconds)["schedule"]})).send()
    };
    limited(edit("basic", 299).await, "schedule_interval", 300, 299);
    command(&app, "POST /api/v1/tasks/{task_id}/pause", &task, "basic").await.expect(200);
    let resumed = command(&app, "POST /api/v1/tasks/{task_id}/resume", &task, "basic").await;
    limited(resumed, "schedule_interval", 300, 60);
    edit("basic", 300).await.expect(200);
    command(&app, "POST /api/v1/tasks/{task_id}/resume", &task, "basic").await.expect(200);
    app.stop().await;
}

async fn a_key_without_a_user_is_under_no_limit(app: TestApp) {
    for _ in 0..25 {
        let call = app.call("POST /api/v1/tasks", &[]).key().header("X-Subscription-Level", "free");
        call.json(echo()).send().await.expect(201);
    }
    app.stop().await;
}

/// The scheduler has no header: it goes by what the gateway said last.
async fn a_scheduled_run_over_the_daily_limit_waits_for_midnight(app: TestApp) {
    let task = created(&app, "free", echo()).await;
    for _ in 0..10 {
        command(&app, "POST /api/v1/tasks/{task_id}/execute", &task, "free").await.expect(200);
    }
    let now: DateTime<Utc> = serde_json::from_value(app.get(&task).await["updated_at"].clone()).unwrap();
    let mut body = echo();
    body["schedule"] = json!({"type": "once", "run_time": (now + TimeDelta::seconds(2)).to_rfc3339()});
    let scheduled = created(&app, "free", body).await;
    let skipped = async || {
        let history =
            app.call("GET /api/v1/tasks/{task_id}/history", &[&scheduled]).user("ann").send().await.expect(200);
        let text = history.to_string();
        text.matches("daily limit of 10 runs is used up").count()
    };
    wait::until("the run is skipped", Duration::from_secs(30), || async { skipped().await == 1 }).await;
    let put_off = app.explain(&scheduled, "quota").await;
    let task = app.get(&scheduled).await;
    assert_eq!(put_off, json!({"limit_type": "daily_executions", "until": task["next_run_time"]}));
    assert_eq!((&task["status"], &task["run_count"]), (&json!("scheduled"), &json!(0)));
    let next: DateTime<Utc> = serde_json::from_value(task["next_run_time"].clone()).unwrap();
    assert_eq!(next.time(), NaiveTime::MIN);
    assert!(next > now && next - now <= TimeDelta::days(1));
    app.stop().await;
}

/// The header, then the account service, then the default.
#[tokio::test(flavor = "multi_thread")]
async fn a_level_comes_from_the_header_the_account_service_or_the_default() {
    let accounts = MockServer::start().await;
    let profile = ResponseTemplate::new(200).set_body_json(json!({"subscription_level": "free"}));
    Mock::given(path("/api/v1/accounts/profile/ann")).respond_with(profile).expect(1).mount(&accounts).await;
    let broken = ResponseTemplate::new(500);
    Mock::given(path("/api/v1/accounts/profile/bob")).respond_with(broken).mount(&accounts).await;
    let environment = [("ACCOUNT_SERVICE_URL", accounts.uri()), ("DEFAULT_SUBSCRIPTION_LEVEL", "basic".to_owned())];
    let environment: Vec<_> = environment.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let app = TestApp::sqlite_with(&environment).await;
    let create = |user: &'static str| app.call("POST /api/v1/tasks", &[]).user(user).json(echo()).send();
    for _ in 0..5 {
        create("ann").await.expect(201);
    }
    limited(create("ann").await, "active_tasks", 5, 5);
    // A service that fails costs nobody his level; the default counts.
    for _ in 0..20 {
        create("bob").await.expect(201);
    }
    limited(create("bob").await, "active_tasks", 20, 20);
    let named = app.call("POST /api/v1/tasks", &[]).user("ann").header("X-Subscription-Level", "pro");
    named.json(echo()).send().await.expect(201);
    app.stop().await;
}
