//! Reports under a name: what is checked, in which order, and under which token they are saved.

use std::sync::Arc;

use serde_json::json;
use task_domain::decide::{LeaseGuard, Rejection, Report};
use task_domain::{Origin, Task, TaskStatus};
use task_protocols::{Loaded, MockExecutionStore, MockProgressStore, MockTaskStore, SaveOutcome};
use task_service::{Amendment, OriginService, Said, Scope, ServiceError, StatusReport, WorkerService};

use crate::support::{key, leased, loaded, saver, service, silent_hints, stored};

fn origin_service(task: Task, saves: usize) -> OriginService {
    let mut store = MockTaskStore::new();
    let held = task.current.as_ref().and_then(|e| e.lease).map(|lease| lease.token);
    // One look a call.
    store.expect_find().times(1).returning(move |_, _| Ok(Some(loaded(task.clone()))));
    store
        .expect_save()
        .withf(move |change| Some(change.lease) == held.map(LeaseGuard::Held))
        .times(saves)
        .returning(|_| Ok(SaveOutcome::Saved { id: 7 }));
    let workers = WorkerService::new(
        saver(MockTaskStore::new(), silent_hints()),
        Arc::new(MockExecutionStore::new()),
        Arc::new(MockProgressStore::new()),
    );
    let tasks = Arc::new(service(store, MockExecutionStore::new()));
    OriginService::new(tasks, workers, Origin::TaskRepository)
}

fn of_origin(task: Task) -> Task {
    Task { origin: Origin::TaskRepository, ..task }
}

#[tokio::test]
async fn the_name_of_the_claimer_stands_for_its_token() {
    let caller = key(&[Scope::TasksWork], &[]);
    for holder in [Some("w1"), None] {
        let task = of_origin(leased());
        let service = origin_service(task.clone(), 1);
        let report = Report { result: json!({"ok": true}), ..Report::default() };
        let done = service.complete(&caller, &task.task_id, holder, report).await.unwrap();
        assert_eq!(done.status, TaskStatus::Completed);
    }
}

#[tokio::test]
async fn the_state_is_checked_before_the_holder_and_the_origin_before_both() {
    let caller = key(&[Scope::TasksWork], &[]);
    let complete = async |task: Task| {
        let service = origin_service(task.clone(), 0);
        service.complete(&caller, &task.task_id, Some("other"), Report::default()).await.unwrap_err()
    };
    assert!(matches!(complete(of_origin(leased())).await, ServiceError::NotHolder { .. }));
    let waiting = complete(of_origin(stored(true))).await;
    assert!(matches!(waiting, ServiceError::Rejected(Rejection::InvalidTransition { from: TaskStatus::Queued, .. })));
    assert!(matches!(complete(leased()).await, ServiceError::TaskNotFound { .. }));
    let task = of_origin(leased());
    let nothing = MockTaskStore::new();
    let workers = WorkerService::new(
        saver(MockTaskStore::new(), silent_hints()),
        Arc::new(MockExecutionStore::new()),
        Arc::new(MockProgressStore::new()),
    );
    let tasks = Arc::new(service(nothing, MockExecutionStore::new()));
    let error = OriginService::new(tasks, workers, Origin::TaskRepository)
        .complete(&key(&[Scope::TasksWrite], &[]), &task.task_id, None, Report::default())
        .await
        .unwrap_err();
    assert!(matches!(error, ServiceError::Forbidden { .. }), "{error:?}");
}

fn said(status: TaskStatus) -> Said {
    Said::Reported(StatusReport { status, result: Some(json!({"r": 1})), error: None, lease_seconds: 60 })
}

#[tokio::test]
async fn what_is_said_in_one_call_is_one_save_under_the_holders_lease() {
    let task = of_origin(leased());
    let service = origin_service(task.clone(), 1);
    let edit = Amendment { name: Some("other".into()), ..Amendment::default() };
    let both = key(&[Scope::TasksWrite, Scope::TasksWork], &[]);
    let done = service.put(&both, &task.task_id, Some("w1"), &said(TaskStatus::Completed), &edit).await.unwrap();
    assert_eq!((done.status, done.name.as_str()), (TaskStatus::Completed, "other"));
    assert_eq!(done.last_result, Some(json!({"r": 1})));
}

#[tokio::test]
async fn the_scope_is_checked_before_anything_changes() {
    let edit = Amendment { name: Some("other".into()), ..Amendment::default() };
    let nothing = Amendment::default();
    let works = said(TaskStatus::Completed);
    let sets = said(TaskStatus::Cancelled);
    for (scope, said, edit, may) in [
        (Scope::TasksWork, &works, &nothing, true),
        (Scope::TasksWork, &works, &edit, false),
        (Scope::TasksWork, &sets, &nothing, false),
        (Scope::TasksWrite, &works, &nothing, false),
    ] {
        let task = of_origin(leased());
        let service = origin_service(task.clone(), usize::from(may));
        let put = service.put(&key(&[scope], &[]), &task.task_id, None, said, edit).await;
        match put {
            Ok(_) => assert!(may, "{scope:?} {said:?}"),
            Err(error) => assert!(!may && matches!(error, ServiceError::Forbidden { .. }), "{error:?}"),
        }
    }
    let task = of_origin(leased());
    let other = origin_service(task.clone(), 0);
    let both = key(&[Scope::TasksWrite, Scope::TasksWork], &[]);
    let error = other.put(&both, &task.task_id, Some("w2"), &Said::Nothing, &nothing).await.unwrap_err();
    assert!(matches!(error, ServiceError::NotHolder { .. }), "{error:?}");
}

/// The claim and the edit are one save also under a concurrency key; what the store holds back stays so.
#[tokio::test]
async fn a_task_under_a_key_is_claimed_and_edited_in_one_change_when_it_was_let_through() {
    let caller = key(&[Scope::TasksWork, Scope::TasksWrite], &[]);
    for claimable in [true, false] {
        let keyed =
            || Task { concurrency_key: Some("type:echo".into()), max_concurrent: Some(1), ..of_origin(stored(true)) };
        let mut store = MockTaskStore::new();
        store.expect_find().times(1).returning(move |_, _| Ok(Some(Loaded { claimable, ..loaded(keyed()) })));
        store.expect_save().times(usize::from(claimable)).returning(|change| {
            assert_eq!((change.task.status, change.task.name.as_str()), (TaskStatus::Running, "renamed"));
            Ok(SaveOutcome::Saved { id: 7 })
        });
        let workers = WorkerService::new(
            saver(MockTaskStore::new(), silent_hints()),
            Arc::new(MockExecutionStore::new()),
            Arc::new(MockProgressStore::new()),
        );
        let tasks = Arc::new(service(store, MockExecutionStore::new()));
        let service = OriginService::new(tasks, workers, Origin::TaskRepository);
        let running = StatusReport { status: TaskStatus::Running, result: None, error: None, lease_seconds: 60 };
        let edit = Amendment { name: Some("renamed".into()), ..Amendment::default() };
        let put = service.put(&caller, &keyed().task_id, Some("w1"), &Said::Reported(running), &edit).await;
        if claimable {
            assert_eq!(put.unwrap().status, TaskStatus::Running);
        } else {
            let refused = put.unwrap_err();
            let waits = Rejection::InvalidTransition {
                action: "claim",
                from: TaskStatus::Queued,
                to: Some(TaskStatus::Running),
            };
            assert!(matches!(&refused, ServiceError::Rejected(rejection) if *rejection == waits), "{refused:?}");
        }
    }
}
