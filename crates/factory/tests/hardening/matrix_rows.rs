//! Who may call what: a row for each route of the document.

use serde_json::{Value, json};

/// Who gets what from a route.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Rule {
    /// Everybody, without a credential: it tells nothing of anybody.
    Public,
    /// Every credential: it tells of nothing that belongs to anybody.
    Anybody,
    /// Every user and key with the scope, each with what is its own: other users and tenants are let
    /// in and meet nothing of the owner's.
    Collection,
    /// The owner. Another user of the tenant is denied, to another tenant it does not exist.
    Owned,
    /// Keys with the scope. Users are denied; to a key of another tenant it does not exist.
    KeyOwned,
    /// Keys with the scope, each with what is in its tenant. Users are denied.
    KeyCollection,
}

/// What the path names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Thing {
    None,
    Template,
    Task,
    PausedTask,
    CancelledTask,
    Execution,
    Conversation,
    Fact,
    Key,
    /// The name of a worker; there need be none.
    Worker,
    /// Outside work that waits.
    Work,
    /// Outside work that is leased; the lease token goes into the body.
    Lease,
}

pub(crate) struct Row {
    pub(crate) route: &'static str,
    pub(crate) rule: Rule,
    pub(crate) thing: Thing,
    pub(crate) body: Option<Value>,
    /// What the owner, who calls last, is answered.
    pub(crate) success: u16,
}

fn row(rule: Rule, thing: Thing, route: &'static str, body: Option<Value>, success: u16) -> Row {
    Row { route, rule, thing, body, success }
}

/// Every route of the document.
pub(crate) fn rows() -> Vec<Row> {
    let mut all = of_tasks();
    all.extend(of_things());
    all.extend(of_workers());
    all.extend(
        ["GET /health", "GET /health/detailed", "GET /status", "GET /metrics"]
            .map(|route| row(Rule::Public, Thing::None, route, None, 200)),
    );
    all
}

fn of_tasks() -> Vec<Row> {
    use Rule::{Collection, Owned};
    use Thing::{CancelledTask, None as Nothing, PausedTask, Task};
    let new = json!({"name": "n", "task_type": "echo"});
    let named = || Some(json!({"name": "changed"}));
    let why = || Some(json!({"reason": "because"}));
    let filled = json!({
        "template_id": "tpl_todo_basic", "customization": {"name": "n", "due_date": "2031-01-01T00:00:00Z"}
    });
    vec![
        row(Collection, Nothing, "POST /api/v1/tasks", Some(new.clone()), 201),
        row(Collection, Nothing, "POST /api/v1/tasks/batch", Some(json!({"tasks": [new]})), 200),
        row(Collection, Nothing, "POST /api/v1/tasks/from-template", Some(filled), 201),
        row(Collection, Nothing, "GET /api/v1/tasks", None, 200),
        row(Collection, Nothing, "GET /api/v1/events", None, 200),
        row(Collection, Nothing, "GET /api/v1/analytics", None, 200),
        row(Owned, Task, "GET /api/v1/tasks/{task_id}", None, 200),
        row(Owned, Task, "PUT /api/v1/tasks/{task_id}", named(), 200),
        row(Owned, Task, "PATCH /api/v1/tasks/{task_id}", named(), 200),
        row(Owned, Task, "DELETE /api/v1/tasks/{task_id}", None, 200),
        row(Owned, Task, "POST /api/v1/tasks/{task_id}/execute", Some(json!({})), 200),
        row(Owned, Task, "GET /api/v1/tasks/{task_id}/executions", None, 200),
        row(Owned, Task, "POST /api/v1/tasks/{task_id}/cancel", why(), 200),
        row(Owned, Task, "POST /api/v1/tasks/{task_id}/pause", why(), 200),
        row(Owned, PausedTask, "POST /api/v1/tasks/{task_id}/resume", why(), 200),
        row(Owned, CancelledTask, "POST /api/v1/tasks/{task_id}/retry", why(), 201),
        row(Owned, Task, "GET /api/v1/tasks/{task_id}/status", None, 200),
        row(Owned, Task, "GET /api/v1/tasks/{task_id}/history", None, 200),
        row(Owned, Task, "GET /api/v1/tasks/{task_id}/explain", None, 200),
        row(Owned, Task, "GET /api/v1/tasks/{task_id}/progress", None, 200),
        row(Owned, Task, "GET /api/v1/tasks/{task_id}/track", None, 200),
    ]
}

fn of_things() -> Vec<Row> {
    use Rule::{Anybody, Collection, KeyCollection, KeyOwned, Owned};
    use Thing::{Conversation, Execution, Fact, Key, None as Nothing, Task, Template};
    let said = || Some(json!({"content": "changed"}));
    let fact = || Some(json!({"text": "changed"}));
    let key = json!({"name": "k", "scopes": ["facts"]});
    vec![
        row(Owned, Execution, "GET /api/v1/executions/{execution_id}", None, 200),
        row(Owned, Task, "POST /api/v1/tasks/{task_id}/conversations", said(), 201),
        row(Owned, Task, "GET /api/v1/tasks/{task_id}/conversations", None, 200),
        row(Owned, Conversation, "GET /api/v1/conversations/{conversation_id}", None, 200),
        row(Owned, Conversation, "PUT /api/v1/conversations/{conversation_id}", said(), 200),
        row(Owned, Conversation, "DELETE /api/v1/conversations/{conversation_id}", None, 200),
        row(Collection, Nothing, "POST /api/v1/facts", fact(), 201),
        row(Collection, Nothing, "GET /api/v1/facts", None, 200),
        row(Owned, Fact, "GET /api/v1/facts/{fact_id}", None, 200),
        row(Owned, Fact, "PATCH /api/v1/facts/{fact_id}", fact(), 200),
        row(Owned, Fact, "DELETE /api/v1/facts/{fact_id}", None, 200),
        row(Anybody, Nothing, "GET /api/v1/templates", None, 200),
        row(Anybody, Template, "GET /api/v1/templates/{template_id}", None, 200),
        row(KeyCollection, Nothing, "POST /api/v1/keys", Some(key), 201),
        row(KeyCollection, Nothing, "GET /api/v1/keys", None, 200),
        row(KeyOwned, Key, "DELETE /api/v1/keys/{id}", None, 200),
    ]
}

/// Those with a token have it put in.
fn of_workers() -> Vec<Row> {
    use Rule::{KeyCollection, KeyOwned};
    use Thing::{Lease, None as Nothing, Work, Worker};
    let claim = json!({"task_types": ["matrix-none"], "worker_id": "w"});
    let items = || Some(json!({"items": [{"task_id": "no-such-task", "lease_token": "t"}]}));
    vec![
        row(KeyCollection, Nothing, "POST /api/v1/tasks/claim", Some(claim), 200),
        row(KeyOwned, Work, "POST /api/v1/tasks/{task_id}/claim", Some(json!({"worker_id": "w"})), 200),
        row(KeyOwned, Lease, "POST /api/v1/tasks/{task_id}/heartbeat", Some(json!({})), 200),
        row(KeyOwned, Lease, "POST /api/v1/tasks/{task_id}/progress", Some(json!({"progress": {"a": 1}})), 200),
        row(KeyOwned, Lease, "POST /api/v1/tasks/{task_id}/complete", Some(json!({"result": 1})), 200),
        row(KeyOwned, Lease, "POST /api/v1/tasks/{task_id}/fail", Some(json!({"error": "e"})), 200),
        row(KeyOwned, Lease, "POST /api/v1/tasks/{task_id}/release", Some(json!({})), 200),
        row(KeyCollection, Nothing, "POST /api/v1/tasks/complete/batch", items(), 200),
        row(KeyCollection, Nothing, "POST /api/v1/tasks/heartbeat/batch", items(), 200),
        row(KeyCollection, Nothing, "POST /api/v1/tasks/timeouts/process", None, 200),
        row(KeyCollection, Worker, "GET /api/v1/workers/{worker_id}/control", None, 200),
        row(KeyCollection, Nothing, "GET /api/v1/workers", None, 200),
        row(KeyCollection, Nothing, "GET /api/v1/queues", None, 200),
    ]
}
