//! Malformed input on every route with a body: a 4xx that names the place, and nothing changes.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::examples::{Example, examples};
use crate::malformed;
use crate::support::{Answer, Call, TestApp, echo, on_both_engines};

on_both_engines!(malformed_bodies_change_nothing, malformed_headers_paths_and_queries_are_refused);

/// The values of path parameters: things of `ann` that exist.
struct World {
    task_id: String,
    conversation_id: String,
    fact_id: String,
    /// Everything that a bad request must not change, as the API shows it.
    before: Value,
}

impl World {
    async fn new(app: &TestApp) -> Self {
        let task_id = app.create(echo()).await;
        let conversations = app.call("POST /api/v1/tasks/{task_id}/conversations", &[&task_id]).user("ann");
        let conversation = conversations.json(json!({"content": "Text"})).send().await.expect(201);
        let fact =
            app.call("POST /api/v1/facts", &[]).user("ann").json(json!({"text": "Text"})).send().await.expect(201);
        Self {
            before: shown(app, &task_id).await,
            task_id,
            conversation_id: conversation["id"].to_string(),
            fact_id: fact["id"].as_str().unwrap().to_owned(),
        }
    }

    fn call(&self, app: &TestApp, example: &Example) -> Call {
        let parameters: Vec<&str> =
            example.route.split('/').filter(|part| part.starts_with('{')).map(|part| self.parameter(part)).collect();
        let call = app.call(example.route, &parameters);
        if example.by_key { call.key() } else { call.user("ann") }
    }

    fn parameter(&self, name: &str) -> &str {
        match name {
            "{task_id}" => &self.task_id,
            "{conversation_id}" => &self.conversation_id,
            "{fact_id}" => &self.fact_id,
            other => panic!("no value for {other}: give it one here"),
        }
    }

    async fn check(&self, app: &TestApp, after: &str) {
        assert_eq!(shown(app, &self.task_id).await, self.before, "changed by a malformed request to {after}");
    }
}

/// What there is, as its owners see it.
async fn shown(app: &TestApp, task_id: &str) -> Value {
    let tasks = app.call("GET /api/v1/tasks", &[]).key().query(&[("limit", "100")]).send().await.expect(200);
    let history = app.call("GET /api/v1/tasks/{task_id}/history", &[task_id]).key().send().await.expect(200);
    let conversations =
        app.call("GET /api/v1/tasks/{task_id}/conversations", &[task_id]).key().send().await.expect(200);
    let facts = app.call("GET /api/v1/facts", &[]).key().send().await.expect(200);
    json!({"tasks": tasks, "history": history, "conversations": conversations, "facts": facts})
}

/// A refusal as documented: 4xx, with a code and a request id. Returns the places that it names.
fn refused(answer: &Answer, what: &str) -> Vec<Vec<String>> {
    assert!(answer.status.is_client_error(), "{what}: {} {:#}", answer.status, answer.body);
    assert!(answer.body["code"].is_string() && answer.body["request_id"].is_string(), "{what}: {:#}", answer.body);
    let problems = answer.body["detail"].as_array().cloned().unwrap_or_default();
    let text = |part: &Value| part.as_str().map_or_else(|| part.to_string(), str::to_owned);
    problems.iter().map(|p| p["loc"].as_array().unwrap().iter().map(text).collect()).collect()
}

async fn malformed_bodies_change_nothing(app: TestApp) {
    let world = World::new(&app).await;
    let all = examples();
    let with_example: BTreeSet<&str> = all.iter().map(|example| example.route).collect();
    let missing: Vec<String> =
        routes_with_a_body().into_iter().filter(|route| !with_example.contains(route.as_str())).collect();
    assert!(missing.is_empty(), "no example of a good body for {missing:?}; add it to examples.rs");
    let mut cases = 0;
    for example in &all {
        for malformed in malformed::bodies() {
            let what = format!("{} with {}", example.route, malformed.name);
            let answer = world.call(&app, example).raw(malformed.content_type, malformed.body).send().await;
            refused(&answer, &what);
            cases += 1;
        }
        let good = example.body.as_object().unwrap();
        for (field, wrong, body) in malformed::spoiled(good, example.free) {
            let what = format!("{} with `{field}`: {wrong}", example.route);
            let places = refused(&world.call(&app, example).json(body).send().await, &what);
            assert!(places.iter().any(|place| place.contains(&field)), "{what} names only {places:?}");
            cases += 1;
        }
        world.check(&app, example.route).await;
    }
    assert!(cases >= 150, "only {cases} cases");
    app.stop().await;
}

/// `METHOD /path` of every documented operation with a request body.
fn routes_with_a_body() -> Vec<String> {
    let document = task_server::document();
    let mut all = Vec::new();
    for (path, item) in &document.paths.paths {
        for (operation, method) in [(&item.post, "POST"), (&item.put, "PUT"), (&item.patch, "PATCH")] {
            if operation.as_ref().is_some_and(|operation| operation.request_body.is_some()) {
                all.push(format!("{method} {path}"));
            }
        }
    }
    all
}

async fn malformed_headers_paths_and_queries_are_refused(app: TestApp) {
    let world = World::new(&app).await;
    let get = |id: &str| app.call("GET /api/v1/tasks/{task_id}", &[id]);
    for (name, value) in
        [("X-User-ID", "bob"), ("X-Tenant-ID", "t2"), ("X-Subscription-Level", "pro"), ("X-API-Key", "k")]
    {
        let call =
            get(&world.task_id).user("ann").header("X-Tenant-ID", "default").header("X-Subscription-Level", "free");
        refused(&call.header(name, value).header(name, value).send().await, &format!("two headers {name}"));
    }
    for (name, value) in [
        ("X-User-ID", ""),
        ("X-User-ID", "a\tb"),
        ("X-Tenant-ID", ""),
        ("X-Tenant-ID", "a b/c"),
        ("X-Subscription-Level", "gold"),
        ("Authorization", "Bearer"),
        ("Authorization", "Basic eDp5"),
        ("X-API-Key", ""),
    ] {
        let call = get(&world.task_id).header(name, value);
        let call = if name == "X-User-ID" { call } else { call.user("ann") };
        refused(&call.send().await, &format!("{name}: {value:?}"));
    }
    for value in ["1", "\"x\"", "W/\"1\"", "\"1", "\"99999999999999999999\"", "\"-1\"", ",", "\"1\" \"2\"", "'1'"] {
        let call = app.call("PATCH /api/v1/tasks/{task_id}", &[&world.task_id]).user("ann").header("If-Match", value);
        refused(&call.json(json!({"name": "changed"})).send().await, &format!("If-Match: {value}"));
    }
    let long = "x".repeat(70);
    for id in ["%00", "a%20b", "%ff", "%2e%2e%2f", "a%2fb", "%F0%9F%98%80", "a%0ab", "'", "%22", "*", long.as_str()] {
        refused(&get(id).user("ann").send().await, &format!("task id {id}"));
        let call = app.call("POST /api/v1/tasks/{task_id}/cancel", &[id]).user("ann").json(json!({}));
        refused(&call.send().await, &format!("cancel of task id {id}"));
    }
    for (name, value) in [
        ("limit", "0"),
        ("limit", "-1"),
        ("limit", "101"),
        ("limit", "1.5"),
        ("limit", "1e2"),
        ("limit", "99999999999999999999"),
        ("offset", "-1"),
        ("offset", "x"),
        ("offset", "99999999999999999999"),
        ("cursor", "x"),
        ("cursor", "%00"),
        ("cursor", "AAAA"),
        ("cursor", "eyJpZCI6MX0"),
        ("status", "sideways"),
        ("priority", "0"),
        ("priority", "urgentest"),
        ("sort", "sideways"),
        ("label", "no-colon"),
        ("due_before", "tomorrow"),
        ("due_after", "2026-13-01T00:00:00Z"),
        ("created_after", "99999-01-01T00:00:00Z"),
        ("q", "%00"),
        ("tag", "%00"),
        ("q", "%ff"),
        ("no_such_parameter", "1"),
    ] {
        let call = app.call("GET /api/v1/tasks", &[]).user("ann").query(&[(name, value)]);
        let places = refused(&call.send().await, &format!("{name}={value}"));
        let named = places.iter().any(|place| place.iter().any(|part| part == name));
        assert!(named, "{name}={value} names only {places:?}");
    }
    world.check(&app, "headers, paths and queries").await;
    app.stop().await;
}
