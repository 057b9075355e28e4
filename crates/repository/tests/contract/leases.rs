//! Heartbeats.

use task_domain::decide;
use task_domain::{ExecutionStatus, TaskStatus};
use task_protocols::Heartbeat;

use crate::support::build::{new_task, queued, tenant};
use crate::support::{Stores, secs, strange_token, token_of};

pub(crate) async fn a_heartbeat_extends_the_lease_by_its_length_or_as_asked(stores: Stores) {
    let task = stores.create(queued()).await;
    let claimed = stores.claim_next(&task).await;
    let (tenant_id, id, token) = (&task.tenant_id, &task.task_id, token_of(&claimed));
    let first = claimed.current.as_ref().unwrap().lease.unwrap().expires_at;
    let same = stores.executions.heartbeat(tenant_id, id, token, None).await.unwrap().expect("held");
    assert!(same.expires_at > first && same.expires_at < first + secs(60));
    assert_left(same, 60);
    let longer = stores.executions.heartbeat(tenant_id, id, token, Some(600)).await.unwrap().expect("held");
    assert_left(longer, 600);
    let again = stores.executions.heartbeat(tenant_id, id, token, None).await.unwrap().expect("held");
    // Its current length is that of the last request.
    assert_left(again, 600);
    assert!(again.expires_at > longer.expires_at);
    assert_eq!(stores.load(&task).await.current.unwrap().lease.unwrap().expires_at, again.expires_at);
}

/// The whole length is left, but for the moment between writing and reading the clock.
fn assert_left(beat: Heartbeat, seconds: i64) {
    assert!(
        beat.expires_in <= secs(seconds) && beat.expires_in > secs(seconds - 1),
        "{:?} of {seconds} s",
        beat.expires_in
    );
}

pub(crate) async fn a_heartbeat_changes_the_lease_and_nothing_else(stores: Stores) {
    let task = stores.running(new_task()).await;
    let before = stores.snapshot(&task).await;
    let beat = stores
        .executions
        .heartbeat(&task.tenant_id, &task.task_id, token_of(&task), Some(600))
        .await
        .unwrap()
        .expect("held");
    let mut after = stores.snapshot(&task).await;
    after.task.current.as_mut().unwrap().lease.as_mut().unwrap().expires_at =
        before.task.current.as_ref().unwrap().lease.unwrap().expires_at;
    let seen = after.executions[0].lease.as_mut().unwrap();
    assert_eq!(seen.expires_at, beat.expires_at);
    seen.expires_at = before.executions[0].lease.unwrap().expires_at;
    assert_eq!(after, before);
}

pub(crate) async fn a_heartbeat_of_a_paused_tasks_running_attempt_is_accepted(stores: Stores) {
    let task = stores.running(new_task()).await;
    let paused = stores.apply(&task, |task, moment| decide::pause(task, None, moment)).await;
    assert_eq!((paused.status, paused.current.unwrap().status), (TaskStatus::Paused, ExecutionStatus::Running));
    assert!(
        stores.executions.heartbeat(&task.tenant_id, &task.task_id, token_of(&task), None).await.unwrap().is_some()
    );
}

pub(crate) async fn an_expired_lease_cannot_be_revived(stores: Stores) {
    let task = stores.expired(new_task()).await;
    let before = stores.snapshot(&task).await;
    for seconds in [None, Some(3600)] {
        assert_eq!(
            stores.executions.heartbeat(&task.tenant_id, &task.task_id, token_of(&task), seconds).await.unwrap(),
            None
        );
    }
    assert_eq!(stores.snapshot(&task).await, before);
}

pub(crate) async fn a_heartbeat_of_no_current_lease_is_none(stores: Stores) {
    let resting = stores.create(new_task()).await;
    let running = stores.running(new_task()).await;
    let heartbeat = |task: task_domain::Task, token| {
        let stores = stores.clone();
        async move { stores.executions.heartbeat(&task.tenant_id, &task.task_id, token, None).await.unwrap() }
    };
    assert_eq!(heartbeat(resting.clone(), strange_token()).await, None);
    assert_eq!(heartbeat(running.clone(), strange_token()).await, None);
    assert_eq!(heartbeat(resting, token_of(&running)).await, None, "a token is of one task");
    let elsewhere = task_domain::Task { tenant_id: tenant("other"), ..running.clone() };
    assert_eq!(heartbeat(elsewhere, token_of(&running)).await, None);
    let nowhere = task_domain::Task { task_id: crate::support::build::task_id("nowhere"), ..running.clone() };
    assert_eq!(heartbeat(nowhere, token_of(&running)).await, None);
    assert!(heartbeat(running.clone(), token_of(&running)).await.is_some());
}
