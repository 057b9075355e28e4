//! The Task Tracker: keys, deadlines that are processed, refused retries, and where streams begin.

use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json};
use task_testkit::wait;

use crate::support::{TestApp, on_both_engines};
use crate::task_tracker::post;

on_both_engines!(
    &[];
    an_entry_has_the_time_that_the_service_gave_it,
    late_tasks_are_counted_when_they_are_processed,
    a_task_that_is_not_done_cannot_be_retried,
    a_stream_that_starts_at_now_says_where_that_is,
);

const API: &str = "task_tracker";
const START: &str = "POST /api/v1/tasks/{id}/start";

async fn create(app: &TestApp, new: Value) -> String {
    post(app, "POST /api/v1/tasks", &[], new).await.expect(201)["taskId"].as_str().unwrap().to_owned()
}

async fn an_entry_has_the_time_that_the_service_gave_it(app: TestApp) {
    let id = create(&app, json!({"taskType": "t"})).await;
    post(&app, START, &[&id], json!({"workerId": "w"})).await.expect(201);
    let progress = json!({"progress": {"seqId": 99, "timestamp": "yesterday", "n": 1}});
    let told = post(&app, "POST /api/v1/tasks/{id}/progress", &[&id], progress).await.expect(201);
    post(&app, "POST /api/v1/tasks/{id}/complete", &[&id], json!({"workerId": "w"})).await.expect(201);
    let row = app.call(API, "GET /api/v1/tasks/{id}", &[&id]).send().await.expect(200);
    assert_eq!(row["progressHistory"], json!([{"seqId": 1, "timestamp": told["timestamp"], "n": 1}]));
    let refused = post(&app, "POST /api/v1/tasks", &[], json!({"taskType": "a\u{7}b"})).await.expect(400);
    assert_eq!(refused["message"], "taskType must have printable characters only");
    app.stop().await;
}

async fn late_tasks_are_counted_when_they_are_processed(app: TestApp) {
    let new = || create(&app, json!({"taskType": "t", "timeoutSeconds": 1}));
    // Beside this the service looks by itself every second: of several it does not find each first.
    wait::until("one of them is processed here", Duration::from_secs(30), || async {
        new().await;
        let processed = app.call(API, "POST /api/v1/tasks/timeouts/process", &[]).send().await.expect(201);
        processed["processedCount"].as_u64().unwrap() > 0
    })
    .await;
    app.stop().await;
}

async fn a_task_that_is_not_done_cannot_be_retried(app: TestApp) {
    let id = create(&app, json!({"taskType": "t"})).await;
    let retry = async |status: &str| {
        let message = format!("Only failed or timed-out tasks can be retried, current status: {status}");
        let refused = post(&app, "POST /api/v1/tasks/{id}/retry", &[&id], json!({})).await;
        refused.is(400, json!({"message": message, "error": "Bad Request", "statusCode": 400}));
    };
    retry("pending").await;
    post(&app, START, &[&id], json!({"workerId": "w"})).await.expect(201);
    retry("in_progress").await;
    app.stop().await;
}

async fn a_stream_that_starts_at_now_says_where_that_is(app: TestApp) {
    let id = create(&app, json!({"taskType": "t"})).await;
    post(&app, START, &[&id], json!({"workerId": "w"})).await.expect(201);
    for n in 1..=3 {
        post(&app, "POST /api/v1/tasks/{id}/progress", &[&id], json!({"progress": {"n": n}})).await.expect(201);
    }
    let url = format!("{}/api/v1/tasks/{id}/track?ignoreHistory=true", app.base(API));
    let response = app.client().get(url).send().await.unwrap();
    let (mut bytes, mut text) = (response.bytes_stream(), String::new());
    let begun = async {
        while !text.contains("id: 3\n\n") {
            text.push_str(std::str::from_utf8(&bytes.next().await.unwrap().unwrap()).unwrap());
        }
    };
    tokio::time::timeout(Duration::from_secs(30), begun).await.expect("its position comes at once");
    assert!(!text.contains("data:"), "{text}");
    app.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn with_a_key_only_who_shows_it_may_call() {
    let app = TestApp::sqlite(&[("TASK_TRACKER_API_KEY", "secret")]).await;
    let new = |key: Option<&str>| {
        let call = app.call(API, "POST /api/v1/tasks", &[]).json(json!({"taskType": "t"}));
        match key {
            Some(key) => call.key(key).send(),
            None => call.send(),
        }
    };
    let refused = || json!({"message": "Invalid API key", "error": "Unauthorized", "statusCode": 401});
    new(None).await.is(401, refused());
    new(Some("wrong")).await.is(401, refused());
    new(Some("secret")).await.expect(201);
    app.stop().await;
}
