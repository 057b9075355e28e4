//! Stored keys: made, shown once, limited, expired, revoked.

use std::time::Duration;

use futures::future::join_all;
use reqwest::Response;
use serde_json::{Value, json};
use task_testkit::wait;

use crate::support::{TestApp, echo, on_both_engines};

on_both_engines!(
    a_key_is_shown_once_and_lets_in,
    a_key_does_what_its_scopes_say,
    a_key_is_limited_to_its_types_and_tenant,
    a_revoked_key_is_refused,
    what_a_revoked_key_opened_ends,
    only_admins_manage_keys_and_only_their_own,
    wrong_input_makes_no_key,
);

const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn make(app: &TestApp, body: Value) -> (String, String) {
    let made = app.call("POST /api/v1/keys", &[]).key().json(body).send().await.expect(201);
    (made["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned())
}

async fn a_key_is_shown_once_and_lets_in(app: TestApp) {
    let body = json!({"name": "ci", "scopes": ["tasks:write"], "expires_in_days": 30});
    let made = app.call("POST /api/v1/keys", &[]).key().json(body).send().await;
    assert_eq!(made.headers["cache-control"], "no-store");
    let made = made.expect(201);
    let key = made["key"].as_str().unwrap();
    assert!(key.starts_with(&format!("tsk_{}_", made["id"].as_str().unwrap())), "{key}");
    assert!(made["expires_at"].is_string() && made["last_used_at"].is_null(), "{made:#}");
    for header in [("X-API-Key", key.to_owned()), ("Authorization", format!("Bearer {key}"))] {
        app.call("GET /api/v1/tasks", &[]).header(header.0, &header.1).send().await.expect(200);
    }
    let last = if key.ends_with('x') { "y" } else { "x" };
    let mistyped = format!("{}{last}", &key[..key.len() - 1]);
    app.call("GET /api/v1/tasks", &[]).header("X-API-Key", &mistyped).send().await.expect(401);
    wait::until("its use is noted", PATIENCE, || async {
        let listed = app.call("GET /api/v1/keys", &[]).key().send().await.expect(200);
        assert!(!listed.to_string().contains(key), "nobody can read it again");
        assert_eq!((&listed["count"], &listed["keys"][0]["name"]), (&json!(1), &json!("ci")));
        listed["keys"][0]["last_used_at"].is_string()
    })
    .await;
    app.stop().await;
}

async fn a_key_does_what_its_scopes_say(app: TestApp) {
    let (_, reader) = make(&app, json!({"name": "worker", "scopes": ["tasks:work"]})).await;
    let (_, writer) = make(&app, json!({"name": "writer", "scopes": ["tasks:write"]})).await;
    let (_, acting) = make(&app, json!({"name": "acting", "scopes": ["tasks:write", "act_as_user"]})).await;
    let create = |key: &str| app.call("POST /api/v1/tasks", &[]).header("X-API-Key", key).json(echo());
    create(&reader).send().await.expect(403);
    create(&writer).send().await.expect(201);
    create(&writer).user("ann").send().await.expect(403);
    let task = create(&acting).user("ann").send().await.expect(201);
    assert_eq!(task["user_id"], "ann");
    app.stop().await;
}

async fn a_key_is_limited_to_its_types_and_tenant(app: TestApp) {
    let (_, key) = make(&app, json!({"name": "k", "scopes": ["tasks:write"], "task_types": ["render"]})).await;
    let with = |task_type: &str| json!({"name": "n", "task_type": task_type});
    let create = |task_type: &str| app.call("POST /api/v1/tasks", &[]).header("X-API-Key", &key).json(with(task_type));
    create("echo").send().await.expect(403);
    create("render").send().await.expect(201);
    let foreign = app.create(echo()).await;
    app.call("GET /api/v1/tasks/{task_id}", &[&foreign]).header("X-API-Key", &key).send().await.expect(403);
    app.stop().await;
}

async fn a_revoked_key_is_refused(app: TestApp) {
    let (id, key) = make(&app, json!({"name": "k", "scopes": ["tasks:write"]})).await;
    let list = || app.call("GET /api/v1/tasks", &[]).header("X-API-Key", &key);
    list().send().await.expect(200);
    for _ in 0..2 {
        let revoked = app.call("DELETE /api/v1/keys/{id}", &[&id]).key().send().await.expect(200);
        assert_eq!(revoked, json!({"message": "Key revoked", "id": id}));
    }
    list().send().await.expect(401);
    let unknown = app.call("DELETE /api/v1/keys/{id}", &["nobody"]).key().send().await.expect(404);
    assert_eq!((&unknown["code"], &unknown["key_id"]), (&json!("key_not_found"), &json!("nobody")));
    app.stop().await;
}

async fn what_a_revoked_key_opened_ends(app: TestApp) {
    let (id, revoked) = make(&app, json!({"name": "k", "scopes": ["tasks:write", "tasks:work"]})).await;
    let (_, other) = make(&app, json!({"name": "l", "scopes": ["tasks:work"]})).await;
    let task = app.create(echo()).await;
    let streams = [
        app.call("GET /api/v1/events", &[]),
        app.call("GET /api/v1/workers/{worker_id}/control", &["w1"]),
        app.call("GET /api/v1/tasks/{task_id}/track", &[&task]),
    ];
    let opened = join_all(streams.map(|call| call.header("X-API-Key", &revoked).stream())).await;
    let mut others = app.call("GET /api/v1/events", &[]).header("X-API-Key", &other).stream().await;
    assert!(opened.iter().all(|stream| stream.status().as_u16() == 200));
    app.call("DELETE /api/v1/keys/{id}", &[&id]).key().send().await.expect(200);
    let to_the_end = |mut stream: Response| async move { while stream.chunk().await.unwrap().is_some() {} };
    let ended = tokio::time::timeout(Duration::from_secs(30), join_all(opened.into_iter().map(to_the_end)));
    ended.await.expect("all three end");
    // Those of others go on.
    app.create(echo()).await;
    let mut told = String::new();
    while !told.contains("task.created") {
        let bytes = others.chunk().await.unwrap().expect("it goes on");
        told.push_str(std::str::from_utf8(&bytes).unwrap());
    }
    drop(others);
    app.stop().await;
}

async fn only_admins_manage_keys_and_only_their_own(app: TestApp) {
    let (_, writer) = make(&app, json!({"name": "w", "scopes": ["tasks:write"]})).await;
    let body = json!({"name": "k", "scopes": ["tasks:write"]});
    app.call("POST /api/v1/keys", &[]).header("X-API-Key", &writer).json(body.clone()).send().await.expect(403);
    app.call("GET /api/v1/keys", &[]).user("ann").send().await.expect(403);
    let denied = app.call("DELETE /api/v1/keys/{id}", &["x"]).user("ann").send().await.expect(403);
    assert_eq!(denied["action"], "manage_keys");
    app.call("GET /api/v1/keys", &[]).send().await.expect(401);
    // An admin that is limited to a type gives away no more than that.
    let (_, admin) = make(&app, json!({"name": "a", "scopes": ["admin"], "task_types": ["render"]})).await;
    app.call("POST /api/v1/keys", &[]).header("X-API-Key", &admin).json(body).send().await.expect(403);
    let body = json!({"name": "k", "scopes": ["tasks:work"], "task_types": ["render"]});
    app.call("POST /api/v1/keys", &[]).header("X-API-Key", &admin).json(body).send().await.expect(201);
    app.stop().await;
}

async fn wrong_input_makes_no_key(app: TestApp) {
    for (body, field) in [
        (json!({"scopes": ["admin"]}), "name"),
        (json!({"name": "  ", "scopes": ["admin"]}), "name"),
        (json!({"name": "k"}), "scopes"),
        (json!({"name": "k", "scopes": []}), "scopes"),
        (json!({"name": "k", "scopes": ["all"]}), "scopes"),
        (json!({"name": "k", "scopes": "admin"}), "scopes"),
        (json!({"name": "k", "scopes": ["admin"], "expires_in_days": 0}), "expires_in_days"),
        (json!({"name": "k", "scopes": ["admin"], "task_types": [""]}), "task_types"),
        (json!({"name": "k", "scopes": ["admin"], "tenant_id": "other"}), "tenant_id"),
    ] {
        let refused = app.call("POST /api/v1/keys", &[]).key().json(body.clone()).send().await.expect(422);
        assert!(refused["detail"].to_string().contains(field), "{body}: {refused:#}");
    }
    assert_eq!(app.call("GET /api/v1/keys", &[]).key().send().await.expect(200)["count"], 0);
    app.stop().await;
}
