//! Leases through the worker use cases.

use std::sync::Arc;

use serde_json::json;
use task_domain::decide::{Failure, Rejection, Report};
use task_domain::{Execution, ExecutionStatus, Handler, LeaseLost, LeaseToken, Task, TaskId, TaskStatus};
use task_protocols::{ClaimRequest, MockExecutionStore, MockProgressStore, MockTaskStore, SaveOutcome};
use task_service::{ServiceError, WorkerService};

use crate::support::{event_types, leased, loaded, now, saver, silent_hints, stored};

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

/// A service that has leased `task`; `saves` are the outcomes of its saves.
async fn having_claimed(task: &Task, finds: usize, saves: Vec<SaveOutcome>) -> WorkerService {
    let (found, claimed) = (task.clone(), task.clone());
    let mut store = MockTaskStore::new();
    store.expect_now().returning(|| Ok(now()));
    store.expect_find().times(finds).returning(move |_, _| Ok(Some(loaded(found.clone()))));
    let mut saves = saves.into_iter();
    store.expect_save().returning(move |_| Ok(saves.next().unwrap()));
    let mut executions = MockExecutionStore::new();
    executions.expect_claim().returning(move |_| Ok(vec![claimed.clone()]));
    let workers = workers(store, executions);
    let request = ClaimRequest {
        tenant_id: Some(task.tenant_id.clone()),
        handler: Handler::Worker,
        task_types: vec!["garden".into()],
        worker_id: "w1".into(),
        max_tasks: 1,
        lease_seconds: 60,
        origin: None,
        request_id: None,
    };
    workers.claim(&request).await.unwrap();
    workers
}

#[tokio::test]
async fn what_was_leased_here_is_completed_without_being_read() {
    let task = leased();
    let workers = having_claimed(&task, 0, vec![SaveOutcome::Saved { id: 7 }]).await;
    let done = workers.complete(&task.tenant_id, &task.task_id, token(&task), Report::default()).await.unwrap();
    assert_eq!((done.task.status, done.execution.status), (TaskStatus::Completed, ExecutionStatus::Completed));
}

#[tokio::test]
async fn what_has_changed_since_it_was_leased_is_read_after_all() {
    let task = leased();
    let workers = having_claimed(&task, 1, vec![SaveOutcome::Stale, SaveOutcome::Saved { id: 7 }]).await;
    let done = workers.complete(&task.tenant_id, &task.task_id, token(&task), Report::default()).await.unwrap();
    assert_eq!(done.task.status, TaskStatus::Completed);
}

#[tokio::test]
async fn a_lease_that_is_remembered_is_of_its_own_task_only() {
    let task = leased();
    let workers = having_claimed(&task, 1, vec![SaveOutcome::Saved { id: 7 }]).await;
    let other = TaskId::new("other").unwrap();
    let done = workers.complete(&task.tenant_id, &other, token(&task), Report::default()).await.unwrap();
    assert_eq!(done.task.status, TaskStatus::Completed, "it was read, by the name that the report gave");
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
