//! New tasks.

use std::collections::BTreeMap;

use chrono::{DateTime, SubsecRound, Utc};
use serde_json::json;
use task_domain::decide::NewTask;
use task_domain::{
    Backoff, Handler, JsonObject, OnDependencyFailure, Origin, Priority, RetryPolicy, Schedule, TaskId, TenantId,
    UserId,
};

pub(crate) fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

pub(crate) fn tenant(id: &str) -> TenantId {
    TenantId::new(id).unwrap()
}

pub(crate) fn task_id(id: &str) -> TaskId {
    TaskId::new(id).unwrap()
}

pub(crate) fn object(json: serde_json::Value) -> JsonObject {
    json.as_object().expect("an object").clone()
}

pub(crate) fn hourly() -> Schedule {
    Schedule::parse(&json!({"type": "interval", "interval_minutes": 60})).unwrap()
}

/// Ann's, for outside workers, at rest.
pub(crate) fn new_task() -> NewTask {
    NewTask {
        tenant_id: TenantId::default_tenant(),
        task_id: None,
        user_id: Some(user("ann")),
        key_id: None,
        origin: Origin::TaskService,
        handler: Handler::Worker,
        name: "water the plants".into(),
        description: None,
        task_type: "garden".into(),
        config: JsonObject::new(),
        metadata: None,
        tags: Vec::new(),
        labels: BTreeMap::new(),
        attributes: JsonObject::new(),
        priority: Priority::default(),
        schedule: None,
        due_date: None,
        reminder_time: None,
        timeout_seconds: None,
        depends_on: Vec::new(),
        blocked: false,
        on_dependency_failure: OnDependencyFailure::Fail,
        concurrency_key: None,
        max_concurrent: None,
        retry: RetryPolicy::default(),
        credits_per_run: 2.5,
        run_immediately: false,
    }
}

/// The same, queued.
pub(crate) fn queued() -> NewTask {
    NewTask { run_immediately: true, ..new_task() }
}

/// Every field filled, with what is awkward to store.
pub(crate) fn full_task(now: DateTime<Utc>) -> NewTask {
    NewTask {
        tenant_id: tenant("acme"),
        task_id: Some(task_id("report:2026.03_a-1")),
        user_id: Some(user("zoë ☂ o'hara")),
        key_id: Some("k1".into()),
        origin: Origin::TaskTracker,
        handler: Handler::Builtin,
        name: "näme with 'quotes', \"double\" \\ and ☂".into(),
        description: Some(String::new()),
        task_type: "echo".into(),
        config: object(
            json!({"deep": [{"a": null}, 1, 1.5, -9_007_199_254_740_993_i64, true, "x"], "empty": {}, "": []}),
        ),
        metadata: Some(object(json!({"k": "v", "o": {"p": [[]]}}))),
        tags: vec!["b".into(), "a".into(), "b".into(), String::new()],
        labels: BTreeMap::from([("team".into(), "x,y".into()), ("é".into(), String::new())]),
        attributes: object(json!({"legacy": 7})),
        priority: Priority::from_number(7).unwrap(),
        schedule: Some(hourly()),
        due_date: Some((now + chrono::Duration::days(400)).trunc_subsecs(6)),
        reminder_time: Some((now - chrono::Duration::microseconds(1)).trunc_subsecs(6)),
        timeout_seconds: Some(86_400),
        depends_on: vec![task_id("one"), task_id("two")],
        blocked: false,
        on_dependency_failure: OnDependencyFailure::Run,
        concurrency_key: Some("per ☂".into()),
        max_concurrent: Some(2),
        retry: RetryPolicy { max_attempts: 7, backoff: Backoff::Linear, base_seconds: 0.25, max_seconds: 12.5 },
        credits_per_run: 0.1,
        run_immediately: true,
    }
}
