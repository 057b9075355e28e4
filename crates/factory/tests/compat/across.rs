//! What an old client makes is an ordinary task: the canonical API sees, streams, counts and cancels it, tells its
//! events, and has its own workers do it.

use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json};

use crate::support::{TestApp, on_both_engines};

/// What differs between the APIs.
struct Old {
    api: &'static str,
    create: (&'static str, Value),
    read: &'static str,
    /// The key of a task's id.
    id: &'static str,
    /// Status of a cancelled task, and its error where the document says one.
    cancelled: (&'static str, Option<Value>),
    /// Where the result of a completed one is; `None` where our executor does the work.
    result: Option<&'static str>,
}

fn old(api: &str) -> Old {
    match api {
        "task_repository" => Old {
            api: "task_repository",
            create: (
                "POST /api/v1/tasks",
                json!({"task_type": "render", "request": {}, "template": {"service_type": "x"}}),
            ),
            read: "GET /api/v1/tasks/{task_id}",
            id: "task_id",
            cancelled: ("canceled", Some(Value::Null)),
            result: Some("results"),
        },
        "task_management" => Old {
            api: "task_management",
            create: ("POST /tasks/", json!({"title": "t", "conversations": [{"content": "a"}]})),
            read: "GET /tasks/{task_id}",
            id: "id",
            cancelled: ("cancelled", None),
            result: None,
        },
        "seedcore" => Old {
            api: "seedcore",
            create: ("POST /api/v1/tasks", json!({"type": "render", "run_immediately": true})),
            read: "GET /api/v1/tasks/{task_id}",
            id: "id",
            cancelled: ("cancelled", None),
            result: Some("result"),
        },
        "task_tracker" => Old {
            api: "task_tracker",
            create: ("POST /api/v1/tasks", json!({"taskType": "render"})),
            read: "GET /api/v1/tasks/{id}",
            id: "taskId",
            cancelled: ("failed", Some(json!({"message": "cancelled"}))),
            result: Some("result"),
        },
        other => panic!("no drop-in API is called {other}"),
    }
}

/// Makes a task there: its id there, and its canonical one.
async fn create(app: &TestApp, old: &Old) -> (String, String) {
    let call = app.call(old.api, old.create.0, &[]).key("dev_api_key").json(old.create.1.clone());
    let made = call.send().await.body;
    let id = made[old.id].as_str().map_or_else(|| made[old.id].to_string(), str::to_owned);
    let listed = listed(app, &format!("origin={}", old.api)).await;
    (id, listed["tasks"][0]["task_id"].as_str().unwrap_or_else(|| panic!("{made}: {listed}")).to_owned())
}

async fn listed(app: &TestApp, query: &str) -> Value {
    let call = app.call("task_service", "GET /api/v1/tasks", &[]).key("dev_api_key");
    call.query(&format!("{query}&include_total=true")).send().await.expect(200)
}

async fn read(app: &TestApp, old: &Old, id: &str) -> Value {
    app.call(old.api, old.read, &[id]).key("dev_api_key").send().await.expect(200)
}

async fn act(app: &TestApp, route: &str, id: &str, body: Value) -> Value {
    app.call("task_service", route, &[id]).key("dev_api_key").json(body).send().await.expect(200)
}

/// Payloads of the event stream from its beginning, until one is the task's move to `status`.
async fn events(app: &TestApp, task_id: &str, status: &str) -> Vec<Value> {
    let url = format!("{}/api/v1/events?after=0", app.base("task_service"));
    let response = app.client().get(url).header("X-API-Key", "dev_api_key").send().await.unwrap();
    assert_eq!(response.status(), 200);
    let (mut bytes, mut text, mut seen) = (response.bytes_stream(), String::new(), Vec::new());
    let read = async {
        loop {
            text.push_str(std::str::from_utf8(&bytes.next().await.expect("it goes on").unwrap()).unwrap());
            while let Some(end) = text.find("\n\n") {
                let frame: String = text.drain(..end + 2).collect();
                let Some(data) = frame.lines().find_map(|line| line.strip_prefix("data: ")) else { continue };
                let event: Value = serde_json::from_str(data).unwrap();
                if event["task_id"] != task_id {
                    continue;
                }
                let is_last = event["new_status"] == status;
                seen.push(event);
                if is_last {
                    return;
                }
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), read).await.expect("the events come");
    seen
}

async fn seen_watched_cancelled_and_counted(app: TestApp, api: &str) {
    let old = old(api);
    let (id, task_id) = create(&app, &old).await;
    let seen = app.canonical(&task_id).await;
    assert_eq!((&seen["origin"], &seen["status"]), (&json!(api), &json!("queued")));
    let counted = listed(&app, &format!("origin={api}&status=queued")).await;
    assert_eq!((&counted["total"], &counted["count"]), (&json!(1), &json!(1)));
    let track = format!("{}/api/v1/tasks/{task_id}/track", app.base("task_service"));
    let stream = app.client().get(track).header("X-API-Key", "dev_api_key").send().await.unwrap();
    assert_eq!(stream.status(), 200);
    act(&app, "POST /api/v1/tasks/{task_id}/cancel", &task_id, json!({"reason": "no need"})).await;
    let told = tokio::time::timeout(Duration::from_secs(30), stream.text()).await.expect("it ends").unwrap();
    assert!(told.contains("event: status_change") && told.contains("\"status\":\"cancelled\""), "{told}");
    let read = read(&app, &old, &id).await;
    assert_eq!(read["status"], old.cancelled.0, "{read}");
    if let Some(error) = old.cancelled.1 {
        assert_eq!(read["error"], error, "{read}");
    }
    let counted = listed(&app, &format!("origin={api}&status=cancelled")).await;
    assert_eq!(counted["total"], 1);
    let events = events(&app, &task_id, "cancelled").await;
    assert!(events.iter().all(|event| event["origin"] == api), "{events:?}");
    let seqs: Vec<_> = events.iter().map(|event| event["seq"].as_u64().unwrap()).collect();
    assert_eq!(seqs, (1..=seqs.len() as u64).collect::<Vec<_>>());
    app.stop().await;
}

async fn done_by_a_canonical_worker(app: TestApp, api: &str) {
    let old = old(api);
    let (id, task_id) = create(&app, &old).await;
    let claim = json!({"task_types": ["render"], "worker_id": "w"});
    let call = app.call("task_service", "POST /api/v1/tasks/claim", &[]).key("dev_api_key").json(claim);
    let claims = call.send().await.expect(200)["claims"].clone();
    assert_eq!((claims.as_array().unwrap().len(), &claims[0]["task"]["task_id"]), (1, &json!(task_id)));
    let token = &claims[0]["lease_token"];
    let report = json!({"lease_token": token, "progress": {"percent": 50}});
    act(&app, "POST /api/v1/tasks/{task_id}/progress", &task_id, report).await;
    let report = json!({"lease_token": token, "result": {"answer": 42}});
    act(&app, "POST /api/v1/tasks/{task_id}/complete", &task_id, report).await;
    let read = read(&app, &old, &id).await;
    assert_eq!((&read["status"], &read[old.result.unwrap()]), (&json!("completed"), &json!({"answer": 42})), "{read}");
    let events = events(&app, &task_id, "completed").await;
    assert!(events.iter().all(|event| event["origin"] == api), "{events:?}");
    app.stop().await;
}

macro_rules! of_each {
    ($($api:ident: $($name:ident),+;)+) => {
        $(mod $api {
            $(pub(super) async fn $name(app: crate::support::TestApp) { super::$name(app, stringify!($api)).await; })+
            super::on_both_engines!(&[("TASK_MANAGEMENT_CONCURRENCY", "0")]; $($name),+);
        })+
    };
}

of_each! {
    task_repository: seen_watched_cancelled_and_counted, done_by_a_canonical_worker;
    task_management: seen_watched_cancelled_and_counted;
    seedcore: seen_watched_cancelled_and_counted, done_by_a_canonical_worker;
    task_tracker: seen_watched_cancelled_and_counted, done_by_a_canonical_worker;
}
