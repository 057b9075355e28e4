//! Creates that are repeated, and many at once.

use mockall::predicate::eq;
use serde_json::json;
use task_domain::{Schedule, TaskId, TenantId};
use task_protocols::{MockExecutionStore, MockTaskStore, SaveOutcome};
use task_service::{RequestKey, Scope, ServiceError, TaskDraft};

use crate::support::{draft, key, loaded, now, service, stored, user};

fn request(fingerprint: &str) -> Option<RequestKey> {
    Some(RequestKey { key: "k".into(), fingerprint: fingerprint.into() })
}

/// A store that knows the time, and that ann made a task under `k`.
fn store_with_a_repeat() -> MockTaskStore {
    let task = stored(false);
    let mut store = MockTaskStore::new();
    store.expect_now().returning(|| Ok(now()));
    let made = task.task_id.clone();
    store
        .expect_made_under()
        .with(eq(TenantId::default_tenant()), eq("user:ann"), eq("k"))
        .returning(move |_, _, _| Ok(Some((made.clone(), "same".to_owned()))));
    store.expect_find().returning(move |_, _| Ok(Some(loaded(task.clone()))));
    store
}

/// A draft that could be made yesterday.
fn too_late() -> TaskDraft {
    let schedule = Schedule::parse(&json!({"type": "once", "run_time": "2029-12-31T00:00:00Z"})).unwrap();
    TaskDraft { schedule: Some(schedule), ..draft("echo") }
}

#[tokio::test]
async fn a_repeat_is_answered_though_it_could_not_be_made_any_more() {
    let service = service(store_with_a_repeat(), MockExecutionStore::new());
    let made = service.create_once(&user("ann"), too_late(), request("same")).await.unwrap();
    assert!(made.replayed);
    let reused = service.create_once(&user("ann"), too_late(), request("another")).await.unwrap_err();
    assert!(matches!(reused, ServiceError::KeyReused));
    let refused = service.create_once(&user("ann"), too_late(), None).await.unwrap_err();
    assert!(matches!(refused, ServiceError::Invalid(_)));
}

#[tokio::test]
async fn the_store_is_told_whose_key_it_is() {
    let mut store = MockTaskStore::new();
    store.expect_now().returning(|| Ok(now()));
    store
        .expect_save()
        .withf(|change| {
            let known = change.idempotency.as_ref().unwrap();
            (known.caller.as_str(), known.key.as_str(), known.fingerprint.as_str()) == ("key:k1", "k", "same")
        })
        .times(1)
        .returning(|_| Ok(SaveOutcome::Saved { id: 1 }));
    let caller = key(&[Scope::TasksWrite], &[]);
    let made = service(store, MockExecutionStore::new()).create_once(&caller, draft("echo"), request("same")).await;
    assert!(!made.unwrap().replayed);
}

#[tokio::test]
async fn nobody_learns_of_a_task_through_a_key_without_the_right_to_create() {
    let caller = key(&[Scope::TasksWork], &[]);
    let refused = service(MockTaskStore::new(), MockExecutionStore::new())
        .create_once(&caller, draft("echo"), request("same"))
        .await
        .unwrap_err();
    assert!(matches!(refused, ServiceError::Forbidden { action: "create", .. }));
}

#[tokio::test]
async fn of_many_each_stands_alone_and_in_its_place() {
    let mut store = MockTaskStore::new();
    store.expect_now().returning(|| Ok(now()));
    store.expect_save().returning(|change| match change.task.name.as_str() {
        "taken" => Ok(SaveOutcome::Duplicate),
        _ => Ok(SaveOutcome::Saved { id: 1 }),
    });
    let named = |name: &str| TaskDraft { name: name.into(), ..draft("echo") };
    let refused = || ServiceError::TaskNotFound { task_id: "refused before".into() };
    let mut drafts: Vec<_> = (0..100).map(|n| Ok(named(&n.to_string()))).collect();
    drafts[3] = Ok(named("taken"));
    drafts[50] = Err(refused());
    drafts[70] = Ok(TaskDraft { task_id: Some(TaskId::new("x").unwrap()), ..draft("unknown_type") });
    let made = service(store, MockExecutionStore::new()).create_many(&user("ann"), drafts).await;
    assert_eq!(made.len(), 100);
    for (n, outcome) in made.into_iter().enumerate() {
        match n {
            3 => assert!(matches!(outcome, Err(ServiceError::DuplicateTask { .. }))),
            50 => assert!(matches!(outcome, Err(ServiceError::TaskNotFound { .. }))),
            70 => assert!(matches!(outcome, Err(ServiceError::Invalid(_)))),
            _ => assert_eq!(outcome.unwrap().name, n.to_string()),
        }
    }
}
