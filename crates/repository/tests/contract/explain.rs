//! What the explanation of a task is made from.

use task_domain::decide::{self, Failure, NewTask};
use task_domain::explain::{QueuePlace, TypeActivity};
use task_domain::{Handler, Priority, Task};

use crate::support::build::{new_task, queued, tenant};
use crate::support::{Stores, token_of};

async fn ahead(stores: &Stores, task: &Task, at_most: i64) -> i64 {
    let place = stores.explain.queue_place(task, at_most).await.unwrap();
    assert!(place.claimable && !place.parked);
    place.ahead
}

pub(crate) async fn a_place_counts_what_a_claim_takes_before_it(stores: Stores) {
    let first = stores.create(queued()).await;
    let second = stores.create(queued()).await;
    let last = stores.create(NewTask { priority: Priority::LOW, ..queued() }).await;
    let urgent = stores.create(NewTask { priority: Priority::URGENT, ..queued() }).await;
    // In nobody's way here.
    stores.create(NewTask { task_type: "kitchen".into(), ..queued() }).await;
    stores.create(NewTask { tenant_id: tenant("other"), priority: Priority::URGENT, ..queued() }).await;
    stores.running(NewTask { priority: Priority::URGENT, ..new_task() }).await;
    let own = stores.create(NewTask { handler: Handler::Builtin, ..queued() }).await;
    let everywhere = NewTask { handler: Handler::Builtin, tenant_id: tenant("other"), ..queued() };
    stores.create(NewTask { priority: Priority::URGENT, ..everywhere }).await;
    for (task, place) in [(&urgent, 0), (&first, 1), (&second, 2), (&last, 3)] {
        assert_eq!(ahead(&stores, task, 100).await, place);
    }
    assert_eq!(ahead(&stores, &last, 2).await, 2, "no more is counted than asked for");
    assert_eq!(ahead(&stores, &own, 100).await, 1, "built-in work of all tenants is one queue");
    let nowhere = QueuePlace::default();
    assert_eq!(stores.explain.queue_place(&stores.create(new_task()).await, 100).await.unwrap(), nowhere);
    let strange = Task { tenant_id: tenant("other"), ..first };
    assert_eq!(stores.explain.queue_place(&strange, 100).await.unwrap(), nowhere);
}

pub(crate) async fn a_parked_task_tells_how_full_its_key_is(stores: Stores) {
    let keyed = || NewTask { concurrency_key: Some("printer".into()), max_concurrent: Some(2), ..queued() };
    let held = stores.create(keyed()).await;
    stores.claim_next(&held).await;
    stores.create(keyed()).await;
    stores.create(keyed()).await;
    let parked = stores.create(keyed()).await;
    let place = QueuePlace { claimable: false, parked: true, ahead: 0, key_used: 2 };
    assert_eq!(stores.explain.queue_place(&parked, 100).await.unwrap(), place);
}

pub(crate) async fn the_activity_of_a_type_is_what_runs_and_ended_lately(stores: Stores) {
    let waits = stores.create(queued()).await;
    let activity = async || stores.explain.type_activity(&waits).await.unwrap();
    let nothing = TypeActivity { over_seconds: 60.0, ..TypeActivity::default() };
    assert_eq!(activity().await, nothing);
    stores.running(NewTask { task_type: "kitchen".into(), ..new_task() }).await;
    stores.running(NewTask { tenant_id: tenant("other"), ..new_task() }).await;
    stores.running(NewTask { handler: Handler::Builtin, ..new_task() }).await;
    assert_eq!(activity().await, nothing, "of other queues");
    let done = stores.running(new_task()).await;
    let started = done.current.as_ref().and_then(|execution| execution.started_at);
    assert_eq!(activity().await, TypeActivity { leased: true, last_started: started, ..nothing });
    stores.complete(&done).await;
    assert_eq!(activity().await, TypeActivity { ended: 1, last_started: started, ..nothing });
    let failed = stores.running(new_task()).await;
    let token = token_of(&failed);
    stores.apply(&failed, |task, moment| decide::fail(task, token, Failure::default(), moment)).await;
    let cancelled = stores.create(queued()).await;
    stores.apply(&cancelled, |task, moment| decide::cancel(task, None, moment)).await;
    assert_eq!(activity().await.ended, 2, "what was never started has not ended by work");
}
