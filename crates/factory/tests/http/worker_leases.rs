//! Leases that run out under their worker. These tests take as long as the shortest lease, 5 s.

use serde_json::json;

use crate::support::{TestApp, on_both_engines};
use crate::worker_control::{listen, next_event};

on_both_engines!(a_worker_that_let_its_lease_run_out_learns_who_has_the_run);

const HEARTBEAT: &str = "POST /api/v1/tasks/{task_id}/heartbeat";
const COMPLETE: &str = "POST /api/v1/tasks/{task_id}/complete";

async fn a_worker_that_let_its_lease_run_out_learns_who_has_the_run(app: TestApp) {
    let (mut stream, mut text) = listen(&app).await;
    let id = app.queue("render", json!({})).await;
    let frozen = app.claim(json!({"task_types": ["render"], "worker_id": "w1", "lease_seconds": 5})).await.remove(0);
    let (event, data) = next_event(&mut stream, &mut text).await;
    assert_eq!((event.as_str(), &data["task_id"], &data["reason"]), ("lease_lost", &json!(id), &json!("expired")));
    assert_eq!(data["execution_id"], frozen["execution_id"]);
    assert_eq!(app.report(HEARTBEAT, &frozen, json!({})).await.expect(409)["reason"], "expired");
    let other = app.claim(json!({"task_types": ["render"], "worker_id": "w2", "wait_seconds": 30})).await.remove(0);
    assert_eq!((&other["task"]["task_id"], &other["attempt"]), (&json!(id), &json!(2)));
    for (route, body) in [(HEARTBEAT, json!({})), (COMPLETE, json!({"result": "late"}))] {
        assert_eq!(app.report(route, &frozen, body).await.expect(409)["reason"], "reclaimed", "{route}");
    }
    app.report(COMPLETE, &other, json!({"result": "right"})).await.expect(200);
    let task = app.call("GET /api/v1/tasks/{task_id}", &[&id]).key().send().await.expect(200);
    assert_eq!(task["last_result"], "right");
    drop(stream);
    app.stop().await;
}
