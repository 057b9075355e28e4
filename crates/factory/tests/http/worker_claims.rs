//! Claims of outside workers: by type, by id, waiting, repeated, many at once.

use std::collections::HashSet;
use std::time::Duration;

use futures::future::join_all;
use serde_json::{Value, json};
use task_testkit::wait;

use crate::support::{TestApp, on_both_engines};
use crate::workers::HEARTBEAT;

const PATIENCE: Duration = Duration::from_secs(20);

on_both_engines!(
    a_task_is_claimed_by_its_id_once,
    a_claim_is_safe_to_repeat,
    a_key_is_never_given_the_claims_of_another,
    a_waiting_claim_is_answered_when_work_comes,
    work_for_a_vanished_claimer_goes_to_the_next,
    many_claims_at_once_never_share_a_task,
);

async fn a_task_is_claimed_by_its_id_once(app: TestApp) {
    const CLAIM: &str = "POST /api/v1/tasks/{task_id}/claim";
    let id = app.queue("render", json!({})).await;
    let ask = |id: &str, body: Value| app.call(CLAIM, &[id]).key().json(body).send();
    let claims = join_all((0..8).map(|n| ask(&id, json!({"worker_id": format!("w{n}")})))).await;
    let won: Vec<_> = claims.iter().filter(|answer| answer.status.as_u16() == 200).collect();
    assert_eq!((won.len(), claims.iter().filter(|a| a.status.as_u16() == 409).count()), (1, 7));
    assert_eq!(won[0].body["task"]["status"], json!("running"));
    app.report(HEARTBEAT, &won[0].body, json!({})).await.expect(200);
    let refused = ask(&id, json!({"worker_id": "late"})).await.expect(409);
    assert_eq!(
        (&refused["code"], &refused["from"], &refused["to"]),
        (&json!("not_claimable"), &json!("running"), &json!("running"))
    );
    ask("nobody", json!({"worker_id": "w"})).await.expect(404);
    let ours = app.create(json!({"name": "e", "task_type": "todo"})).await;
    ask(&ours, json!({"worker_id": "w"})).await.expect(409);
    app.stop().await;
}

async fn a_claim_is_safe_to_repeat(app: TestApp) {
    for _ in 0..6 {
        app.queue("render", json!({})).await;
    }
    let body = json!({"task_types": ["render"], "worker_id": "w1", "max_tasks": 2, "request_id": "r1"});
    let all = join_all((0..6).map(|_| app.claim(body.clone()))).await;
    let tokens: HashSet<String> =
        all.iter().map(|claims| json!([claims[0]["lease_token"], claims[1]["lease_token"]]).to_string()).collect();
    assert_eq!(tokens.len(), 1, "one claim, however often it is repeated");
    let other =
        app.claim(json!({"task_types": ["render"], "worker_id": "w1", "max_tasks": 10, "request_id": "r2"})).await;
    assert_eq!(other.len(), 4);
    app.stop().await;
}

async fn a_key_is_never_given_the_claims_of_another(app: TestApp) {
    let id = app.queue("render", json!({})).await;
    let mut keys = Vec::new();
    for task_type in ["render", "render", "scan"] {
        let body = json!({"name": "worker", "scopes": ["tasks:work"], "task_types": [task_type]});
        let made = app.call("POST /api/v1/keys", &[]).key().json(body).send().await.expect(201);
        keys.push((made["key"].as_str().unwrap().to_owned(), task_type));
    }
    let claim = async |n: usize| {
        let (key, task_type) = &keys[n];
        let body = json!({"task_types": [task_type], "worker_id": "w1", "request_id": "r1"});
        let call = app.call("POST /api/v1/tasks/claim", &[]).header("X-API-Key", key).json(body);
        call.send().await.expect(200)["claims"].take()
    };
    let by_id = async |n: usize| {
        let call = app.call("POST /api/v1/tasks/{task_id}/claim", &[&id]).header("X-API-Key", &keys[n].0);
        call.json(json!({"worker_id": "w1", "request_id": "r1"})).send().await
    };
    let first = claim(0).await;
    assert_eq!(first.as_array().unwrap().len(), 1);
    for other in [1, 2] {
        assert_eq!(claim(other).await, json!([]), "same worker and request, another key");
        let status = by_id(other).await.status.as_u16();
        assert_eq!(status, if keys[other].1 == "render" { 409 } else { 403 });
    }
    assert_eq!(claim(0).await[0]["lease_token"], first[0]["lease_token"]);
    assert_eq!(by_id(0).await.expect(200)["lease_token"], first[0]["lease_token"]);
    app.stop().await;
}

async fn a_waiting_claim_is_answered_when_work_comes(app: TestApp) {
    let body = json!({"task_types": ["render", "print"], "worker_id": "w1", "wait_seconds": 30});
    let (claims, id) = tokio::join!(app.claim(body), app.queue("print", json!({})));
    assert_eq!(claims[0]["task"]["task_id"], json!(id));
    let waited = app.claim(json!({"task_types": ["render"], "worker_id": "w1", "wait_seconds": 1})).await;
    assert!(waited.is_empty(), "when the wait is over the answer is empty");
    app.stop().await;
}

/// Whether a claim of this worker waits.
pub(crate) async fn is_waiting(app: &TestApp, worker_id: &str) -> bool {
    let workers = app.call("GET /api/v1/workers", &[]).key().send().await.expect(200);
    workers["workers"].as_array().unwrap().iter().any(|w| w["worker_id"] == worker_id && w["waiting"] == 1)
}

async fn work_for_a_vanished_claimer_goes_to_the_next(app: TestApp) {
    let body = json!({"task_types": ["render"], "worker_id": "gone", "wait_seconds": 30});
    let gone = app.call("POST /api/v1/tasks/claim", &[]).key().json(body).send();
    tokio::select! {
        _ = gone => panic!("there is nothing to claim"),
        () = wait::until("it waits", PATIENCE, || is_waiting(&app, "gone")) => {}
    }
    // The client has hung up.
    wait::until("its place is empty", PATIENCE, || async { !is_waiting(&app, "gone").await }).await;
    app.queue("render", json!({})).await;
    app.claim_one("render").await;
    app.stop().await;
}

async fn many_claims_at_once_never_share_a_task(app: TestApp) {
    for _ in 0..60 {
        app.queue("render", json!({})).await;
    }
    let claims = join_all((0..40).map(|n| {
        app.claim(json!({"task_types": ["render"], "worker_id": format!("w{}", n % 7), "max_tasks": 1 + n % 3}))
    }))
    .await;
    let all: Vec<String> = claims.iter().flatten().map(|claim| claim["task"]["task_id"].to_string()).collect();
    assert_eq!((all.len(), all.iter().collect::<HashSet<_>>().len()), (60, 60));
    for (n, mine) in claims.iter().enumerate() {
        assert!(mine.len() <= 1 + n % 3, "never more than asked");
    }
    let held = &claims.iter().find(|mine| !mine.is_empty()).unwrap()[0];
    app.report(HEARTBEAT, held, json!({})).await.expect(200);
    app.stop().await;
}
