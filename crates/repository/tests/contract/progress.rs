//! Progress entries.

use futures::future::join_all;
use serde_json::json;
use task_domain::JsonObject;
use task_domain::decide;

use crate::support::build::{new_task, object, queued, tenant};
use crate::support::{Stores, secs, strange_token, token_of};

fn entry(worker: usize, n: usize) -> JsonObject {
    object(json!({"worker": worker, "n": n}))
}

pub(crate) async fn an_append_stores_its_entries_in_order_and_extends_the_lease(stores: Stores) {
    let task = stores.create(queued()).await;
    let claimed = stores.claim_next(&task).await;
    let (tenant_id, id, token) = (&task.tenant_id, &task.task_id, token_of(&claimed));
    let awkward = object(json!({"": null, "ü": [1.5, {"x": "☂'\"\\"}]}));
    let appended =
        stores.progress.append(tenant_id, id, token, &[entry(0, 0), awkward.clone()]).await.unwrap().expect("held");
    assert_eq!(appended.seq_id, 2);
    let left = appended.lease.expires_in;
    assert!(left <= secs(60) && left > secs(59), "{left:?}: by its current length");
    let lease = stores.load(&task).await.current.unwrap().lease.unwrap();
    assert_eq!(lease.expires_at, appended.lease.expires_at);
    let listed = stores.progress.list_progress(tenant_id, id, 0, 10).await.unwrap();
    assert_eq!(listed.iter().map(|e| e.seq_id).collect::<Vec<_>>(), [1, 2]);
    assert_eq!(listed.iter().map(|e| e.data.clone()).collect::<Vec<_>>(), [entry(0, 0), awkward]);
    let execution_id = claimed.current.unwrap().execution_id;
    assert!(listed.iter().all(|e| e.execution_id == execution_id));
    assert_eq!(listed[1].timestamp, appended.timestamp);
    assert_eq!(stores.load(&task).await.event_seq, claimed.event_seq, "progress is no event");
}

pub(crate) async fn progress_is_listed_from_a_position_up_to_a_limit(stores: Stores) {
    let task = stores.running(new_task()).await;
    let (tenant_id, id) = (&task.tenant_id, &task.task_id);
    let entries: Vec<_> = (0..10).map(|n| entry(0, n)).collect();
    stores.progress.append(tenant_id, id, token_of(&task), &entries).await.unwrap().expect("held");
    for (after, limit, expected) in
        [(0, 3, vec![1, 2, 3]), (3, 3, vec![4, 5, 6]), (8, 100, vec![9, 10]), (10, 5, vec![]), (99, 5, vec![])]
    {
        let listed = stores.progress.list_progress(tenant_id, id, after, limit).await.unwrap();
        assert_eq!(listed.iter().map(|e| e.seq_id).collect::<Vec<_>>(), expected, "after {after}, limit {limit}");
    }
    assert_eq!(stores.progress.count_progress(tenant_id, id).await.unwrap(), 10);
    assert_eq!(stores.progress.count_progress(&tenant("other"), id).await.unwrap(), 0);
    stores.apply(&task, decide::delete).await;
    assert_eq!(stores.progress.count_progress(tenant_id, id).await.unwrap(), 0);
}

/// 50 appenders at once, each four times one to three entries: numbers without holes, every entry
/// there once, those of one append next to each other and in order.
pub(crate) async fn fifty_parallel_appenders_leave_no_hole(stores: Stores) {
    let task = stores.running(new_task()).await;
    let token = token_of(&task);
    let appenders = (0..50usize).map(|worker| {
        let (stores, task) = (stores.clone(), task.clone());
        async move {
            let mut told = Vec::new();
            for round in 0..4usize {
                let entries: Vec<_> = (0..=round % 3).map(|n| entry(worker, round * 10 + n)).collect();
                let appended = stores
                    .progress
                    .append(&task.tenant_id, &task.task_id, token, &entries)
                    .await
                    .unwrap()
                    .expect("held");
                told.push((appended.seq_id, entries));
            }
            told
        }
    });
    let told: Vec<_> = join_all(appenders).await.into_iter().flatten().collect();
    let total: usize = told.iter().map(|(_, entries)| entries.len()).sum();
    let listed = stores.progress.list_progress(&task.tenant_id, &task.task_id, 0, 10_000).await.unwrap();
    let seqs: Vec<i64> = listed.iter().map(|e| e.seq_id).collect();
    assert_eq!(seqs, (1..=i64::try_from(total).unwrap()).collect::<Vec<_>>());
    for (last, entries) in told {
        let last = usize::try_from(last).unwrap();
        let stored: Vec<_> = listed[last - entries.len()..last].iter().map(|e| e.data.clone()).collect();
        assert_eq!(stored, entries, "what an appender was told is where its entries are");
    }
}

pub(crate) async fn progress_is_kept_and_goes_on_through_release_further_attempts_and_finish(stores: Stores) {
    let task = stores.create(queued()).await;
    let (tenant_id, id) = (&task.tenant_id, &task.task_id);
    let mut executions = Vec::new();
    for n in 1..=3i64 {
        let held = stores.claim_next(&task).await;
        let token = token_of(&held);
        let appended = stores.progress.append(tenant_id, id, token, &[entry(0, 0)]).await.unwrap().expect("held");
        assert_eq!(appended.seq_id, n);
        executions.push(held.current.as_ref().unwrap().execution_id);
        if n < 3 {
            stores.apply(&task, |task, moment| decide::release(task, token, None, secs(0), moment)).await;
        } else {
            stores.complete(&held).await;
        }
        assert_eq!(
            stores.progress.append(tenant_id, id, token, &[entry(0, 0)]).await.unwrap(),
            None,
            "it has given the lease away"
        );
    }
    let listed = stores.progress.list_progress(tenant_id, id, 0, 10).await.unwrap();
    assert_eq!(listed.iter().map(|e| e.execution_id).collect::<Vec<_>>(), executions);
    stores.apply(&task, |task, moment| decide::execute(task, None, moment)).await;
    let held = stores.claim_next(&task).await;
    let next = stores.progress.append(tenant_id, id, token_of(&held), &[entry(0, 0)]).await.unwrap().expect("held");
    assert_eq!(next.seq_id, 4, "numbered per task, not per run");
}

pub(crate) async fn an_append_without_the_current_lease_stores_nothing(stores: Stores) {
    let running = stores.running(new_task()).await;
    let expired = stores.expired(new_task()).await;
    let resting = stores.create(new_task()).await;
    for (task, token) in [
        (&running, strange_token()),
        (&running, token_of(&expired)),
        (&expired, token_of(&expired)),
        (&resting, token_of(&running)),
    ] {
        let before = stores.snapshot(task).await;
        assert_eq!(stores.progress.append(&task.tenant_id, &task.task_id, token, &[entry(0, 0)]).await.unwrap(), None);
        assert_eq!(stores.snapshot(task).await, before);
    }
}
