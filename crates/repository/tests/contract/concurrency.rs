//! Limits on how many tasks of one key run at once.

use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use task_domain::decide::{self, Change, Failure, Moment, NewTask};
use task_domain::{Priority, RetryPolicy, Task, TaskStatus};
use task_protocols::{ClaimRequest, TaskFilter};

use crate::support::build::{queued, tenant};
use crate::support::{Decision, Stores, claim_of, claim_types, secs, token_of};

fn keyed(key: &str, limit: i32) -> NewTask {
    NewTask { concurrency_key: Some(key.into()), max_concurrent: Some(limit), ..queued() }
}

async fn claimed(stores: &Stores, max_tasks: i64) -> Vec<i64> {
    let claimed = stores.executions.claim(&claim_types(&["garden"], max_tasks)).await.unwrap();
    claimed.iter().map(|task| task.id).collect()
}

/// 16 claimers work off 500 tasks of one key: never more than three at once, and all in the end.
pub(crate) async fn sixteen_claimers_never_hold_more_than_three_of_500_tasks_of_a_key(stores: Stores) {
    for _ in 0..10 {
        join_all((0..50).map(|_| stores.create(keyed("printer", 3)))).await;
    }
    let (live, done) = (AtomicUsize::new(0), AtomicUsize::new(0));
    let claimers = (0..16usize).map(|n| {
        let (stores, live, done) = (stores.clone(), &live, &done);
        async move {
            let request = ClaimRequest { worker_id: format!("w{n}"), ..claim_types(&["garden"], [1, 2, 5, 10][n % 4]) };
            while done.load(Ordering::SeqCst) < 500 {
                let tasks = stores.executions.claim(&request).await.unwrap();
                let now = live.fetch_add(tasks.len(), Ordering::SeqCst) + tasks.len();
                assert!(now <= 3, "{now} at once");
                if n == 0 {
                    let tenant_id = request.tenant_id.clone().unwrap();
                    let running = TaskFilter { status: Some(TaskStatus::Running), ..TaskFilter::of(tenant_id) };
                    assert!(stores.tasks.list(&running).await.unwrap().tasks.len() <= 3);
                }
                for task in tasks {
                    live.fetch_sub(1, Ordering::SeqCst);
                    stores.complete(&task).await;
                    done.fetch_add(1, Ordering::SeqCst);
                }
            }
        }
    });
    join_all(claimers).await;
    assert_eq!(done.load(Ordering::SeqCst), 500);
    assert_eq!(claimed(&stores, 10).await, [] as [i64; 0]);
}

pub(crate) async fn tasks_behind_a_full_key_are_claimed(stores: Stores) {
    let mut all: Vec<Task> = Vec::new();
    for _ in 0..60 {
        all.push(stores.create(keyed("printer", 1)).await);
    }
    let plain = stores.create(queued()).await;
    let other = stores.create(keyed("scanner", 1)).await;
    let elsewhere = stores.create(NewTask { tenant_id: tenant("other"), ..keyed("printer", 1) }).await;
    assert_eq!(claimed(&stores, 10).await, [all[0].id, plain.id, other.id]);
    assert_eq!(stores.claim_next(&elsewhere).await.id, elsewhere.id, "keys are of one tenant");
    stores.complete(&stores.load(&all[0]).await).await;
    assert_eq!(claimed(&stores, 10).await, [all[1].id]);
}

pub(crate) async fn every_end_of_a_lease_makes_room(stores: Stores) {
    let then = stores.now().await - secs(1000);
    let retry = RetryPolicy { max_attempts: 2, base_seconds: 10.0, ..RetryPolicy::default() };
    let lost = stores.create_at(keyed("printer", 1), then).await;
    stores.claim_at(&lost, then, 60).await;
    let next = stores.create_at(NewTask { retry, ..keyed("printer", 1) }, then + secs(1)).await;
    let last = stores.create_at(keyed("printer", 1), then + secs(2)).await;
    assert_eq!(claimed(&stores, 10).await, [] as [i64; 0], "the lease of a crashed worker is not yet taken back");
    for loaded in stores.timed.expired_leases(10).await.unwrap() {
        stores.apply_at(&loaded.task, loaded.now, decide::lease_lost).await;
    }
    assert_eq!(claimed(&stores, 10).await, [lost.id], "it keeps its place");
    let held = stores.load(&lost).await;
    let token = token_of(&held);
    stores.apply(&held, |task, moment| decide::release(task, token, None, secs(3600), moment)).await;
    assert_eq!(claimed(&stores, 10).await, [next.id]);
    let held = stores.load(&next).await;
    let token = token_of(&held);
    let failure = Failure { retryable: true, ..Failure::default() };
    stores.apply(&held, |task, moment| decide::fail(task, token, failure.clone(), moment)).await;
    assert_eq!(claimed(&stores, 10).await, [last.id]);
    stores.apply(&last, |task, moment| decide::cancel(task, None, moment)).await;
    assert_eq!(claimed(&stores, 10).await, [] as [i64; 0], "the others wait for their time");
}

pub(crate) async fn what_is_let_through_and_taken_back_makes_room(stores: Stores) {
    let first = stores.create(keyed("printer", 1)).await;
    let second = stores.create(keyed("printer", 1)).await;
    stores.apply(&first, |task, moment| decide::pause(task, None, moment)).await;
    assert_eq!(claimed(&stores, 10).await, [second.id]);
    stores.apply(&first, |task, moment| decide::resume(task, None, moment)).await;
    assert_eq!(claimed(&stores, 10).await, [] as [i64; 0]);
    stores.apply(&second, decide::delete).await;
    assert_eq!(claimed(&stores, 10).await, [first.id]);
}

pub(crate) async fn a_delayed_task_waits_for_its_time_and_then_for_room(stores: Stores) {
    let then = stores.now().await - secs(200);
    let delayed = stores.create_at(keyed("printer", 1), then).await;
    let held = stores.claim_at(&delayed, then, 3600).await;
    let token = token_of(&held);
    stores.apply_at(&held, then, |task, moment| decide::release(task, token, None, secs(100), moment)).await;
    let other = stores.create(keyed("printer", 1)).await;
    assert_eq!(claimed(&stores, 10).await, [other.id]);
    stores.timed.release_delayed(100).await.unwrap();
    assert_eq!(claimed(&stores, 10).await, [] as [i64; 0]);
    stores.complete(&stores.load(&other).await).await;
    assert_eq!(claimed(&stores, 10).await, [delayed.id]);
}

pub(crate) async fn each_task_has_its_own_limit_and_they_go_in_order(stores: Stores) {
    let wide = stores.create(keyed("printer", 3)).await;
    let narrow = stores.create(keyed("printer", 1)).await;
    let last = stores.create(keyed("printer", 3)).await;
    assert_eq!(claimed(&stores, 10).await, [wide.id], "the narrow one is next, and waits for an empty key");
    let urgent = stores.create(NewTask { priority: Priority::URGENT, ..keyed("printer", 3) }).await;
    assert_eq!(claimed(&stores, 10).await, [urgent.id]);
    stores.complete(&stores.load(&wide).await).await;
    stores.complete(&stores.load(&urgent).await).await;
    assert_eq!(claimed(&stores, 10).await, [narrow.id, last.id]);
    let request = ClaimRequest { max_tasks: 10, ..claim_of(&last) };
    assert!(stores.executions.claim(&request).await.unwrap().is_empty());
}

/// A run by hand under another key than the task had.
fn run_under(key: Option<&'static str>) -> impl Fn(&Task, &Moment<'_>) -> Decision {
    move |task, moment| {
        let change = decide::execute(task, None, moment)?;
        let (concurrency_key, max_concurrent) = (key.map(str::to_owned), key.map(|_| 1));
        Ok(Change {
            task: Task { concurrency_key, max_concurrent, ..change.task.clone() },
            definition_changed: true,
            ..change
        })
    }
}

pub(crate) async fn a_task_comes_under_a_limit_with_a_run_and_leaves_it_with_another(stores: Stores) {
    let resting = NewTask { run_immediately: false, ..queued() };
    let (first, second) = (stores.create(resting.clone()).await, stores.create(resting).await);
    for task in [&first, &second] {
        let task = stores.apply(task, run_under(Some("type:garden"))).await;
        assert_eq!((task.concurrency_key.as_deref(), task.max_concurrent), (Some("type:garden"), Some(1)));
    }
    assert_eq!(claimed(&stores, 10).await, [first.id]);
    stores.complete(&stores.load(&first).await).await;
    assert_eq!(claimed(&stores, 10).await, [second.id]);
    stores.complete(&stores.load(&second).await).await;
    for task in [&first, &second] {
        let task = stores.apply(task, run_under(None)).await;
        assert_eq!((task.concurrency_key, task.max_concurrent), (None, None));
    }
    assert_eq!(claimed(&stores, 10).await, [first.id, second.id]);
}

pub(crate) async fn a_read_tells_whether_a_claim_may_take_the_task(stores: Stores) {
    let claimable = async |task: &Task| {
        let found = stores.tasks.find(&task.tenant_id, &task.task_id).await.unwrap().unwrap();
        let (with_last, _) = stores.tasks.find_with_last(&task.tenant_id, &task.task_id).await.unwrap().unwrap();
        assert_eq!(found.claimable, with_last.claimable);
        found.claimable
    };
    let first = stores.create(keyed("printer", 1)).await;
    let second = stores.create(keyed("printer", 1)).await;
    assert_eq!((claimable(&first).await, claimable(&second).await), (true, false));
    // What was let through may be claimed by a change as well: it is counted already.
    let now = stores.now().await;
    let held = stores.claim_at(&first, now, 60).await;
    assert_eq!((claimable(&first).await, claimable(&second).await), (false, false));
    stores.complete(&held).await;
    assert!(claimable(&second).await);
    assert!(!claimable(&stores.create(NewTask { run_immediately: false, ..queued() }).await).await);
}
