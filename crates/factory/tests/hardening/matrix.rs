//! Every route by every kind of caller. The refused go first: that the owner, who goes last, is
//! served shows that they changed nothing.

use std::collections::BTreeSet;
use std::process::Command;

use serde_json::{Value, json};

use crate::matrix_rows::{Row, Rule, Thing, rows};
use crate::support::{Answer, Call, TestApp, echo, on_both_engines};

on_both_engines!(every_caller_gets_what_its_row_says);

/// Who calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Who {
    Nobody,
    RevokedKey,
    KeyWithoutScope,
    OtherTenant,
    OtherUser,
    Owner,
}

const IN_ORDER: [Who; 6] =
    [Who::Nobody, Who::RevokedKey, Who::KeyWithoutScope, Who::OtherTenant, Who::OtherUser, Who::Owner];

/// The credentials.
struct Keys {
    revoked: String,
    /// Of the owner's tenant, for facts only.
    facts: String,
    /// Of the owner's tenant, for creating tasks only.
    tasks: String,
    /// Of another tenant, with every scope.
    foreign: String,
}

impl Keys {
    async fn new(app: &TestApp) -> Self {
        let (id, revoked) = make(app, json!(["admin"])).await;
        app.call("DELETE /api/v1/keys/{id}", &[&id]).key().send().await.expect(200);
        let (_, facts) = make(app, json!(["facts", "act_as_user"])).await;
        let (_, tasks) = make(app, json!(["tasks:write"])).await;
        Self { revoked, facts, tasks, foreign: foreign_key(app) }
    }

    fn with(&self, call: Call, who: Who, row: &Row) -> Call {
        let by_key = matches!(row.rule, Rule::KeyOwned | Rule::KeyCollection);
        match who {
            Who::Nobody => call,
            Who::RevokedKey => call.header("X-API-Key", &self.revoked),
            Who::KeyWithoutScope => {
                // Each key may do nothing of what the other one may; neither may work or manage.
                let scopes_of_facts = row.route.contains("/facts") || by_key;
                call.header("X-API-Key", if scopes_of_facts { &self.tasks } else { &self.facts })
            }
            Who::OtherTenant if by_key => call.header("X-API-Key", &self.foreign),
            Who::OtherTenant => call.user("ann").header("X-Tenant-ID", "other"),
            Who::OtherUser => call.user("bob"),
            Who::Owner if by_key => call.key(),
            Who::Owner => call.user("ann"),
        }
    }
}

async fn make(app: &TestApp, scopes: Value) -> (String, String) {
    let body = json!({"name": "matrix", "scopes": scopes});
    let made = app.call("POST /api/v1/keys", &[]).key().json(body).send().await.expect(201);
    (made["id"].as_str().unwrap().to_owned(), made["key"].as_str().unwrap().to_owned())
}

/// The command line makes keys of any tenant.
fn foreign_key(app: &TestApp) -> String {
    let scopes = ["admin", "tasks:write", "tasks:work", "facts", "act_as_user"];
    let output = Command::new(env!("CARGO_BIN_EXE_task-service"))
        .args(["keys", "create", "--name", "foreign", "--tenant", "other"])
        .args(scopes.iter().flat_map(|scope| ["--scope", scope]))
        .env_clear()
        .env("DATABASE_URL", app.database_url())
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().lines().next().unwrap().to_owned()
}

/// What a row's path names, made anew for it.
struct Fixture {
    id: String,
    token: Option<Value>,
    /// A task of the fixture, to look at between the calls.
    task_id: Option<String>,
}

impl Fixture {
    async fn new(app: &TestApp, thing: Thing) -> Self {
        let id = match thing {
            Thing::None => return Self { id: String::new(), token: None, task_id: None },
            Thing::Template => "tpl_todo_basic".to_owned(),
            Thing::Worker => "w1".to_owned(),
            Thing::Key => make(app, json!(["facts"])).await.0,
            Thing::Fact => {
                let call = app.call("POST /api/v1/facts", &[]).user("ann");
                text(&call.json(json!({"text": "Text"})).send().await.expect(201)["id"])
            }
            Thing::Work | Thing::Lease => return Self::of_work(app, thing).await,
            _ => return Self::of_task(app, thing).await,
        };
        Self { id, token: None, task_id: None }
    }

    async fn of_task(app: &TestApp, thing: Thing) -> Self {
        let task_id = app.create(echo()).await;
        let call = async |route: &str, body: Value, status: u16| {
            app.call(route, &[&task_id]).user("ann").json(body).send().await.expect(status)
        };
        let id = match thing {
            Thing::PausedTask => text(&call("POST /api/v1/tasks/{task_id}/pause", json!({}), 200).await["task_id"]),
            Thing::CancelledTask => text(&call("POST /api/v1/tasks/{task_id}/cancel", json!({}), 200).await["task_id"]),
            Thing::Execution => {
                text(&call("POST /api/v1/tasks/{task_id}/execute", json!({}), 200).await["execution_id"])
            }
            Thing::Conversation => {
                let said = json!({"content": "Text"});
                text(&call("POST /api/v1/tasks/{task_id}/conversations", said, 201).await["id"])
            }
            _ => task_id.clone(),
        };
        Self { id, token: None, task_id: Some(task_id) }
    }

    async fn of_work(app: &TestApp, thing: Thing) -> Self {
        let body = json!({"name": "w", "task_type": "matrix-work", "run_immediately": true});
        let task = app.call("POST /api/v1/tasks", &[]).key().json(body).send().await.expect(201);
        let id = text(&task["task_id"]);
        let mut token = None;
        if thing == Thing::Lease {
            let call = app.call("POST /api/v1/tasks/{task_id}/claim", &[&id]).key();
            token = Some(call.json(json!({"worker_id": "w"})).send().await.expect(200)["lease_token"].clone());
        }
        Self { task_id: Some(id.clone()), id, token }
    }

    /// What its owner must find unchanged.
    async fn shown(&self, app: &TestApp) -> Value {
        let Some(id) = &self.task_id else { return Value::Null };
        let mut all = Vec::new();
        for route in [
            "GET /api/v1/tasks/{task_id}",
            "GET /api/v1/tasks/{task_id}/history",
            "GET /api/v1/tasks/{task_id}/progress",
            "GET /api/v1/tasks/{task_id}/conversations",
        ] {
            all.push(app.call(route, &[id]).key().send().await.expect(200));
        }
        Value::Array(all)
    }
}

fn text(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// An id of the same kind that nothing has.
fn nothing(thing: Thing) -> &'static str {
    match thing {
        Thing::Execution | Thing::Fact => "00000000-0000-7000-8000-000000000000",
        Thing::Conversation => "999999999",
        _ => "no-such-thing",
    }
}

/// The answer; of a stream only its head.
async fn answer(app: &TestApp, keys: &Keys, row: &Row, who: Who, id: &str, token: Option<&Value>) -> Answer {
    let parameters: &[&str] = if row.thing == Thing::None { &[] } else { &[id] };
    let mut call = keys.with(app.call(row.route, parameters), who, row);
    if let Some(body) = &row.body {
        let mut body = body.clone();
        if let Some(token) = token {
            body["lease_token"] = token.clone();
        }
        call = call.json(body);
    }
    let response = call.stream().await;
    let (status, headers) = (response.status(), response.headers().clone());
    if headers.get("content-type").is_some_and(|kind| kind == "text/event-stream") {
        return Answer { status, headers, body: Value::Null };
    }
    let text = response.text().await.unwrap();
    Answer { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
}

/// The body without what is of one request only, and with `id` called by another name.
fn general(answer: &Answer, id: &str) -> String {
    let mut body = answer.body.clone();
    body.as_object_mut().unwrap().remove("request_id");
    body.to_string()
        .replace(&format!("\"{id}\""), "ID")
        .replace(&format!(":{id},"), ":ID,")
        .replace(&format!(":{id}}}"), ":ID}")
}

async fn check(app: &TestApp, keys: &Keys, row: &Row, who: Who, fixture: &Fixture) {
    let what = format!("{} by {who:?}", row.route);
    let got = answer(app, keys, row, who, &fixture.id, fixture.token.as_ref()).await;
    let expected = match (row.rule, who) {
        (Rule::Public, _) | (_, Who::Owner) => row.success,
        (_, Who::Nobody | Who::RevokedKey) => 401,
        (Rule::Anybody, _) => row.success,
        (_, Who::KeyWithoutScope) => 403,
        (Rule::Owned | Rule::KeyOwned, Who::OtherTenant) => 404,
        (Rule::Owned | Rule::KeyOwned | Rule::KeyCollection, Who::OtherUser) => 403,
        (Rule::Collection | Rule::KeyCollection, _) => row.success,
    };
    assert_eq!(got.status.as_u16(), expected, "{what}: {:#}", got.body);
    let id = got.headers["x-request-id"].to_str().unwrap();
    match expected {
        401 => {
            let documented =
                json!({"detail": "Invalid or missing authentication", "code": "unauthenticated", "request_id": id});
            assert_eq!(got.body, documented, "{what}");
        }
        403 => {
            assert!(got.body["action"].is_string(), "{what}: {:#}", got.body);
            let action = &got.body["action"];
            let documented = json!({
                "detail": "Permission denied", "code": "permission_denied", "request_id": id, "action": action
            });
            assert_eq!(got.body, documented, "{what}");
        }
        404 => {
            let missing = nothing(row.thing);
            let unknown = answer(app, keys, row, who, missing, fixture.token.as_ref()).await;
            assert_eq!(unknown.status.as_u16(), 404, "{what}");
            assert_eq!(general(&got, &fixture.id), general(&unknown, missing), "{what} tells that it exists");
        }
        _ => {}
    }
    if row.rule == Rule::Collection && row.route.starts_with("GET") && who != Who::Owner && expected == 200 {
        // Others see their own, which is nothing.
        let seen = ["count", "total", "total_tasks"].map(|name| got.body[name].as_i64().unwrap_or_default());
        assert_eq!(seen, [0; 3], "{what} sees {:#}", got.body);
    }
}

async fn every_caller_gets_what_its_row_says(app: TestApp) {
    let all = rows();
    let with_row: BTreeSet<String> = all.iter().map(|row| row.route.to_owned()).collect();
    let documented = documented();
    let missing: Vec<_> = documented.difference(&with_row).collect();
    assert!(missing.is_empty(), "no row for {missing:?}: say in matrix_rows.rs who may call it");
    let unknown: Vec<_> = with_row.difference(&documented).collect();
    assert!(unknown.is_empty(), "{unknown:?} is not in the document");
    let keys = Keys::new(&app).await;
    // Reads are first: what others make on the routes that let them in is theirs.
    let (reads, writes): (Vec<_>, Vec<_>) = all.iter().partition(|row| row.route.starts_with("GET"));
    for row in reads.into_iter().chain(writes) {
        let fixture = Fixture::new(&app, row.thing).await;
        let before = fixture.shown(&app).await;
        for who in IN_ORDER {
            check(&app, &keys, row, who, &fixture).await;
            if who != Who::Owner {
                assert_eq!(fixture.shown(&app).await, before, "{} by {who:?} changed something", row.route);
            }
        }
    }
    for path in ["/openapi.json", "/docs/"] {
        app.call(&format!("GET {path}"), &[]).send().await.expect(200);
    }
    app.stop().await;
}

/// `METHOD /path` of every documented operation.
fn documented() -> BTreeSet<String> {
    let document = task_server::document();
    let mut all = BTreeSet::new();
    for (path, item) in &document.paths.paths {
        let methods = [
            (&item.get, "GET"),
            (&item.post, "POST"),
            (&item.put, "PUT"),
            (&item.patch, "PATCH"),
            (&item.delete, "DELETE"),
        ];
        all.extend(
            methods
                .into_iter()
                .filter(|(operation, _)| operation.is_some())
                .map(|(_, method)| format!("{method} {path}")),
        );
    }
    all
}
