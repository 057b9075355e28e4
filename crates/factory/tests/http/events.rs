//! The event stream, and that events are the committed changes.

use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json};

use crate::support::{Call, TestApp, echo, on_both_engines};

on_both_engines!(
    a_run_is_told_in_order,
    who_listens_before_the_first_event_hears_it,
    a_stream_resumes_after_a_position,
    types_and_users_are_filtered,
    a_subscriber_learns_how_far_it_is_past_what_is_not_its_own,
);

/// Reads frames until `enough` says so: (event, position, payload).
pub(crate) async fn frames(call: Call, enough: impl Fn(&[(String, i64, Value)]) -> bool) -> Vec<(String, i64, Value)> {
    let response = call.stream().await;
    assert_eq!(response.status().as_u16(), 200);
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    assert_eq!(response.headers()["cache-control"], "no-cache, no-transform");
    assert_eq!(response.headers()["x-accel-buffering"], "no");
    let mut bytes = response.bytes_stream();
    let (mut text, mut seen) = (String::new(), Vec::new());
    let read = async {
        while !enough(&seen) {
            text.push_str(std::str::from_utf8(&bytes.next().await.expect("the stream goes on").unwrap()).unwrap());
            while let Some(end) = text.find("\n\n") {
                let frame: String = text.drain(..end + 2).collect();
                let field = |name: &str| {
                    frame.lines().find_map(|line| line.strip_prefix(&format!("{name}: "))).map(str::to_owned)
                };
                if let (Some(event), Some(id), Some(data)) = (field("event"), field("id"), field("data")) {
                    seen.push((event, id.parse().unwrap(), serde_json::from_str(&data).unwrap()));
                }
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), read).await.expect("the frames come");
    seen
}

fn names(frames: &[(String, i64, Value)]) -> Vec<&str> {
    frames.iter().map(|(name, _, _)| name.as_str()).collect()
}

async fn a_run_is_told_in_order(app: TestApp) {
    let id = app.create(echo()).await;
    app.call("POST /api/v1/tasks/{task_id}/execute", &[&id]).user("ann").send().await.expect(200);
    let seen =
        frames(app.call("GET /api/v1/events", &[]).user("ann").query(&[("after", "0")]), |seen| seen.len() >= 5).await;
    assert_eq!(
        names(&seen),
        ["task.created", "task.status_changed", "task.status_changed", "task.executed", "task.status_changed"]
    );
    for (n, (_, position, payload)) in seen.iter().enumerate() {
        assert_eq!((*position, &payload["seq"]), (n as i64 + 1, &json!(n + 1)));
        assert_eq!(
            (&payload["task_id"], &payload["user_id"], &payload["tenant_id"], &payload["origin"]),
            (&json!(id), &json!("ann"), &json!("default"), &json!("task_service"))
        );
        assert!(payload["event_id"].is_string() && payload["occurred_at"].as_str().unwrap().ends_with('Z'));
    }
    let moves: Vec<_> = seen
        .iter()
        .filter(|f| f.0 == "task.status_changed")
        .map(|f| (f.2["old_status"].as_str().unwrap(), f.2["new_status"].as_str().unwrap()))
        .collect();
    assert_eq!(moves, [("pending", "queued"), ("queued", "running"), ("running", "completed")]);
    let executed = &seen[3].2;
    assert_eq!(
        (&executed["status"], &executed["attempt"], &executed["trigger_type"], &executed["task_type"]),
        (&json!("completed"), &json!(1), &json!("manual"), &json!("echo"))
    );
    app.stop().await;
}

async fn who_listens_before_the_first_event_hears_it(app: TestApp) {
    let mut open = app.call("GET /api/v1/events", &[]).key().query(&[("after", "0")]).stream().await;
    assert_eq!(open.status().as_u16(), 200);
    let id = app.create(echo()).await;
    let mut text = String::new();
    let read = async {
        while !text.contains("event: task.created\nid: 1\n") || !text.contains(&id) {
            let bytes = open.chunk().await.unwrap().expect("the stream goes on");
            text.push_str(std::str::from_utf8(&bytes).unwrap());
        }
    };
    tokio::time::timeout(Duration::from_secs(30), read).await.expect("the event comes");
    app.stop().await;
}

async fn a_stream_resumes_after_a_position(app: TestApp) {
    for _ in 0..3 {
        app.create(echo()).await;
    }
    let all = frames(app.call("GET /api/v1/events", &[]).key().query(&[("after", "0")]), |seen| seen.len() >= 3).await;
    let rest = frames(
        app.call("GET /api/v1/events", &[]).key().query(&[("after", "0")]).header("Last-Event-ID", "1"),
        |seen| seen.len() >= 2,
    )
    .await;
    assert_eq!(rest, all[1..]);
    app.call("GET /api/v1/events", &[]).key().query(&[("after", "-1")]).send().await.expect(422);
    app.call("GET /api/v1/events", &[]).key().query(&[("types", "task.imagined")]).send().await.expect(422);
    app.stop().await;
}

async fn types_and_users_are_filtered(app: TestApp) {
    let id = app.create(echo()).await;
    app.call("POST /api/v1/tasks", &[]).user("bob").json(echo()).send().await.expect(201);
    app.call("PATCH /api/v1/tasks/{task_id}", &[&id])
        .user("ann")
        .json(json!({"name": "New", "tags": ["x"]}))
        .send()
        .await
        .expect(200);
    app.call("DELETE /api/v1/tasks/{task_id}", &[&id]).user("ann").send().await.expect(200);
    let query = [("after", "0"), ("types", "task.updated,task.deleted")];
    let seen = frames(app.call("GET /api/v1/events", &[]).user("ann").query(&query), |seen| seen.len() >= 2).await;
    assert_eq!(names(&seen), ["task.updated", "task.deleted"]);
    assert_eq!(seen[0].2["updated_fields"], json!(["name", "tags"]));
    let bobs =
        frames(app.call("GET /api/v1/events", &[]).user("bob").query(&[("after", "0")]), |seen| !seen.is_empty()).await;
    assert_eq!(bobs[0].2["user_id"], json!("bob"));
    app.stop().await;
}

/// The position that the first frame without an event tells.
async fn position_told(call: Call) -> i64 {
    let mut response = call.stream().await;
    let mut text = String::new();
    let read = async {
        loop {
            let bytes = response.chunk().await.unwrap().expect("the stream goes on");
            text.push_str(std::str::from_utf8(&bytes).unwrap());
            assert!(!text.contains("event: "), "{text}");
            if let Some((position, _)) = text.split("\n\nid: ").nth(1).and_then(|rest| rest.split_once("\n\n")) {
                return position.parse().unwrap();
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), read).await.expect("the frame comes")
}

async fn a_subscriber_learns_how_far_it_is_past_what_is_not_its_own(app: TestApp) {
    for _ in 0..3 {
        app.create(echo()).await;
    }
    let events = || app.call("GET /api/v1/events", &[]);
    frames(events().key().query(&[("after", "0")]), |seen| seen.len() >= 3).await;
    assert_eq!(position_told(events().user("bob").query(&[("after", "0")])).await, 3, "none of them is Bob's");
    let query = [("after", "1"), ("types", "task.deleted")];
    assert_eq!(position_told(events().user("ann").query(&query)).await, 3, "none of them is a deletion");
    assert_eq!(position_told(events().user("ann")).await, 3, "where now is");
    app.stop().await;
}
