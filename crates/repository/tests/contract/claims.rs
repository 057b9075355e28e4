//! Claims: one winner, in order, and only what is asked for.

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicUsize, Ordering};

use futures::future::join_all;
use task_domain::decide::{self, NewTask};
use task_domain::{ExecutionStatus, Handler, Origin, Priority, Task, TaskStatus, TenantId};
use task_protocols::{ClaimRequest, SaveOutcome};

use crate::support::build::{hourly, new_task, queued, tenant, user};
use crate::support::{Stores, claim_of, claim_types, executions_of, moment, secs, token_of};

const KINDS: [&str; 2] = ["garden", "kitchen"];

/// Of two types, three priorities and seven owners.
async fn fill(stores: &Stores, count: usize) {
    let now = stores.now().await;
    let changes: Vec<_> = (0..count)
        .map(|n| {
            let new = NewTask {
                user_id: Some(user(&format!("user{}", n % 7))),
                priority: Priority::from_number((n % 3) as i64 + 4).unwrap(),
                task_type: KINDS[n % 2].into(),
                ..queued()
            };
            decide::create(new, &moment(now)).unwrap()
        })
        .collect();
    for chunk in changes.chunks(100) {
        join_all(chunk.iter().map(|change| stores.save(change))).await;
    }
}

/// 16 claimers take 2,000 tasks, each in its own bites and of one type or both, until nothing is left.
pub(crate) async fn sixteen_claimers_share_2000_tasks_with_one_winner_each_and_none_left(stores: Stores) {
    fill(&stores, 2000).await;
    let taken = AtomicUsize::new(0);
    let claimers = (0..16usize).map(|n| {
        let (stores, taken) = (stores.clone(), &taken);
        async move {
            let (bite, types) = ([1, 3, 10, 50][n % 4], [&KINDS[..1], &KINDS[1..], &KINDS[..]][n % 3]);
            let request = ClaimRequest { worker_id: format!("w{n}"), lease_seconds: 3600, ..claim_types(types, bite) };
            let mut mine = Vec::new();
            // Another claimer may hold the last rows for a moment, so an empty answer ends nothing
            // while tasks are left.
            while taken.load(Ordering::SeqCst) < 2000 {
                let got = stores.executions.claim(&request).await.unwrap();
                assert!(got.len() <= usize::try_from(bite).unwrap(), "never more than asked");
                assert!(got.iter().all(|t| types.contains(&t.task_type.as_str())));
                taken.fetch_add(got.len(), Ordering::SeqCst);
                mine.extend(got);
            }
            mine
        }
    });
    let all: Vec<Task> = join_all(claimers).await.into_iter().flatten().collect();
    assert_eq!(all.len(), 2000);
    let winners: HashMap<_, _> = all.iter().map(|t| (t.task_id.clone(), t)).collect();
    let tokens: HashSet<_> = all.iter().map(token_of).collect();
    assert_eq!((winners.len(), tokens.len()), (2000, 2000), "never two winners, never one token twice");
    for task in stores.all(&TenantId::default_tenant()).await {
        let winner = winners[&task.task_id];
        let (current, won) = (task.current.as_ref().unwrap(), winner.current.as_ref().unwrap());
        assert_eq!((task.status, current.attempt), (TaskStatus::Running, 1));
        assert_eq!((&current.worker_id, current.lease), (&won.worker_id, won.lease));
    }
    assert!(stores.executions.claim(&claim_types(&KINDS, 100)).await.unwrap().is_empty(), "none left");
    let events = stores.events().await;
    assert_eq!(events.len(), 4000, "one event for the creation, one for the claim");
}

/// Owners cancel while workers claim: what was cancelled is cancelled, also when it was claimed a
/// moment before, and every event is numbered.
pub(crate) async fn a_cancel_beside_claims_always_wins_in_the_end(stores: Stores) {
    fill(&stores, 200).await;
    let tasks = stores.all(&TenantId::default_tenant()).await;
    let cancels = join_all(tasks.iter().take(100).map(|task| {
        let stores = stores.clone();
        async move {
            loop {
                let change = decide::cancel(&stores.load(task).await, None, &moment(stores.now().await)).unwrap();
                if stores.tasks.save(&change).await.unwrap() != SaveOutcome::Stale {
                    return;
                }
            }
        }
    }));
    let claims = join_all((0..4).map(|_| async {
        for _ in 0..50 {
            stores.executions.claim(&claim_types(&KINDS, 2)).await.unwrap();
        }
    }));
    tokio::join!(cancels, claims);
    for (n, task) in tasks.iter().enumerate() {
        let after = stores.load(task).await;
        let expected = if n < 100 { TaskStatus::Cancelled } else { TaskStatus::Running };
        assert_eq!(after.status, expected);
        let executions = stores.executions.list_executions(&executions_of(task)).await.unwrap();
        assert_eq!(executions.len(), 1);
    }
    let mut seqs: HashMap<_, Vec<i64>> = HashMap::new();
    for event in stores.events().await {
        seqs.entry(event.event.task_id.clone()).or_default().push(event.event.seq);
    }
    for task in &tasks {
        let newest = stores.load(task).await.event_seq;
        assert_eq!(seqs[&task.task_id], (1..=newest).collect::<Vec<_>>());
    }
}

/// Order: priority, then, of one owner, the order of queueing.
pub(crate) async fn claims_come_by_priority_then_in_the_order_of_queueing(stores: Stores) {
    let mut wanted = Vec::new();
    for (n, priority) in [5, 1, 5, 10, 3, 5, 1, 3, 5, 9].into_iter().enumerate() {
        let new = NewTask { priority: Priority::from_number(priority).unwrap(), ..queued() };
        let task = stores.create(new).await;
        wanted.push((priority, n, task.id));
    }
    wanted.sort_unstable();
    let mut got = Vec::new();
    for max_tasks in [1, 4, 2, 100] {
        let claimed = stores.executions.claim(&claim_types(&["kitchen", "garden"], max_tasks)).await.unwrap();
        assert!(claimed.len() <= usize::try_from(max_tasks).unwrap());
        got.extend(claimed.iter().map(|t| t.id));
    }
    assert_eq!(got, wanted.iter().map(|(_, _, id)| *id).collect::<Vec<_>>());
}

pub(crate) async fn what_comes_back_below_what_was_claimed_is_not_passed_over(stores: Stores) {
    let first = stores.create(queued()).await;
    for _ in 0..6 {
        stores.create(queued()).await;
    }
    let claimed = stores.executions.claim(&claim_types(&["garden"], 4)).await.unwrap();
    // A watermark must not hide it.
    let token = token_of(&claimed[0]);
    stores.apply(&first, |task, moment| decide::release(task, token, None, secs(0), moment)).await;
    let urgent = stores.create(NewTask { priority: Priority::URGENT, ..queued() }).await;
    let next: Vec<i64> =
        stores.executions.claim(&claim_types(&["garden"], 2)).await.unwrap().iter().map(|t| t.id).collect();
    assert_eq!(next, [urgent.id, first.id]);
}

pub(crate) async fn a_released_task_keeps_its_place(stores: Stores) {
    let start = stores.now().await - secs(1000);
    let first = stores.create_at(queued(), start).await;
    stores.create_at(queued(), start + secs(1)).await;
    let held = stores.claim_next(&first).await;
    let token = token_of(&held);
    stores.apply(&held, |task, moment| decide::release(task, token, None, secs(0), moment)).await;
    let next = stores.claim_next(&first).await;
    assert_eq!(next.id, first.id);
    assert_ne!(token_of(&next), token, "a new lease has a new token");
    assert_eq!(next.current.unwrap().attempt, 2);
}

pub(crate) async fn a_claim_takes_only_the_types_it_names(stores: Stores) {
    for kind in ["a", "b", "c"] {
        stores.create(NewTask { task_type: kind.into(), ..queued() }).await;
    }
    assert!(stores.executions.claim(&claim_types(&["d"], 10)).await.unwrap().is_empty());
    assert!(stores.executions.claim(&claim_types(&["A", "a "], 10)).await.unwrap().is_empty());
    let claimed = stores.executions.claim(&claim_types(&["c", "a", "d", "a"], 10)).await.unwrap();
    let mut types: Vec<_> = claimed.iter().map(|t| t.task_type.as_str()).collect();
    types.sort_unstable();
    assert_eq!(types, ["a", "c"]);
}

/// In whatever order they are named, and however few are taken at a time.
pub(crate) async fn the_types_of_a_claim_are_one_queue(stores: Stores) {
    for handler in [Handler::Worker, Handler::Builtin] {
        let now = stores.now().await;
        let mut wanted = Vec::new();
        for n in 0..24 {
            let priority = [Priority::default(), Priority::URGENT][n % 2];
            let task_type = ["a", "b", "c", "d"][n / 2 % 4].to_owned();
            let task = stores.create_at(NewTask { handler, priority, task_type, ..queued() }, now).await;
            wanted.push((priority, task.id));
        }
        wanted.sort_unstable();
        let request = ClaimRequest { handler, ..claim_types(&["d", "a", "c", "none", "b"], 5) };
        let mut got = Vec::new();
        for _ in 0..5 {
            let claimed = stores.executions.claim(&request).await.unwrap();
            got.extend(claimed.iter().map(|task| (task.priority, task.id)));
        }
        assert_eq!(got, wanted, "{handler}");
    }
}

pub(crate) async fn builtin_and_worker_claims_never_take_each_others_work(stores: Stores) {
    let ours = stores.create(NewTask { handler: Handler::Builtin, ..queued() }).await;
    let theirs = stores.create(NewTask { handler: Handler::Worker, ..queued() }).await;
    for task in [&theirs, &ours] {
        let claimed = stores.executions.claim(&ClaimRequest { max_tasks: 10, ..claim_of(task) }).await.unwrap();
        assert_eq!(claimed.iter().map(|t| t.id).collect::<Vec<_>>(), [task.id]);
    }
}

pub(crate) async fn a_tenants_claim_takes_its_own_work_and_one_without_a_tenant_takes_any(stores: Stores) {
    for handler in [Handler::Worker, Handler::Builtin] {
        let mut made = Vec::new();
        for name in ["a", "b", "c"] {
            made.push(stores.create(NewTask { tenant_id: tenant(name), handler, ..queued() }).await);
        }
        let nobody = ClaimRequest { tenant_id: Some(tenant("d")), max_tasks: 10, ..claim_of(&made[0]) };
        assert!(stores.executions.claim(&nobody).await.unwrap().is_empty());
        let own = stores.executions.claim(&ClaimRequest { max_tasks: 10, ..claim_of(&made[1]) }).await.unwrap();
        assert_eq!(own.iter().map(|t| t.id).collect::<Vec<_>>(), [made[1].id]);
        let any = ClaimRequest { tenant_id: None, max_tasks: 10, ..claim_of(&made[0]) };
        let claimed = stores.executions.claim(&any).await.unwrap();
        let ids: HashSet<_> = claimed.iter().map(|t| (t.tenant_id.clone(), t.id)).collect();
        assert_eq!(ids, HashSet::from([(tenant("a"), made[0].id), (tenant("c"), made[2].id)]));
    }
}

pub(crate) async fn only_what_is_queued_is_claimable(stores: Stores) {
    let pause = |task: &Task, moment: &decide::Moment<'_>| decide::pause(task, None, moment);
    stores.create(new_task()).await;
    stores.create(NewTask { schedule: Some(hourly()), ..new_task() }).await;
    stores.create(NewTask { blocked: true, ..queued() }).await;
    let held_back = stores.create(queued()).await;
    stores.apply(&held_back, pause).await;
    let cancelled = stores.create(queued()).await;
    stores.apply(&cancelled, |task, moment| decide::cancel(task, None, moment)).await;
    let running = stores.running(new_task()).await;
    let expired = stores.expired(new_task()).await;
    let paused_running = stores.running(new_task()).await;
    stores.apply(&paused_running, pause).await;
    let done = stores.running(new_task()).await;
    stores.complete(&done).await;
    assert!(stores.executions.claim(&claim_types(&["garden"], 100)).await.unwrap().is_empty());
    for task in [&running, &expired] {
        assert_eq!(
            token_of(&stores.load(task).await),
            token_of(task),
            "a lease is not taken over before the reaper ended it"
        );
    }
    stores.apply(&held_back, |task, moment| decide::resume(task, None, moment)).await;
    assert_eq!(stores.claim_next(&held_back).await.id, held_back.id);
}

pub(crate) async fn the_lease_of_a_claim_is_as_long_as_asked_by_the_stores_clock(stores: Stores) {
    let task = stores.create(queued()).await;
    let before = stores.now().await;
    let claimed =
        stores.executions.claim(&ClaimRequest { lease_seconds: 5000, ..claim_of(&task) }).await.unwrap().remove(0);
    let after = stores.now().await;
    let current = claimed.current.as_ref().unwrap();
    let lease = current.lease.unwrap();
    // `now` may be an estimate of the database's clock, good to a few milliseconds.
    let slack = chrono::Duration::seconds(1);
    assert!(lease.expires_at >= before + secs(5000) - slack && lease.expires_at <= after + secs(5000) + slack);
    assert_eq!(lease.expires_at, current.started_at.unwrap() + secs(5000));
    assert_eq!(current.status, ExecutionStatus::Running);
    assert_eq!(stores.load(&task).await, claimed, "a claim returns what a read finds");
    assert_eq!(stores.executions.list_executions(&executions_of(&task)).await.unwrap(), std::slice::from_ref(current));
}

/// Whatever its own type is; the type is then no worker's either.
pub(crate) async fn what_the_organism_does_of_seedcore_is_claimed_as_organism(stores: Stores) {
    let of_seedcore = |handler| NewTask { origin: Origin::Seedcore, handler, task_type: "plan".into(), ..queued() };
    let ours = stores.create(of_seedcore(Handler::Builtin)).await;
    let theirs = stores.create(of_seedcore(Handler::Worker)).await;
    let claim = |handler, task_type: &str| {
        let request = ClaimRequest { handler, ..claim_types(&[task_type], 10) };
        let stores = stores.clone();
        async move { stores.executions.claim(&request).await.unwrap().into_iter().map(|t| t.id).collect::<Vec<_>>() }
    };
    assert!(claim(Handler::Builtin, "plan").await.is_empty());
    assert!(claim(Handler::Worker, "organism").await.is_empty());
    assert_eq!(claim(Handler::Builtin, "organism").await, [ours.id]);
    assert_eq!(claim(Handler::Worker, "plan").await, [theirs.id]);
    assert_eq!(stores.load(&ours).await.task_type, "plan");
}
