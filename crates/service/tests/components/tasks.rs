//! Creating, editing and ending tasks.

use std::sync::atomic::{AtomicUsize, Ordering};

use task_domain::decide::Rejection;
use task_domain::{Handler, SubscriptionLevel, TaskPatch, TaskStatus, UserId};
use task_protocols::{MockExecutionStore, MockTaskStore, SaveOutcome};
use task_service::{Access, Caller, Precondition, Scope, ServiceError};

use crate::support::{draft, event_types, key, loaded, now, service, stored, user};

fn store_at_now() -> MockTaskStore {
    let mut store = MockTaskStore::new();
    store.expect_now().returning(|| Ok(now()));
    store
}

#[tokio::test]
async fn a_create_hands_task_history_and_event_to_one_save() {
    let mut store = store_at_now();
    store
        .expect_save()
        .withf(|change| {
            event_types(change) == ["task.created"]
                && change.events[0].payload.object()["name"] == "Hello"
                && change.history.action == "create"
                && change.history.actor == "user:ann"
                && change.expected_seq == 0
                && change.task.user_id == Some(UserId::new("ann").unwrap())
                && change.task.handler == Handler::Builtin
                && change.limits.is_some_and(|limits| limits.active_tasks == Some(20))
        })
        .times(1)
        .returning(|_| Ok(SaveOutcome::Saved { id: 42 }));
    let task = service(store, MockExecutionStore::new()).create(&user("ann"), draft("echo")).await.unwrap();
    assert_eq!((task.id, task.status), (42, TaskStatus::Pending));
}

#[tokio::test]
async fn the_level_that_the_gateway_names_decides_the_limits() {
    let mut store = store_at_now();
    store
        .expect_save()
        .withf(|change| change.limits.is_some_and(|l| l.active_tasks == Some(5)))
        .returning(|_| Ok(SaveOutcome::Saved { id: 1 }));
    let access = Access::User { user_id: UserId::new("ann").unwrap(), level: Some(SubscriptionLevel::Free) };
    let caller = Caller { access, ..user("ann") };
    service(store, MockExecutionStore::new()).create(&caller, draft("echo")).await.unwrap();
}

#[tokio::test]
async fn work_of_a_key_has_no_user_and_no_limits() {
    let mut store = store_at_now();
    store
        .expect_save()
        .withf(|change| {
            change.task.user_id.is_none() && change.limits.is_none() && change.task.handler == Handler::Worker
        })
        .returning(|_| Ok(SaveOutcome::Saved { id: 1 }));
    service(store, MockExecutionStore::new()).create(&key(&[Scope::TasksWrite], &[]), draft("render")).await.unwrap();
}

#[tokio::test]
async fn a_key_needs_the_scope_and_the_type() {
    let refused = [key(&[Scope::TasksWork], &[]), key(&[Scope::TasksWrite], &["other"])];
    for caller in refused {
        let error = service(MockTaskStore::new(), MockExecutionStore::new())
            .create(&caller, draft("render"))
            .await
            .unwrap_err();
        assert!(matches!(error, ServiceError::Forbidden { action: "create", .. }), "{error:?}");
    }
    let mut named = draft("echo");
    named.user_id = Some(UserId::new("ann").unwrap());
    let caller = key(&[Scope::TasksWrite], &[]);
    let error = service(MockTaskStore::new(), MockExecutionStore::new()).create(&caller, named).await.unwrap_err();
    assert!(matches!(error, ServiceError::Forbidden { .. }), "{error:?}");
}

#[tokio::test]
async fn a_user_cannot_make_work_for_outside_workers() {
    let error = service(MockTaskStore::new(), MockExecutionStore::new())
        .create(&user("ann"), draft("render"))
        .await
        .unwrap_err();
    let ServiceError::Invalid(problems) = error else { panic!("{error:?}") };
    assert_eq!(problems[0].field, "task_type");
}

#[tokio::test]
async fn an_edit_that_lost_a_race_is_decided_anew() {
    let mut store = MockTaskStore::new();
    let finds = std::sync::Arc::new(AtomicUsize::new(0));
    let counted = finds.clone();
    store.expect_find().returning(move |_, _| {
        let n = counted.fetch_add(1, Ordering::SeqCst);
        let mut task = stored(false);
        task.event_seq += n as i64;
        Ok(Some(loaded(task)))
    });
    store.expect_save().returning(|change| {
        Ok(if change.expected_seq < 3 { SaveOutcome::Stale } else { SaveOutcome::Saved { id: 7 } })
    });
    let patch = TaskPatch { name: Some("New".into()), ..TaskPatch::default() };
    let id = stored(false).task_id;
    let task =
        service(store, MockExecutionStore::new()).update(&user("ann"), &id, &patch, &Precondition::None).await.unwrap();
    assert_eq!((task.name.as_str(), finds.load(Ordering::SeqCst)), ("New", 3));
}

#[tokio::test]
async fn the_same_values_again_are_not_saved() {
    let mut store = MockTaskStore::new();
    store.expect_find().returning(|_, _| Ok(Some(loaded(stored(false)))));
    store.expect_save().never();
    let patch = TaskPatch { name: Some("Hello".into()), ..TaskPatch::default() };
    let task = service(store, MockExecutionStore::new())
        .update(&user("ann"), &stored(false).task_id, &patch, &Precondition::None)
        .await
        .unwrap();
    assert_eq!(task.version, 1);
}

#[tokio::test]
async fn another_users_task_is_denied_before_anything_is_decided() {
    let mut store = MockTaskStore::new();
    store.expect_find().returning(|_, _| Ok(Some(loaded(stored(false)))));
    store.expect_save().never();
    let service = service(store, MockExecutionStore::new());
    let id = stored(false).task_id;
    let denied =
        |error: ServiceError, wanted: &str| matches!(error, ServiceError::Forbidden { action, .. } if action == wanted);
    assert!(denied(service.get(&user("bob"), &id).await.unwrap_err(), "read"));
    assert!(denied(service.delete(&user("bob"), &id, &Precondition::None).await.unwrap_err(), "delete"));
    assert!(denied(service.cancel(&user("bob"), &id, None).await.unwrap_err(), "cancel"));
}

#[tokio::test]
async fn a_cancel_of_a_running_task_fences_its_lease() {
    let mut store = MockTaskStore::new();
    store.expect_find().returning(|_, _| Ok(Some(loaded(crate::support::leased()))));
    store
        .expect_save()
        .withf(|change| {
            event_types(change) == ["task.executed", "task.status_changed"]
                && change.task.current.is_none()
                && change.finished.as_ref().is_some_and(|e| e.error_message.as_deref() == Some("enough"))
        })
        .times(1)
        .returning(|_| Ok(SaveOutcome::Saved { id: 7 }));
    let task = service(store, MockExecutionStore::new())
        .cancel(&user("ann"), &stored(true).task_id, Some("enough".into()))
        .await
        .unwrap();
    assert_eq!(task.status, TaskStatus::Cancelled);
}

#[tokio::test]
async fn a_refused_transition_says_from_and_to() {
    let mut store = MockTaskStore::new();
    store.expect_find().returning(|_, _| Ok(Some(loaded(stored(true)))));
    let patch = TaskPatch { status: Some(TaskStatus::Pending), ..TaskPatch::default() };
    let error = service(store, MockExecutionStore::new())
        .update(&user("ann"), &stored(true).task_id, &patch, &Precondition::None)
        .await
        .unwrap_err();
    let expected = Rejection::InvalidTransition {
        action: "set the status of",
        from: TaskStatus::Queued,
        to: Some(TaskStatus::Pending),
    };
    assert!(matches!(error, ServiceError::Rejected(rejection) if rejection == expected));
}
