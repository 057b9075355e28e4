//! Reports under a name: what is checked, in which order, and under which token they are saved.

use std::sync::Arc;

use serde_json::json;
use task_domain::decide::{LeaseGuard, Rejection, Report};
use task_domain::{Origin, Task, TaskStatus};
use task_protocols::{MockExecutionStore, MockProgressStore, MockTaskStore, SaveOutcome};
use task_service::{OriginService, Scope, ServiceError, WorkerService};

use crate::support::{key, leased, loaded, saver, service, silent_hints, stored};

fn origin_service(task: Task, saves: usize) -> OriginService {
    let store = || {
        let mut store = MockTaskStore::new();
        let task = task.clone();
        store.expect_find().returning(move |_, _| Ok(Some(loaded(task.clone()))));
        store
    };
    let mut saving = store();
    let held = task.current.as_ref().and_then(|e| e.lease).map(|lease| lease.token);
    saving
        .expect_save()
        .withf(move |change| Some(change.lease) == held.map(LeaseGuard::Held))
        .times(saves)
        .returning(|_| Ok(SaveOutcome::Saved { id: 7 }));
    let workers = WorkerService::new(
        saver(saving, silent_hints()),
        Arc::new(MockExecutionStore::new()),
        Arc::new(MockProgressStore::new()),
    );
    let tasks = Arc::new(service(store(), MockExecutionStore::new()));
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
        assert_eq!(done.task.status, TaskStatus::Completed);
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
    let error = origin_service(task.clone(), 0)
        .complete(&key(&[Scope::TasksWrite], &[]), &task.task_id, None, Report::default())
        .await
        .unwrap_err();
    assert!(matches!(error, ServiceError::Forbidden { .. }), "{error:?}");
}
