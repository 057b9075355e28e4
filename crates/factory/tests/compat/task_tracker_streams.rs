//! The Task Tracker's streams: frames, positions, and many listeners that are cut off.

use std::time::Duration;

use futures::StreamExt;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::support::{TestApp, on_both_engines};
use crate::task_tracker::post;

on_both_engines!(
    &[];
    a_finished_task_is_told_whole_and_from_every_position,
    five_hundred_listeners_of_fifty_tasks_miss_and_repeat_nothing,
);

const API: &str = "task_tracker";
const TRACK: &str = "GET /api/v1/tasks/{id}/track";
const TASKS: usize = 50;
const ENTRIES: i64 = 10;

/// Id and data of each frame, until the stream ends or `most` have come.
async fn listen(app: &TestApp, id: &str, query: &str, most: usize) -> Vec<(String, Value)> {
    let response = app.client().get(format!("{}/api/v1/tasks/{id}/track?{query}", app.base(API))).send().await.unwrap();
    assert_eq!(response.status(), 200);
    let (mut bytes, mut text, mut frames) = (response.bytes_stream(), String::new(), Vec::new());
    let read = async {
        while frames.len() < most
            && let Some(chunk) = bytes.next().await
        {
            text.push_str(std::str::from_utf8(&chunk.unwrap()).unwrap());
            while let Some(end) = text.find("\n\n")
                && frames.len() < most
            {
                let frame: String = text.drain(..end + 2).collect();
                assert!(!frame.contains("event: "), "{frame}");
                let field = |name: &str| frame.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
                if let Some((id, data)) = field("id: ").zip(field("data: ")) {
                    frames.push((id, serde_json::from_str(&data).unwrap()));
                }
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(60), read).await.expect("frames, or the end");
    frames
}

async fn create(app: &TestApp, id: &str) {
    post(app, "POST /api/v1/tasks", &[], json!({"taskId": id, "taskType": "t"})).await.expect(201);
    post(app, "POST /api/v1/tasks/{id}/start", &[id], json!({"workerId": "w"})).await.expect(201);
}

async fn report(app: &TestApp, id: &str, n: i64) {
    let body = json!({"progress": {"n": n}});
    post(app, "POST /api/v1/tasks/{id}/progress", &[id], body).await.expect(201);
}

async fn complete(app: &TestApp, id: &str) {
    let body = json!({"workerId": "w", "result": {"ok": true}});
    post(app, "POST /api/v1/tasks/{id}/complete", &[id], body).await.expect(201);
}

async fn a_finished_task_is_told_whole_and_from_every_position(app: TestApp) {
    create(&app, "one").await;
    for n in 1..=3 {
        report(&app, "one", n).await;
    }
    complete(&app, "one").await;
    let mut whole = listen(&app, "one", "", usize::MAX).await;
    let frames = whole.clone();
    for (_, data) in &mut whole {
        assert_eq!(data["timestamp"].as_str().unwrap().len(), 24);
        data["timestamp"] = json!("*");
    }
    let progress = |n: i64| {
        (n.to_string(), json!({"event": "progress", "data": {"seqId": n, "n": n}, "taskId": "one", "timestamp": "*"}))
    };
    let end = json!({
        "event": "status_change", "data": {"status": "completed", "result": {"ok": true}}, "taskId": "one", "timestamp": "*",
    });
    assert_eq!(whole, [progress(1), progress(2), progress(3), ("3".into(), end)]);
    for n in 0..=4usize {
        let query = format!("afterSeqId={n}&ignoreHistory=true");
        let after: Vec<Value> =
            listen(&app, "one", &query, usize::MAX).await.into_iter().map(|(_, data)| data).collect();
        let rest: Vec<Value> = frames[n.min(3)..].iter().map(|(_, data)| data.clone()).collect();
        assert_eq!(after, rest, "after {n}");
        let resumed = app.call(API, TRACK, &["one"]).header("Last-Event-ID", &n.to_string()).send().await;
        let seen = resumed.body.as_str().unwrap().matches("\ndata: ").count();
        assert_eq!(seen, rest.len(), "resumed after {n}");
    }
    for (query, count) in [("ignoreHistory=true", 1), ("ignoreHistory=1", 4), ("ignoreHistory=TRUE", 4)] {
        assert_eq!(listen(&app, "one", query, usize::MAX).await.len(), count, "{query}");
    }
    let refused = app.call(API, TRACK, &["one"]).query("afterSeqId=x").send().await.expect(400);
    assert_eq!(refused["message"], "afterSeqId must be a whole number, 0 or more");
    post(&app, "POST /api/v1/tasks", &[], json!({"taskId": "two", "taskType": "t"})).await.expect(201);
    post(&app, "POST /api/v1/tasks/{id}/start", &["two"], json!({})).await.expect(201);
    let error = json!({"message": "no", "code": 7});
    post(&app, "POST /api/v1/tasks/{id}/fail", &["two"], json!({"error": error})).await.expect(201);
    let failed = listen(&app, "two", "", usize::MAX).await;
    assert_eq!((failed.len(), &failed[0].1["data"]), (1, &json!({"status": "failed", "error": error})));
    app.stop().await;
}

/// Ten listeners each, cut off at random and coming back with `afterSeqId`, while the work goes on.
async fn five_hundred_listeners_of_fifty_tasks_miss_and_repeat_nothing(app: TestApp) {
    let ids: Vec<String> = (0..TASKS).map(|n| format!("t{n}")).collect();
    join_all(ids.iter().map(|id| create(&app, id))).await;
    let work = ids.iter().map(async |id| {
        for n in 1..=ENTRIES {
            report(&app, id, n).await;
        }
        complete(&app, id).await;
    });
    let listeners = (0..TASKS * 10).map(|listener| {
        let (app, id) = (&app, &ids[listener % TASKS]);
        async move {
            let mut dice = listener as u32;
            let (mut heard, mut last) = (Vec::new(), 0);
            loop {
                dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                let frames = listen(app, id, &format!("afterSeqId={last}"), 1 + (dice >> 30) as usize * 3).await;
                for (_, data) in frames {
                    if data["event"] == "status_change" {
                        return (heard, data["data"]["status"].clone());
                    }
                    last = data["data"]["seqId"].as_i64().unwrap();
                    heard.push(last);
                }
            }
        }
    });
    let (_, heard) = tokio::join!(join_all(work), join_all(listeners));
    for (heard, status) in heard {
        assert_eq!((heard, status), ((1..=ENTRIES).collect(), json!("completed")));
    }
    app.stop().await;
}
