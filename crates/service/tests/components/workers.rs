//! Leases through the worker use cases.

use std::sync::Arc;

use serde_json::json;
use task_domain::decide::{Failure, Rejection, Report};
use task_domain::{Execution, ExecutionStatus, LeaseLost, LeaseToken, Task, TaskStatus};
use task_protocols::{MockExecutionStore, MockProgressStore, MockTaskStore, SaveOutcome};
use task_service::{ServiceError, WorkerService};

use crate::support::{event_types, leased, loaded, saver, silent_hints, stored};

fn workers(store: MockTaskStore, executions: MockExecutionStore) -> WorkerService {
    WorkerService::new(saver(store, silent_hints()), Arc::new(executions), Arc::new(MockProgressStore::new()))
}

fn token(task: &Task) -> LeaseToken {
    task.current.as_ref().and_then(|e| e.lease).unwrap().token
}

fn store_with(task: Task) -> MockTaskStore {
    let mut store = MockTaskStore::new();
    store.expect_find().returning(move |_, _| Ok(Some(loaded(task.clone()))));
    store
}

#[tokio::test]
async fn a_completion_is_saved_under_its_lease() {
    let task = leased();
    let held = token(&task);
    let mut store = store_with(task.clone());
    store
        .expect_save()
        .withf(move |change| {
            change.lease == task_domain::decide::LeaseGuard::Held(held)
                && event_types(change) == ["task.executed", "task.status_changed"]
        })
        .times(1)
        .returning(|_| Ok(SaveOutcome::Saved { id: 7 }));
    let report = Report { result: json!({"ok": true}), ..Report::default() };
    let done =
        workers(store, MockExecutionStore::new()).complete(&task.tenant_id, &task.task_id, held, report).await.unwrap();
    assert_eq!((done.task.status, done.execution.status), (TaskStatus::Completed, ExecutionStatus::Completed));
}

#[tokio::test]
async fn a_token_that_is_not_current_changes_nothing_and_is_told_why() {
    let task = leased();
    let stale = LeaseToken::new(uuid::Uuid::from_u128(1));
    for (ended, reason) in [
        (None, LeaseLost::Unknown),
        (Some(ExecutionStatus::Released), LeaseLost::Released),
        (Some(ExecutionStatus::Lost), LeaseLost::Reclaimed),
    ] {
        let mut store = store_with(task.clone());
        store.expect_save().never();
        let mut executions = MockExecutionStore::new();
        let ended: Option<Execution> = ended.map(|status| Execution { status, ..task.current.clone().unwrap() });
        executions.expect_find_ended_by_token().returning(move |_, _, _| Ok(ended.clone()));
        let error = workers(store, executions)
            .fail(&task.tenant_id, &task.task_id, stale, Failure::default())
            .await
            .unwrap_err();
        assert!(matches!(error, ServiceError::Rejected(Rejection::LeaseLost(lost)) if lost == reason), "{error:?}");
    }
}

#[tokio::test]
async fn repeating_the_accepted_completion_is_answered_as_the_first_time() {
    let finished = stored(false);
    let held = LeaseToken::new(uuid::Uuid::from_u128(2));
    let accepted =
        Execution { status: ExecutionStatus::Completed, result: Some(json!(1)), ..leased().current.unwrap() };
    let service = || {
        let mut executions = MockExecutionStore::new();
        let accepted = accepted.clone();
        executions.expect_find_ended_by_token().returning(move |_, _, _| Ok(Some(accepted.clone())));
        workers(store_with(finished.clone()), executions)
    };
    let report = |n: i64| Report { result: json!(n), ..Report::default() };
    let again = service().complete(&finished.tenant_id, &finished.task_id, held, report(1)).await.unwrap();
    assert_eq!(again.execution, accepted);
    let other = service().complete(&finished.tenant_id, &finished.task_id, held, report(2)).await.unwrap_err();
    assert!(matches!(other, ServiceError::Rejected(Rejection::LeaseLost(LeaseLost::Finished))), "{other:?}");
}
