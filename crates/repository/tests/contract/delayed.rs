//! Attempts that wait for a backoff or a delay.

use task_domain::RetryPolicy;
use task_domain::decide::{self, Failure, NewTask};

use crate::support::build::queued;
use crate::support::{Stores, claim_types, secs, token_of};

/// A backoff that is over: claimable after `release_delayed`, and not before its time.
pub(crate) async fn a_delayed_attempt_becomes_claimable_when_its_time_has_come(stores: Stores) {
    let retry = RetryPolicy { max_attempts: 3, base_seconds: 100.0, ..RetryPolicy::default() };
    let then = stores.now().await - secs(200);
    let mut tasks = Vec::new();
    for started in [then, stores.now().await] {
        let task = stores.create_at(NewTask { retry: retry.clone(), ..queued() }, then).await;
        let held = stores.claim_at(&task, started, 3600).await;
        let token = token_of(&held);
        let failure = Failure { retryable: true, ..Failure::default() };
        tasks.push(
            stores.apply_at(&held, started, |task, moment| decide::fail(task, token, failure.clone(), moment)).await,
        );
    }
    assert!(stores.timed.due().await.unwrap().delayed);
    assert_eq!(stores.timed.release_delayed(100).await.unwrap(), 1);
    assert_eq!(stores.timed.release_delayed(100).await.unwrap(), 0);
    let claimed = stores.executions.claim(&claim_types(&["garden"], 100)).await.unwrap();
    assert_eq!(claimed.iter().map(|t| t.id).collect::<Vec<_>>(), [tasks[0].id]);
    let current = claimed[0].current.as_ref().unwrap();
    assert_eq!((current.attempt, current.failures), (2, 1));
    assert_eq!(current.run_id, tasks[0].current.as_ref().unwrap().run_id);
}

pub(crate) async fn release_delayed_takes_no_more_than_its_limit_and_nothing_paused(stores: Stores) {
    let then = stores.now().await - secs(200);
    let mut paused = None;
    for _ in 0..4 {
        let task = stores.create_at(queued(), then).await;
        let held = stores.claim_at(&task, then, 3600).await;
        let token = token_of(&held);
        stores.apply_at(&held, then, |task, moment| decide::release(task, token, None, secs(10), moment)).await;
        paused = Some(task);
    }
    let paused = paused.unwrap();
    stores.apply_at(&paused, then, |task, moment| decide::pause(task, None, moment)).await;
    assert_eq!(stores.timed.release_delayed(2).await.unwrap(), 2);
    assert_eq!(stores.timed.release_delayed(2).await.unwrap(), 1);
    assert_eq!(stores.executions.claim(&claim_types(&["garden"], 100)).await.unwrap().len(), 3);
    stores.apply(&paused, |task, moment| decide::resume(task, None, moment)).await;
    stores.timed.release_delayed(2).await.unwrap();
    assert_eq!(stores.claim_next(&paused).await.id, paused.id);
}
