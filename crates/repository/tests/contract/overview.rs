//! Overviews of queues and leases.

use task_domain::decide::{self, Failure, NewTask};
use task_domain::{Handler, TenantId};
use task_protocols::QueueFigures;

use crate::support::build::{new_task, queued, tenant};
use crate::support::{Stores, secs, token_of};

pub(crate) async fn the_queues_count_what_waits_runs_and_has_ended(stores: Stores) {
    let default = TenantId::default_tenant();
    assert!(stores.overview.queues(Some(default.clone())).await.unwrap().is_empty());
    let start = stores.now().await - secs(500);
    let oldest = stores.create_at(queued(), start).await;
    stores.create_at(queued(), start + secs(100)).await;
    stores.create(NewTask { handler: Handler::Builtin, ..queued() }).await;
    stores.create(NewTask { tenant_id: tenant("other"), ..queued() }).await;
    stores.create(new_task()).await;
    let kitchen = || NewTask { task_type: "kitchen".into(), ..new_task() };
    let delayed = stores.running(kitchen()).await;
    let token = token_of(&delayed);
    stores.apply(&delayed, |task, moment| decide::release(task, token, None, secs(600), moment)).await;
    stores.running(kitchen()).await;
    let done = stores.running(kitchen()).await;
    stores.complete(&done).await;
    let failed = stores.running(kitchen()).await;
    let token = token_of(&failed);
    stores.apply(&failed, |task, moment| decide::fail(task, token, Failure::default(), moment)).await;
    for _ in 0..2 {
        let limited = NewTask { concurrency_key: Some("key".into()), max_concurrent: Some(1), ..queued() };
        stores.create(NewTask { task_type: "parlour".into(), ..limited }).await;
    }
    // What was cancelled counts as neither.
    let then = stores.now().await - secs(180);
    let earlier = stores.create_at(NewTask { run_immediately: true, ..kitchen() }, then).await;
    stores.apply_at(&earlier, then, |task, moment| decide::cancel(task, None, moment)).await;
    let none = QueueFigures {
        task_type: "garden".into(),
        handler: Handler::Worker,
        claimable: 0,
        delayed: 0,
        parked: 0,
        running: 0,
        oldest: None,
        completed: (0, 0),
        failed: (0, 0),
    };
    let since = oldest.current.as_ref().map(|execution| execution.run_at);
    let garden = QueueFigures { claimable: 2, oldest: since, ..none.clone() };
    let kitchens =
        QueueFigures { task_type: "kitchen".into(), delayed: 1, running: 1, completed: (1, 1), failed: (1, 1), ..none };
    let queues = stores.overview.queues(Some(default)).await.unwrap();
    let of_workers: Vec<_> = queues.iter().filter(|q| q.handler == Handler::Worker).cloned().collect();
    assert_eq!(of_workers[..2], [garden, kitchens]);
    assert_eq!((of_workers[2].claimable, of_workers[2].parked), (1, 1), "{:?}", of_workers[2]);
    assert_eq!(queues.iter().find(|q| q.handler == Handler::Builtin).unwrap().claimable, 1);
    let all = stores.overview.queues(None).await.unwrap();
    assert_eq!(all.iter().find(|q| q.handler == Handler::Worker).unwrap().claimable, 3, "of every tenant");
}

pub(crate) async fn live_leases_are_those_that_have_not_run_out(stores: Stores) {
    let held = stores.running(new_task()).await;
    stores.running(new_task()).await;
    stores.expired(new_task()).await;
    stores.running(NewTask { tenant_id: tenant("other"), ..new_task() }).await;
    let gone = stores.running(new_task()).await;
    stores.apply(&gone, decide::delete).await;
    let leases = stores.overview.live_leases(&held.tenant_id, 10).await.unwrap();
    assert_eq!(leases.len(), 2);
    let (lease, execution) = (&leases[0], held.current.as_ref().unwrap());
    assert_eq!((lease.worker_id.as_str(), lease.task_id.as_str()), ("w1", held.task_id.as_str()));
    assert_eq!((lease.execution_id, lease.attempt), (execution.execution_id, 1));
    assert_eq!(
        (Some(lease.started_at), Some(lease.expires_at)),
        (execution.started_at, execution.lease.map(|l| l.expires_at))
    );
    assert_eq!(stores.overview.live_leases(&held.tenant_id, 1).await.unwrap().len(), 1);
}
