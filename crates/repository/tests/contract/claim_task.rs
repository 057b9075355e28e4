//! Claims of a task that is named.

use futures::future::join_all;
use task_domain::decide::{self, Claimer, NewTask};
use task_domain::{Handler, Origin, Task, TaskStatus};
use task_protocols::{ClaimTaskRequest, ClaimedTask};

use crate::support::build::{hourly, new_task, queued, task_id, tenant};
use crate::support::{Stores, claim_this, moment, secs, token_of};

/// The task that must have been claimed.
fn claimed(outcome: ClaimedTask) -> Task {
    match outcome {
        ClaimedTask::Claimed(task) => *task,
        refused => panic!("not claimed: {refused:?}"),
    }
}

pub(crate) async fn a_task_claimed_by_its_id_is_what_the_domain_decides_and_a_read_finds(stores: Stores) {
    stores.create(queued()).await;
    let before = stores.create(queued()).await;
    let request = ClaimTaskRequest { lease_seconds: 900, ..claim_this(&before) };
    let mut got = claimed(stores.executions.claim_task(&request).await.unwrap());
    assert_eq!(stores.load(&before).await, got);
    let claimer = Claimer { worker_id: "w1".into(), lease_seconds: 900 };
    let mut wanted = decide::claim(&before, &claimer, &moment(got.updated_at)).unwrap().task;
    for task in [&mut got, &mut wanted] {
        task.current.as_mut().and_then(|e| e.lease.as_mut()).unwrap().token =
            task_domain::LeaseToken::new(uuid::Uuid::nil());
    }
    assert_eq!(got, wanted);
    let events = stores.events_of(&before).await;
    assert_eq!(events.iter().map(|e| e.seq).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(events[1].payload.object()["new_status"], "running");
}

pub(crate) async fn of_parallel_claims_of_one_task_exactly_one_wins(stores: Stores) {
    for _ in 0..10 {
        let task = stores.create(queued()).await;
        let outcomes = join_all((0..16).map(|n| {
            let (stores, task) = (stores.clone(), &task);
            async move {
                let request = ClaimTaskRequest { worker_id: format!("w{n}"), ..claim_this(task) };
                stores.executions.claim_task(&request).await.unwrap()
            }
        }))
        .await;
        let winners: Vec<_> = outcomes
            .into_iter()
            .filter_map(|outcome| match outcome {
                ClaimedTask::Claimed(task) => Some(task),
                ClaimedTask::NotClaimable(task) => {
                    assert_eq!(task.status, TaskStatus::Running, "the others learn how it stands");
                    None
                }
                ClaimedTask::NotFound => panic!("it is there"),
            })
            .collect();
        assert_eq!(winners.len(), 1);
        assert_eq!(stores.load(&task).await, *winners[0]);
    }
}

pub(crate) async fn by_its_id_only_what_is_queued_due_and_of_the_handler_is_claimed(stores: Stores) {
    let resting = stores.create(new_task()).await;
    let scheduled = stores.create(NewTask { schedule: Some(hourly()), ..new_task() }).await;
    let paused = stores.create(queued()).await;
    let paused = stores.apply(&paused, |task, moment| decide::pause(task, None, moment)).await;
    let cancelled = stores.create(queued()).await;
    let cancelled = stores.apply(&cancelled, |task, moment| decide::cancel(task, None, moment)).await;
    let running = stores.running(new_task()).await;
    let expired = stores.expired(new_task()).await;
    let done = stores.running(new_task()).await;
    let done = stores.complete(&done).await;
    let delayed = stores.running(new_task()).await;
    let token = token_of(&delayed);
    let delayed = stores.apply(&delayed, |task, moment| decide::release(task, token, None, secs(600), moment)).await;
    let ours = stores.create(NewTask { handler: Handler::Builtin, ..queued() }).await;
    for task in [resting, scheduled, paused, cancelled, running, expired, done, delayed, ours] {
        let request = ClaimTaskRequest { handler: Handler::Worker, ..claim_this(&task) };
        match stores.executions.claim_task(&request).await.unwrap() {
            ClaimedTask::NotClaimable(found) => assert_eq!(found.status, task.status),
            other => panic!("{}: {other:?}", task.status),
        }
        let untouched = stores.load(&task).await;
        assert_eq!((untouched.event_seq, untouched.current), (task.event_seq, task.current));
    }
}

pub(crate) async fn another_tenants_or_apis_task_is_not_found_by_its_id(stores: Stores) {
    let task = stores.create(NewTask { origin: Origin::TaskTracker, ..queued() }).await;
    let refused = [
        ClaimTaskRequest { tenant_id: tenant("other"), ..claim_this(&task) },
        ClaimTaskRequest { origin: Some(Origin::Seedcore), ..claim_this(&task) },
        ClaimTaskRequest { task_id: task_id("nobody"), ..claim_this(&task) },
    ];
    for request in refused {
        assert_eq!(stores.executions.claim_task(&request).await.unwrap(), ClaimedTask::NotFound);
    }
    let deleted = stores.create(queued()).await;
    stores.apply(&deleted, decide::delete).await;
    assert_eq!(stores.executions.claim_task(&claim_this(&deleted)).await.unwrap(), ClaimedTask::NotFound);
    let own = ClaimTaskRequest { origin: Some(Origin::TaskTracker), ..claim_this(&task) };
    assert_eq!(claimed(stores.executions.claim_task(&own).await.unwrap()).id, task.id);
}
