//! Runs by hand.

use std::collections::HashMap;
use std::time::Duration;

use task_domain::{ExecutionStatus, Handler, TriggerType, TypeLimits};
use task_protocols::{MockExecutionStore, MockTaskStore, SaveOutcome};

use crate::support::{loaded, saver, service, service_of, silent_hints, stored, user};

#[tokio::test]
async fn an_execute_queues_a_run_and_returns_when_it_has_ended() {
    let mut store = MockTaskStore::new();
    store.expect_find().returning(|_, _| Ok(Some(loaded(stored(false)))));
    let (saved, seen) = std::sync::mpsc::channel();
    store.expect_save().times(1).returning(move |change| {
        saved.send(change.task.current.clone().unwrap()).unwrap();
        Ok(SaveOutcome::Saved { id: 7 })
    });
    let mut executions = MockExecutionStore::new();
    let seen = std::sync::Mutex::new(seen);
    executions.expect_list_executions().returning(move |_| {
        let mut execution = seen.lock().unwrap().try_recv().unwrap();
        execution.status = ExecutionStatus::Completed;
        Ok(vec![execution])
    });
    let executed = service(store, executions)
        .execute(&user("ann"), &stored(false).task_id, None, Duration::from_secs(30))
        .await
        .unwrap();
    assert!(executed.finished);
    assert_eq!(
        (executed.execution.status, executed.execution.trigger_type),
        (ExecutionStatus::Completed, TriggerType::Manual)
    );
}

#[tokio::test]
async fn work_for_outside_workers_is_not_waited_for() {
    let mut store = MockTaskStore::new();
    store.expect_find().returning(|_, _| {
        let mut task = stored(false);
        task.handler = Handler::Worker;
        Ok(Some(loaded(task)))
    });
    store.expect_save().returning(|_| Ok(SaveOutcome::Saved { id: 7 }));
    let mut executions = MockExecutionStore::new();
    // Once, for the newest attempt; nobody waits for more.
    executions.expect_list_executions().times(1).returning(|_| Ok(Vec::new()));
    let executed = service(store, executions)
        .execute(&user("ann"), &stored(false).task_id, None, Duration::from_secs(30))
        .await
        .unwrap();
    assert!(!executed.finished);
}

/// A limit holds for every run that is queued while it is set, whenever the task was made.
#[tokio::test]
async fn a_run_is_queued_under_the_limit_that_its_type_has_by_now() {
    let limited = TypeLimits::new(HashMap::from([("echo".to_owned(), 3)]));
    let key = || Some("type:echo".to_owned());
    for (limits, before, after) in [
        (limited.clone(), (None, None), (key(), Some(3))),
        (limited, (key(), Some(7)), (key(), Some(3))),
        (TypeLimits::default(), (key(), Some(3)), (None, None)),
    ] {
        let mut store = MockTaskStore::new();
        store.expect_find().returning(move |_, _| {
            let (concurrency_key, max_concurrent) = before.clone();
            Ok(Some(loaded(task_domain::Task { concurrency_key, max_concurrent, ..stored(false) })))
        });
        store.expect_save().times(1).returning(move |change| {
            assert_eq!((&change.task.concurrency_key, change.task.max_concurrent), (&after.0, after.1));
            assert!(change.definition_changed);
            Ok(SaveOutcome::Saved { id: 7 })
        });
        let mut executions = MockExecutionStore::new();
        executions.expect_list_executions().returning(|_| Ok(Vec::new()));
        let service = service_of(saver(store, silent_hints()).under(limits), executions);
        service.execute(&user("ann"), &stored(false).task_id, None, Duration::ZERO).await.unwrap();
    }
}
