//! What a key is not told and not given: of other task types, of other users, and once it is revoked.

use std::time::Duration;

use serde_json::{Value, json};
use task_testkit::wait;

use crate::events::frames;
use crate::keys::make;
use crate::support::{TestApp, on_both_engines};
use crate::worker_claims::is_waiting;
use crate::worker_control::next_event;

on_both_engines!(
    a_key_that_is_revoked_while_it_waits_gets_no_work,
    a_key_that_acts_for_a_user_names_the_task_it_claims,
    a_key_of_some_types_is_told_of_these_only,
    a_list_says_what_it_shows,
);

const PATIENCE: Duration = Duration::from_secs(20);

async fn a_key_that_is_revoked_while_it_waits_gets_no_work(app: TestApp) {
    let (id, key) = make(&app, json!({"name": "k", "scopes": ["tasks:work"]})).await;
    let body = json!({"task_types": ["render"], "worker_id": "gone", "wait_seconds": 30});
    let waits = app.call("POST /api/v1/tasks/claim", &[]).header("X-API-Key", &key).json(body).send();
    let (refused, ()) = tokio::join!(waits, async {
        wait::until("it waits", PATIENCE, || is_waiting(&app, "gone")).await;
        app.call("DELETE /api/v1/keys/{id}", &[&id]).key().send().await.expect(200);
        app.queue("render", json!({})).await;
    });
    assert_eq!(refused.expect(401)["code"], "unauthenticated");
    // Given back: the next one need not wait for a lease to run out.
    let next = app.claim(json!({"task_types": ["render"], "worker_id": "w1", "wait_seconds": 30})).await;
    assert_eq!(next.len(), 1);
    app.stop().await;
}

async fn a_key_that_acts_for_a_user_names_the_task_it_claims(app: TestApp) {
    let bobs = app.queue("render", json!({"user_id": "bob"})).await;
    let anns = app.queue("render", json!({"user_id": "ann"})).await;
    let by_type = json!({"task_types": ["render"], "worker_id": "w1"});
    let refused = app.call("POST /api/v1/tasks/claim", &[]).key().user("ann").json(by_type).send().await.expect(403);
    assert_eq!(refused["action"], "claim");
    let claim = |id: &str| {
        let body = json!({"worker_id": "w1"});
        app.call("POST /api/v1/tasks/{task_id}/claim", &[id]).key().user("ann").json(body).send()
    };
    claim(&bobs).await.expect(403);
    claim(&anns).await.expect(200);
    app.stop().await;
}

async fn a_key_of_some_types_is_told_of_these_only(app: TestApp) {
    let (_, key) = make(&app, json!({"name": "k", "scopes": ["tasks:work"], "task_types": ["invoice"]})).await;
    let control = |key: &str| {
        let route = "GET /api/v1/workers/{worker_id}/control";
        app.call(route, &["w1"]).header("X-API-Key", key).stream()
    };
    let mut told = control(&key).await;
    let first = told.chunk().await.unwrap().expect("a comment at once");
    assert!(first.starts_with(b":"));
    let mut ids = Vec::new();
    for task_type in ["render", "invoice"] {
        let id = app.queue(task_type, json!({})).await;
        app.claim_one(task_type).await;
        app.call("POST /api/v1/tasks/{task_id}/cancel", &[&id]).key().send().await.expect(200);
        ids.push(id);
    }
    let (event, data) = next_event(&mut told, &mut String::new()).await;
    assert_eq!((event.as_str(), &data["task_id"]), ("cancel", &json!(ids[1])));
    let events = || app.call("GET /api/v1/events", &[]).header("X-API-Key", &key).query(&[("after", "0")]);
    let all = |seen: &[(String, i64, Value)]| {
        let cancelled = seen.iter().any(|frame| frame.2["new_status"] == "cancelled");
        cancelled && seen.iter().any(|frame| frame.0 == "task.executed")
    };
    let seen = frames(events(), all).await;
    assert!(
        seen.iter().all(|(_, _, data)| data["task_id"] == json!(ids[1]) && data["task_type"] == "invoice"),
        "{seen:?}"
    );
    // And of what comes while it listens.
    let live = async {
        app.queue("render", json!({})).await;
        app.queue("invoice", json!({})).await
    };
    let last = seen.last().unwrap().1.to_string();
    let later = events().header("Last-Event-ID", &last);
    let (later, id) = tokio::join!(frames(later, |seen| !seen.is_empty()), live);
    assert!(later.iter().all(|(_, _, data)| data["task_id"] == json!(id)), "{later:?}");
    // The overview: who works on another type is not there.
    app.claim_one("render").await;
    let workers = app.call("GET /api/v1/workers", &[]).header("X-API-Key", &key).send().await.expect(200);
    assert_eq!(workers["workers"], json!([]), "{workers:#}");
    drop(told);
    app.stop().await;
}

/// What cannot be asked for is refused, and what was applied is said.
async fn a_list_says_what_it_shows(app: TestApp) {
    let list = |query: &[(&str, &str)]| app.call("GET /api/v1/tasks", &[]).query(query);
    let places = |refused: Value| -> Vec<Value> {
        refused["detail"].as_array().unwrap().iter().map(|problem| problem["loc"].clone()).collect()
    };
    let foreign = list(&[("user_id", "bob"), ("origin", "seedcore")]).user("me").send().await.expect(422);
    assert_eq!(places(foreign), [json!(["query", "user_id"]), json!(["query", "origin"])]);
    let own = list(&[("user_id", "me")]).user("me").send().await.expect(200);
    assert_eq!(own["filters"]["user_id"], "me");
    list(&[("user_id", "bob")]).key().user("ann").send().await.expect(422);
    let acting = list(&[]).key().user("ann").send().await.expect(200);
    assert_eq!(acting["filters"]["user_id"], "ann");

    app.queue("render", json!({})).await;
    app.queue("print", json!({})).await;
    let limited =
        async |types: Value| make(&app, json!({"name": "k", "scopes": ["tasks:work"], "task_types": types})).await.1;
    let one = limited(json!(["print"])).await;
    let shown = list(&[]).header("X-API-Key", &one).send().await.expect(200);
    assert_eq!((&shown["count"], &shown["filters"]["task_type"]), (&json!(1), &json!("print")));
    let two = limited(json!(["print", "paint"])).await;
    for query in [&[][..], &[("task_type", "render")]] {
        let refused = list(query).header("X-API-Key", &two).send().await.expect(422);
        assert!(refused["detail"][0]["msg"].as_str().unwrap().contains("print, paint"), "{refused:#}");
        assert_eq!(places(refused), [json!(["query", "task_type"])]);
    }
    let shown = list(&[("task_type", "paint")]).header("X-API-Key", &two).send().await.expect(200);
    assert_eq!(shown["count"], 0);
    app.stop().await;
}
