//! A body that each route takes.

use serde_json::{Value, json};

/// A route with a body, who may call it, and a body that it takes.
pub(crate) struct Example {
    pub(crate) route: &'static str,
    pub(crate) body: Value,
    /// Fields that take any JSON.
    pub(crate) free: &'static [&'static str],
    /// Called with the development key; otherwise as user `ann`.
    pub(crate) by_key: bool,
}

fn user(route: &'static str, body: Value, free: &'static [&'static str]) -> Example {
    Example { route, body, free, by_key: false }
}

fn key(route: &'static str, body: Value, free: &'static [&'static str]) -> Example {
    Example { route, body, free, by_key: true }
}

fn task() -> Value {
    json!({
        "name": "Name", "description": "Text", "task_type": "echo", "priority": 3, "config": {"value": 1},
        "schedule": {"type": "interval", "interval_minutes": 60}, "credits_per_run": 1.5, "tags": ["a"],
        "labels": {"a": "b"}, "metadata": {"a": 1}, "due_date": "2031-01-01T00:00:00Z",
        "reminder_time": "2030-12-31T00:00:00Z", "timeout_seconds": 60,
        "retry": {"max_attempts": 2, "backoff": "fixed", "base_seconds": 1, "max_seconds": 5},
        "run_immediately": false, "task_id": "corpus-task"
    })
}

/// Every route of the document that has a body.
pub(crate) fn examples() -> Vec<Example> {
    let edit = json!({
        "name": "Name", "description": "Text", "priority": 3, "config": {"value": 1}, "tags": ["a"],
        "labels": {"a": "b"}, "metadata": {"a": 1}, "due_date": "2031-01-01T00:00:00Z",
        "reminder_time": "2030-12-31T00:00:00Z", "timeout_seconds": 60, "credits_per_run": 1.5, "status": "paused",
        "schedule": {"type": "daily", "run_time": "10:00"}, "next_run_time": "2031-01-01T00:00:00Z",
        "retry": {"max_attempts": 2}
    });
    let reason = || json!({"reason": "because"});
    let mut all = of_workers();
    all.extend([
        user("POST /api/v1/tasks", task(), &[]),
        key(
            "POST /api/v1/tasks",
            json!({"name": "Name", "task_type": "echo", "user_id": "ann", "handler": "worker"}),
            &[],
        ),
        user("PUT /api/v1/tasks/{task_id}", edit.clone(), &[]),
        user("PATCH /api/v1/tasks/{task_id}", edit, &[]),
        user("POST /api/v1/tasks/{task_id}/execute", json!({"trigger_data": {"a": 1}}), &["trigger_data"]),
        user("POST /api/v1/tasks/{task_id}/cancel", reason(), &[]),
        user("POST /api/v1/tasks/{task_id}/pause", reason(), &[]),
        user("POST /api/v1/tasks/{task_id}/resume", reason(), &[]),
        user("POST /api/v1/tasks/{task_id}/retry", reason(), &[]),
        user(
            "POST /api/v1/tasks/from-template",
            json!({"template_id": "tpl_todo_basic", "customization": {"name": "Name", "due_date": "2031-01-01T00:00:00Z"}}),
            &[],
        ),
        user("POST /api/v1/tasks/batch", json!({"tasks": [{"name": "Name", "task_type": "todo"}]}), &[]),
        user("POST /api/v1/tasks/{task_id}/conversations", json!({"content": "Text", "status": "active"}), &[]),
        user("PUT /api/v1/conversations/{conversation_id}", json!({"content": "Text", "status": "active"}), &[]),
        key(
            "POST /api/v1/keys",
            json!({"name": "Name", "scopes": ["facts"], "task_types": ["echo"], "expires_in_days": 5}),
            &[],
        ),
        user("POST /api/v1/facts", json!({"text": "Text", "tags": ["a"], "meta_data": {"a": 1}}), &[]),
        user("PATCH /api/v1/facts/{fact_id}", json!({"text": "Text", "tags": ["a"], "meta_data": {"a": 1}}), &[]),
    ]);
    all
}

/// Those of the worker API.
fn of_workers() -> Vec<Example> {
    let claim = json!({
        "task_types": ["render"], "worker_id": "w1", "max_tasks": 2, "lease_seconds": 60, "wait_seconds": 0, "request_id": "r1"
    });
    vec![
        key("POST /api/v1/tasks/claim", claim.clone(), &[]),
        key(
            "POST /api/v1/tasks/{task_id}/claim",
            json!({"worker_id": "w1", "lease_seconds": 60, "request_id": "r1", "max_tasks": 1, "wait_seconds": 0}),
            &[],
        ),
        key("POST /api/v1/tasks/{task_id}/heartbeat", json!({"lease_token": "t", "lease_seconds": 60}), &[]),
        key("POST /api/v1/tasks/{task_id}/progress", json!({"lease_token": "t", "progress": {"percent": 5}}), &[]),
        key(
            "POST /api/v1/tasks/{task_id}/complete",
            json!({
                "lease_token": "t", "result": {"a": 1}, "credits_consumed": 1.5, "tokens_used": 5, "api_calls_made": 6,
                "claim_next": claim
            }),
            &["result"],
        ),
        key(
            "POST /api/v1/tasks/{task_id}/fail",
            json!({"lease_token": "t", "error": {"message": "Text", "code": "x", "details": 1}, "retryable": true}),
            // A text is as good.
            &["error"],
        ),
        key("POST /api/v1/tasks/{task_id}/fail", json!({"lease_token": "t", "error": "Text"}), &["error"]),
        key(
            "POST /api/v1/tasks/{task_id}/release",
            json!({"lease_token": "t", "reason": "Text", "delay_seconds": 5}),
            &[],
        ),
        key("POST /api/v1/tasks/complete/batch", json!({"items": [{"task_id": "x", "lease_token": "t"}]}), &[]),
        key("POST /api/v1/tasks/heartbeat/batch", json!({"items": [{"task_id": "x", "lease_token": "t"}]}), &[]),
    ]
}
