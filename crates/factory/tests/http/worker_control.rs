//! The control stream of workers, and the overviews.

use std::time::Duration;

use reqwest::Response;
use serde_json::{Value, json};

use crate::support::{TestApp, on_both_engines};

on_both_engines!(
    a_worker_is_told_at_once_what_is_taken_from_it,
    a_worker_is_told_when_the_instance_shuts_down,
    a_control_stream_is_for_keys_only,
    the_overviews_show_who_works_and_on_how_much,
);

const CONTROL: &str = "GET /api/v1/workers/{worker_id}/control";

/// The next frame with an event, as (event, data).
pub(crate) async fn next_event(stream: &mut Response, text: &mut String) -> (String, Value) {
    let read = async {
        loop {
            while let Some(end) = text.find("\n\n") {
                let frame: String = text.drain(..end + 2).collect();
                let field = |name: &str| frame.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                if let (Some(event), Some(data)) = (field("event: "), field("data: ")) {
                    return (event, serde_json::from_str(&data).unwrap());
                }
            }
            let bytes = stream.chunk().await.unwrap().expect("the stream goes on");
            text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    };
    tokio::time::timeout(Duration::from_secs(30), read).await.expect("a frame comes")
}

/// Listens as `w1`; the stream has begun when this returns.
pub(crate) async fn listen(app: &TestApp) -> (Response, String) {
    let mut stream = app.call(CONTROL, &["w1"]).key().stream().await;
    assert_eq!(stream.status().as_u16(), 200);
    assert_eq!(stream.headers()["content-type"], "text/event-stream");
    let first = stream.chunk().await.unwrap().expect("a comment at once");
    assert!(first.starts_with(b":"));
    (stream, String::new())
}

async fn a_worker_is_told_at_once_what_is_taken_from_it(app: TestApp) {
    let (mut stream, mut text) = listen(&app).await;
    let id = app.queue("render", json!({})).await;
    let claim = app.claim_one("render").await;
    let why = json!({"reason": "not needed any more"});
    app.call("POST /api/v1/tasks/{task_id}/cancel", &[&id]).key().json(why).send().await.expect(200);
    let (event, data) = next_event(&mut stream, &mut text).await;
    assert_eq!(event, "cancel");
    let told = json!({"task_id": id, "execution_id": claim["execution_id"], "reason": "cancelled", "message": "not needed any more"});
    assert_eq!(data, told);
    let id = app.queue("render", json!({})).await;
    app.claim_one("render").await;
    app.call("DELETE /api/v1/tasks/{task_id}", &[&id]).key().send().await.expect(200);
    let (event, data) = next_event(&mut stream, &mut text).await;
    assert_eq!((event.as_str(), &data["task_id"], &data["reason"]), ("cancel", &json!(id), &json!("cancelled")));
    // What its worker ends itself, or another worker holds, is not told; a deadline is.
    app.queue("render", json!({})).await;
    let own = app.claim_one("render").await;
    app.report("POST /api/v1/tasks/{task_id}/complete", &own, json!({"result": 1})).await.expect(200);
    let others = app.queue("render", json!({})).await;
    assert_eq!(app.claim(json!({"task_types": ["render"], "worker_id": "w2"})).await.len(), 1);
    app.call("POST /api/v1/tasks/{task_id}/cancel", &[&others]).key().send().await.expect(200);
    let id = app.queue("render", json!({"timeout_seconds": 1})).await;
    let late = app.claim_one("render").await;
    let (event, data) = next_event(&mut stream, &mut text).await;
    assert_eq!((event.as_str(), &data["task_id"], &data["reason"]), ("lease_lost", &json!(id), &json!("expired")));
    let refused = app.report("POST /api/v1/tasks/{task_id}/heartbeat", &late, json!({})).await.expect(409);
    assert_eq!(refused["reason"], json!("expired"));
    drop(stream);
    app.stop().await;
}

async fn a_worker_is_told_when_the_instance_shuts_down(app: TestApp) {
    let (mut stream, mut text) = listen(&app).await;
    let ((event, _), ()) = tokio::join!(next_event(&mut stream, &mut text), app.stop());
    assert_eq!(event, "drain");
}

async fn a_control_stream_is_for_keys_only(app: TestApp) {
    app.call(CONTROL, &["w1"]).user("ann").send().await.expect(403);
    app.call(CONTROL, &["w1"]).send().await.expect(401);
    app.call(CONTROL, &["a%0Ab"]).key().send().await.expect(422);
    app.stop().await;
}

async fn the_overviews_show_who_works_and_on_how_much(app: TestApp) {
    for route in ["GET /api/v1/workers", "GET /api/v1/queues"] {
        app.call(route, &[]).user("ann").send().await.expect(403);
    }
    for _ in 0..4 {
        app.queue("render", json!({})).await;
    }
    app.queue("print", json!({})).await;
    let done = app.claim_one("render").await;
    app.report("POST /api/v1/tasks/{task_id}/complete", &done, json!({"result": 1})).await.expect(200);
    let failed = app.claim_one("render").await;
    app.report("POST /api/v1/tasks/{task_id}/fail", &failed, json!({"error": "x"})).await.expect(200);
    let delayed = app.claim_one("print").await;
    app.report("POST /api/v1/tasks/{task_id}/release", &delayed, json!({"delay_seconds": 600})).await.expect(200);
    let held = app.claim_one("render").await;
    let waits = app.claim(json!({"task_types": ["paint"], "worker_id": "w9", "wait_seconds": 30}));
    let look = async {
        task_testkit::wait::until("it waits", Duration::from_secs(20), || async {
            let workers = app.call("GET /api/v1/workers", &[]).key().send().await.expect(200);
            workers["workers"].as_array().unwrap().iter().any(|w| w["worker_id"] == "w9" && w["waiting"] == 1)
        })
        .await;
        app.call("GET /api/v1/workers", &[]).key().send().await.expect(200)
    };
    let workers = tokio::select! {
        workers = look => workers,
        _ = waits => panic!("there is nothing to paint"),
    };
    let worker = &workers["workers"][0];
    assert_eq!((&worker["worker_id"], &worker["claims"].as_array().unwrap().len()), (&json!("w1"), &1));
    assert_eq!(worker["claims"][0]["task_id"], held["task"]["task_id"]);
    assert!(worker["claims"][0]["lease_expires_in_ms"].as_i64().unwrap() > 30_000);
    assert_eq!(workers["workers"][1]["waiting_for"], json!(["paint"]));
    let queues = app.call("GET /api/v1/queues", &[]).key().send().await.expect(200);
    let queue = |name: &str| {
        let all = queues["queues"].as_array().unwrap();
        all.iter().find(|queue| queue["task_type"] == name).unwrap_or_else(|| panic!("{queues}")).clone()
    };
    let render = queue("render");
    assert_eq!(render["depth"], json!({"claimable": 1, "delayed": 0, "parked": 0, "running": 1}));
    assert!(render["oldest_age_seconds"].as_f64().unwrap() < 60.0);
    assert_eq!(render["completed"], json!({"last_minute": 1, "last_5_minutes": 1}));
    assert_eq!(render["failed"], json!({"last_minute": 1, "last_5_minutes": 1}));
    assert_eq!(queue("print")["depth"], json!({"claimable": 0, "delayed": 1, "parked": 0, "running": 0}));
    let metrics = app.call("GET /metrics", &[]).send().await.body;
    let metrics = metrics.as_str().unwrap();
    let depth = r#"task_service_queue_depth{handler="worker",state="claimable",task_type="render"} 1"#;
    assert!(metrics.contains(depth) && metrics.contains("task_service_live_leases 1"), "{metrics}");
    app.stop().await;
}
