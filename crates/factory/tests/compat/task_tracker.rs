//! The Task Tracker: every row of its table, successes and refusals.

use serde_json::{Value, json};

use crate::support::{Answer, TestApp, normalised, on_both_engines};

on_both_engines!(
    &[];
    a_task_is_created_and_read,
    a_task_is_started_reports_and_is_completed,
    a_failure_keeps_its_error_and_is_retried_in_a_chain,
    workers_claim_the_oldest_task_and_give_it_back,
    who_does_not_hold_a_task_is_refused_after_its_status,
    a_task_times_out_on_request_and_past_its_deadline,
    unknown_tasks_and_bad_input_are_refused,
);

const API: &str = "task_tracker";
const TIMES: [&str; 3] = ["createdAt", "updatedAt", "timeoutAt"];

pub(crate) async fn post(app: &TestApp, route: &str, parameters: &[&str], body: Value) -> Answer {
    app.call(API, route, parameters).json(body).send().await
}

async fn act(app: &TestApp, route: &str, id: &str, body: Value) -> Answer {
    post(app, route, &[id], body).await
}

const START: &str = "POST /api/v1/tasks/{id}/start";
const COMPLETE: &str = "POST /api/v1/tasks/{id}/complete";
const FAIL: &str = "POST /api/v1/tasks/{id}/fail";
const TIMEOUT: &str = "POST /api/v1/tasks/{id}/timeout";
const PROGRESS: &str = "POST /api/v1/tasks/{id}/progress";
const RELEASE: &str = "POST /api/v1/tasks/{id}/release";
const RETRY: &str = "POST /api/v1/tasks/{id}/retry";
const CLAIM: &str = "POST /api/v1/tasks/claim";

async fn create(app: &TestApp, body: Value) -> String {
    let made = post(app, "POST /api/v1/tasks", &[], body).await.expect(201);
    made["taskId"].as_str().unwrap().to_owned()
}

async fn row(app: &TestApp, id: &str) -> Value {
    app.call(API, "GET /api/v1/tasks/{id}", &[id]).send().await.expect(200)
}

fn refusal(status: u16, error: &str, message: &str) -> Value {
    json!({"message": message, "error": error, "statusCode": status})
}

fn is_stamp(value: &Value) -> bool {
    let text = value.as_str().unwrap_or_default();
    text.len() == 24 && text.ends_with('Z') && text.as_bytes()[19] == b'.'
}

/// The row of a task that nobody has touched.
fn untouched(id: &str) -> Value {
    json!({
        "id": id, "taskType": "render", "status": "pending", "metadata": null, "params": null, "result": null, "error": null,
        "progressHistory": null, "timeoutSeconds": 86400, "workerId": null, "originalTaskId": null, "retryCount": 0,
        "createdAt": "*", "updatedAt": "*", "startedAt": null, "completedAt": null, "timeoutAt": "*",
    })
}

fn with(mut row: Value, changes: Value) -> Value {
    row.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    row
}

async fn a_task_is_created_and_read(app: TestApp) {
    for route in ["POST /api/v1/tasks", "POST /api/v1/tasks/"] {
        let made = post(&app, route, &[], json!({"taskType": "render"})).await.expect(201);
        let id = made["taskId"].as_str().unwrap().to_owned();
        assert!(id.len() == 24 && id.starts_with(|c: char| c.is_ascii_lowercase()), "{id}");
        assert!(is_stamp(&made["createdAt"]) && is_stamp(&made["timeoutAt"]), "{made}");
        let expected = json!({"taskId": id, "status": "pending", "createdAt": "*", "timeoutAt": "*"});
        assert_eq!(normalised(made.clone(), &["createdAt", "timeoutAt"]), expected);
        let read = row(&app, &id).await;
        assert_eq!((&read["createdAt"], &read["timeoutAt"]), (&made["createdAt"], &made["timeoutAt"]));
        assert_eq!(normalised(read, &TIMES), untouched(&id));
    }
    let full = json!({
        "taskId": "mine", "taskType": "render", "metadata": {"k": [1, null]}, "params": {"frames": 3}, "timeoutSeconds": 60,
        "more": "is let be",
    });
    assert_eq!(create(&app, full.clone()).await, "mine");
    let given = json!({"metadata": {"k": [1, null]}, "params": {"frames": 3}, "timeoutSeconds": 60});
    let read = row(&app, "mine").await;
    let at = |name: &str| chrono::DateTime::parse_from_rfc3339(read[name].as_str().unwrap()).unwrap();
    assert_eq!(at("timeoutAt") - at("createdAt"), chrono::TimeDelta::seconds(60));
    assert_eq!(normalised(read, &TIMES), with(untouched("mine"), given));
    let again = post(&app, "POST /api/v1/tasks", &[], full).await;
    again.is(409, refusal(409, "Conflict", "Task mine already exists"));
    app.stop().await;
}

async fn a_task_is_started_reports_and_is_completed(app: TestApp) {
    let id = create(&app, json!({"taskType": "render"})).await;
    let early = act(&app, PROGRESS, &id, json!({"progress": {"p": 1}})).await;
    early.is(400, refusal(400, "Bad Request", &format!("Cannot update progress for task {id}, status: pending")));
    let early = act(&app, COMPLETE, &id, json!({"workerId": "w1", "result": {}})).await;
    early.is(400, refusal(400, "Bad Request", &format!("Task {id} cannot be completed, current status: pending")));
    let started = act(&app, START, &id, json!({"workerId": "w1"})).await.expect(201);
    assert!(is_stamp(&started["updatedAt"]));
    let expected = json!({"taskId": id, "status": "in_progress", "updatedAt": "*"});
    assert_eq!(normalised(started, &["updatedAt"]), expected);
    let twice = act(&app, START, &id, json!({"workerId": "w1"})).await;
    twice.is(400, refusal(400, "Bad Request", &format!("Task {id} cannot be started, current status: in_progress")));
    for n in 1..=2 {
        let told = act(&app, PROGRESS, &id, json!({"progress": {"percent": n * 50}})).await.expect(201);
        assert!(is_stamp(&told["timestamp"]));
        assert_eq!(normalised(told, &["timestamp"]), json!({"taskId": id, "seqId": n, "timestamp": "*"}));
    }
    let running = json!({"status": "in_progress", "workerId": "w1", "startedAt": "*"});
    let read = normalised(row(&app, &id).await, &[TIMES.as_slice(), &["startedAt"]].concat());
    assert_eq!(read, with(untouched(&id), running));
    let done = act(&app, COMPLETE, &id, json!({"workerId": "w1", "result": {"url": "x"}})).await.expect(201);
    let expected = json!({"taskId": id, "status": "completed", "updatedAt": "*"});
    assert_eq!(normalised(done, &["updatedAt"]), expected);
    let mut read = normalised(row(&app, &id).await, &[TIMES.as_slice(), &["startedAt", "completedAt"]].concat());
    for entry in read["progressHistory"].as_array_mut().unwrap() {
        assert!(is_stamp(&entry["timestamp"]));
        entry["timestamp"] = json!("*");
    }
    let completed = json!({
        "status": "completed", "workerId": "w1", "startedAt": "*", "completedAt": "*", "result": {"url": "x"},
        "progressHistory": [
            {"seqId": 1, "percent": 50, "timestamp": "*"}, {"seqId": 2, "percent": 100, "timestamp": "*"},
        ],
    });
    assert_eq!(read, with(untouched(&id), completed));
    for (route, message) in [
        (START, "cannot be started, current status"),
        (COMPLETE, "cannot be completed, current status"),
        (FAIL, "cannot be failed, current status"),
        (RELEASE, "cannot be released, current status"),
        (TIMEOUT, "already finished with status"),
    ] {
        let refused = act(&app, route, &id, json!({"workerId": "other"})).await;
        refused.is(400, refusal(400, "Bad Request", &format!("Task {id} {message}: completed")));
    }
    let refused = act(&app, RETRY, &id, json!({})).await;
    let message = "Only failed or timed-out tasks can be retried, current status: completed";
    refused.is(400, refusal(400, "Bad Request", message));
    app.stop().await;
}

async fn a_failure_keeps_its_error_and_is_retried_in_a_chain(app: TestApp) {
    let first =
        create(&app, json!({"taskType": "render", "params": {"a": 1}, "metadata": {"b": 2}, "timeoutSeconds": 99}))
            .await;
    let mut id = first.clone();
    for count in 1..=2 {
        act(&app, START, &id, json!({"workerId": "w1"})).await.expect(201);
        let error = json!({"message": "no disk", "code": 28});
        let failed = act(&app, FAIL, &id, json!({"workerId": "w1", "error": error})).await.expect(201);
        let expected = json!({"taskId": id, "status": "failed", "updatedAt": "*"});
        assert_eq!(normalised(failed, &["updatedAt"]), expected);
        let read = row(&app, &id).await;
        assert_eq!((&read["error"], &read["result"], &read["progressHistory"]), (&error, &json!(null), &json!([])));
        let retried = act(&app, RETRY, &id, json!({})).await.expect(201);
        let next = retried["newTaskId"].as_str().unwrap().to_owned();
        assert!(next.len() == 24 && next != id);
        assert_eq!(
            retried,
            json!({"newTaskId": next, "originalTaskId": first, "status": "pending", "retryCount": count})
        );
        let copied = json!({
            "params": {"a": 1}, "metadata": {"b": 2}, "timeoutSeconds": 99, "originalTaskId": first, "retryCount": count,
        });
        assert_eq!(normalised(row(&app, &next).await, &TIMES), with(untouched(&next), copied));
        assert_eq!(row(&app, &id).await["status"], "failed", "the old one stays");
        id = next;
    }
    app.stop().await;
}

async fn workers_claim_the_oldest_task_and_give_it_back(app: TestApp) {
    let claim = async |types: Value, worker: &str| {
        post(&app, CLAIM, &[], json!({"taskTypes": types, "workerId": worker})).await.expect(201)
    };
    assert_eq!(claim(json!(["render"]), "w1").await, json!(null));
    let oldest = create(&app, json!({"taskType": "render"})).await;
    let newer = create(&app, json!({"taskType": "render"})).await;
    create(&app, json!({"taskType": "other"})).await;
    let claimed = claim(json!(["render", "unheard"]), "w1").await;
    let running = json!({"status": "in_progress", "workerId": "w1", "startedAt": "*"});
    let volatile = [TIMES.as_slice(), &["startedAt"]].concat();
    assert_eq!(normalised(claimed, &volatile), with(untouched(&oldest), running));
    act(&app, PROGRESS, &oldest, json!({"progress": {"p": 1}})).await.expect(201);
    let deadline = row(&app, &oldest).await["timeoutAt"].clone();
    let stranger = act(&app, RELEASE, &oldest, json!({"workerId": "w2"})).await;
    let message = format!("Worker w2 is not authorized to release task {oldest}");
    stranger.is(403, refusal(403, "Forbidden", &message));
    let released = act(&app, RELEASE, &oldest, json!({"workerId": "w1"})).await;
    let message = "Task released, 1 progress entries preserved";
    released.is(201, json!({"taskId": oldest, "status": "pending", "message": message}));
    let read = row(&app, &oldest).await;
    assert_eq!(read["timeoutAt"], deadline);
    assert_eq!(normalised(read, &TIMES), untouched(&oldest));
    assert_eq!(claim(json!(["render"]), "w2").await["id"], json!(oldest), "it keeps its place");
    let told = act(&app, PROGRESS, &oldest, json!({"progress": {"p": 2}})).await.expect(201);
    assert_eq!(told["seqId"], 2, "the numbers go on");
    assert_eq!(claim(json!(["render"]), "w3").await["id"], json!(newer));
    assert_eq!(claim(json!(["render"]), "w4").await, json!(null));
    for (body, word) in [
        (json!({"workerId": "w"}), "taskTypes"),
        (json!({"taskTypes": [], "workerId": "w"}), "taskTypes"),
        (json!({"taskTypes": ["a"]}), "workerId"),
    ] {
        let refused = post(&app, CLAIM, &[], body).await.expect(400);
        assert!(refused["message"].as_str().unwrap().contains(word), "{refused}");
        assert_eq!((&refused["error"], &refused["statusCode"]), (&json!("Bad Request"), &json!(400)));
    }
    act(&app, RELEASE, &newer, json!({})).await.is(400, refusal(400, "Bad Request", "workerId is required"));
    app.stop().await;
}

async fn who_does_not_hold_a_task_is_refused_after_its_status(app: TestApp) {
    let id = create(&app, json!({"taskType": "render"})).await;
    act(&app, START, &id, json!({"workerId": "w1"})).await.expect(201);
    for (route, verb) in [(COMPLETE, "complete"), (FAIL, "fail"), (RELEASE, "release")] {
        let refused = act(&app, route, &id, json!({"workerId": "w2"})).await;
        let message = format!("Worker w2 is not authorized to {verb} task {id}");
        refused.is(403, refusal(403, "Forbidden", &message));
    }
    // Who names nobody is not compared, on either side.
    act(&app, COMPLETE, &id, json!({"result": 1})).await.expect(201);
    let nameless = create(&app, json!({"taskType": "render"})).await;
    app.call(API, START, &[&nameless]).send().await.expect(201);
    assert_eq!(row(&app, &nameless).await["workerId"], json!(null));
    act(&app, COMPLETE, &nameless, json!({"workerId": "anybody"})).await.expect(201);
    assert_eq!(row(&app, &nameless).await["result"], json!(null));
    app.stop().await;
}

async fn a_task_times_out_on_request_and_past_its_deadline(app: TestApp) {
    let (pending, running) =
        (create(&app, json!({"taskType": "render"})).await, create(&app, json!({"taskType": "render"})).await);
    act(&app, START, &running, json!({"workerId": "w1"})).await.expect(201);
    for id in [&pending, &running] {
        let done = act(&app, TIMEOUT, id, json!({})).await.expect(201);
        assert_eq!(normalised(done, &["updatedAt"]), json!({"taskId": id, "status": "timeout", "updatedAt": "*"}));
        let read = row(&app, id).await;
        assert_eq!((&read["status"], &read["error"]), (&json!("timeout"), &json!(null)));
        assert!(is_stamp(&read["completedAt"]));
        act(&app, RETRY, id, json!({})).await.expect(201);
    }
    let refused = act(&app, COMPLETE, &running, json!({"workerId": "w1"})).await;
    let message = format!("Task {running} cannot be completed, current status: timeout");
    refused.is(400, refusal(400, "Bad Request", &message));
    let late = create(&app, json!({"taskType": "render", "timeoutSeconds": 1})).await;
    task_testkit::wait::until("it has timed out", std::time::Duration::from_secs(30), || async {
        let processed = app.call(API, "POST /api/v1/tasks/timeouts/process", &[]).send().await.expect(201);
        assert!(processed["processedCount"].is_u64() && processed.as_object().unwrap().len() == 1);
        row(&app, &late).await["status"] == "timeout"
    })
    .await;
    app.stop().await;
}

async fn unknown_tasks_and_bad_input_are_refused(app: TestApp) {
    let unknown = || refusal(404, "Not Found", "Task nobody not found");
    app.call(API, "GET /api/v1/tasks/{id}", &["nobody"]).send().await.is(404, unknown());
    for route in [START, COMPLETE, FAIL, TIMEOUT, RELEASE, RETRY] {
        act(&app, route, "nobody", json!({"workerId": "w"})).await.is(404, unknown());
    }
    act(&app, PROGRESS, "nobody", json!({"progress": {}})).await.is(404, unknown());
    // Tasks of other APIs are none of its own.
    let other = json!({"name": "x", "task_type": "echo", "task_id": "canonical"});
    app.call("task_service", "POST /api/v1/tasks", &[]).key("dev_api_key").json(other).send().await.expect(201);
    app.call(API, "GET /api/v1/tasks/{id}", &["canonical"])
        .send()
        .await
        .is(404, refusal(404, "Not Found", "Task canonical not found"));
    let id = create(&app, json!({"taskType": "render"})).await;
    act(&app, START, &id, json!({})).await.expect(201);
    for (route, body, field) in [
        ("POST /api/v1/tasks", json!({}), "taskType"),
        ("POST /api/v1/tasks", json!({"taskType": ""}), "taskType"),
        ("POST /api/v1/tasks", json!({"taskType": "a", "taskId": "x".repeat(65)}), "taskId"),
        ("POST /api/v1/tasks", json!({"taskType": "a", "timeoutSeconds": 0}), "timeoutSeconds"),
        ("POST /api/v1/tasks", json!({"taskType": "a", "params": [1]}), "params"),
        (PROGRESS, json!({}), "progress"),
        (PROGRESS, json!({"progress": "half"}), "progress"),
        (PROGRESS, json!({"progress": {"big": "x".repeat(20_000)}}), "progress"),
        (FAIL, json!({"error": "a text"}), "error"),
        (COMPLETE, json!([1]), "body"),
    ] {
        let refused = post(&app, route, &[&id], body).await.expect(400);
        assert!(refused["message"].as_str().unwrap().starts_with(field), "{route}: {refused}");
        assert_eq!((&refused["error"], &refused["statusCode"]), (&json!("Bad Request"), &json!(400)));
    }
    app.call(API, "GET /nowhere", &[]).send().await.is(404, refusal(404, "Not Found", "Not Found"));
    let wrong = app.call(API, "DELETE /api/v1/tasks/{id}", &["x"]).send().await;
    wrong.is(405, refusal(405, "Method Not Allowed", "Method Not Allowed"));
    app.stop().await;
}

/// The stream's own tests are in `task_tracker_streams`.
#[tokio::test(flavor = "multi_thread")]
async fn an_unknown_tasks_stream_is_one_error() {
    let app = TestApp::sqlite(&[]).await;
    let answer = app.call(API, "GET /api/v1/tasks/{id}/track", &["nobody"]).send().await;
    assert_eq!(answer.headers["content-type"], "text/event-stream");
    answer.is(200, json!("event: error\ndata: Task nobody not found\n\n"));
    app.stop().await;
}
