//! Saves of existing tasks: whole, or not at all.

use futures::future::join_all;
use serde_json::json;
use task_domain::decide::{self, LeaseGuard, NewTask};
use task_domain::{TaskPatch, TaskStatus};
use task_protocols::SaveOutcome;

use crate::support::build::{hourly, new_task, object, queued};
use crate::support::{Stores, moment, secs, strange_token, token_of};

fn rename(name: &str) -> TaskPatch {
    TaskPatch { name: Some(name.to_owned()), ..TaskPatch::default() }
}

pub(crate) async fn a_saved_change_is_found_with_its_attempt_and_its_events(stores: Stores) {
    let task = stores.create(NewTask { schedule: Some(hourly()), ..new_task() }).await;
    let now = stores.now().await;
    let change = decide::execute(&task, Some(json!({"why": "because"})), &moment(now)).unwrap();
    assert_eq!(stores.tasks.save(&change).await.unwrap(), SaveOutcome::Saved { id: task.id });
    let mut expected = change.task.clone();
    let found = stores.load(&task).await;
    expected.current.as_mut().unwrap().id = found.current.as_ref().unwrap().id;
    assert_eq!(found, expected);
    assert_eq!(stores.events_of(&task).await[1..], change.events);
}

pub(crate) async fn a_change_of_a_task_that_moved_meanwhile_is_stale_and_leaves_nothing(stores: Stores) {
    let task = stores.create(queued()).await;
    let now = stores.now().await;
    let late = [
        decide::update(&task, &rename("late"), &moment(now)).unwrap(),
        decide::cancel(&task, None, &moment(now)).unwrap(),
        decide::delete(&task, &moment(now)).unwrap(),
        decide::pause(&task, None, &moment(now)).unwrap(),
    ];
    stores.apply(&task, |task, moment| decide::update(task, &rename("first"), moment)).await;
    let before = stores.snapshot(&task).await;
    for change in late {
        assert_eq!(stores.tasks.save(&change).await.unwrap(), SaveOutcome::Stale, "{}", change.history.action);
        assert_eq!(stores.snapshot(&task).await, before, "{}", change.history.action);
    }
}

pub(crate) async fn the_same_change_is_saved_once(stores: Stores) {
    let task = stores.create(queued()).await;
    let change = decide::cancel(&task, None, &moment(stores.now().await)).unwrap();
    stores.save(&change).await;
    let before = stores.snapshot(&task).await;
    assert_eq!(stores.tasks.save(&change).await.unwrap(), SaveOutcome::Stale);
    assert_eq!(stores.snapshot(&task).await, before);
}

pub(crate) async fn a_change_of_a_task_that_never_was_is_stale(stores: Stores) {
    let now = stores.now().await;
    let never = decide::create(new_task(), &moment(now)).unwrap().task;
    let change = decide::update(&never, &rename("x"), &moment(now)).unwrap();
    assert_eq!(stores.tasks.save(&change).await.unwrap(), SaveOutcome::Stale);
    assert_eq!(stores.outbox.backlog().await.unwrap(), 0);
}

/// 40 rounds of 8 saves decided from the same state: one wins, and only its events are there.
pub(crate) async fn of_concurrent_saves_exactly_one_wins(stores: Stores) {
    let task = stores.create(new_task()).await;
    for round in 0..40 {
        let current = stores.load(&task).await;
        let now = stores.now().await;
        let changes: Vec<_> =
            (0..8).map(|n| decide::update(&current, &rename(&format!("{round}.{n}")), &moment(now)).unwrap()).collect();
        let outcomes = join_all(changes.iter().map(|change| stores.tasks.save(change))).await;
        let winners: Vec<_> = (0..8).filter(|n| matches!(outcomes[*n], Ok(SaveOutcome::Saved { .. }))).collect();
        assert_eq!(winners.len(), 1, "round {round}: {outcomes:?}");
        assert!((0..8).all(|n| winners.contains(&n) || matches!(outcomes[n], Ok(SaveOutcome::Stale))));
        let winner = &changes[winners[0]];
        assert_eq!(stores.load(&task).await.name, winner.task.name);
        assert_eq!(stores.events_of(&task).await.last(), winner.events.last());
    }
    let seqs: Vec<i64> = stores.events_of(&task).await.iter().map(|e| e.seq).collect();
    assert_eq!(seqs, (1..=41).collect::<Vec<_>>(), "numbered without holes");
}

pub(crate) async fn a_heartbeat_is_neither_a_conflict_nor_undone(stores: Stores) {
    let task = stores.running(new_task()).await;
    let edit = decide::update(&task, &rename("edited"), &moment(stores.now().await)).unwrap();
    let token = token_of(&task);
    let beat =
        stores.executions.heartbeat(&task.tenant_id, &task.task_id, token, Some(7200)).await.unwrap().expect("held");
    stores.save(&edit).await;
    let after = stores.load(&task).await;
    assert_eq!(after.name, "edited");
    let lease = after.current.unwrap().lease.unwrap();
    assert_eq!((lease.token, lease.expires_at), (token, beat.expires_at));
    let next = stores.executions.heartbeat(&task.tenant_id, &task.task_id, token, None).await.unwrap().expect("held");
    assert!(next.expires_at >= beat.expires_at, "its length, too, is the heartbeat's");
}

pub(crate) async fn a_pause_does_not_undo_a_heartbeat_either(stores: Stores) {
    let task = stores.running(new_task()).await;
    let pause = decide::pause(&task, None, &moment(stores.now().await)).unwrap();
    let beat = stores
        .executions
        .heartbeat(&task.tenant_id, &task.task_id, token_of(&task), Some(7200))
        .await
        .unwrap()
        .expect("held");
    stores.save(&pause).await;
    let after = stores.load(&task).await;
    assert_eq!((after.status, after.current.unwrap().lease.unwrap().expires_at), (TaskStatus::Paused, beat.expires_at));
}

pub(crate) async fn a_progress_entry_is_neither_a_conflict_nor_undone(stores: Stores) {
    let task = stores.running(new_task()).await;
    let token = token_of(&task);
    let entry = || [object(json!({"step": 1}))];
    let edit = decide::update(&task, &rename("edited"), &moment(stores.now().await)).unwrap();
    let first = stores.progress.append(&task.tenant_id, &task.task_id, token, &entry()).await.unwrap().expect("held");
    stores.save(&edit).await;
    let second = stores.progress.append(&task.tenant_id, &task.task_id, token, &entry()).await.unwrap().expect("held");
    assert_eq!((first.seq_id, second.seq_id), (1, 2));
    let complete =
        decide::complete(&stores.load(&task).await, token, decide::Report::default(), &moment(stores.now().await))
            .unwrap();
    stores.progress.append(&task.tenant_id, &task.task_id, token, &entry()).await.unwrap().expect("held");
    stores.save(&complete).await;
    assert_eq!(stores.progress.list_progress(&task.tenant_id, &task.task_id, 0, 10).await.unwrap().len(), 3);
}

/// The guard alone, with `event_seq` unchanged, by the store's clock.
pub(crate) async fn a_lease_guard_that_does_not_hold_is_stale(stores: Stores) {
    let live = stores.running(new_task()).await;
    let expired = stores.expired(NewTask { task_type: "kitchen".into(), ..new_task() }).await;
    let resting = stores.create(new_task()).await;
    let now = stores.now().await;
    let table = [
        (&live, LeaseGuard::Held(strange_token()), false),
        (&live, LeaseGuard::Expired(token_of(&live)), false),
        (&live, LeaseGuard::Expired(strange_token()), false),
        (&expired, LeaseGuard::Held(token_of(&expired)), false),
        (&expired, LeaseGuard::Expired(strange_token()), false),
        (&resting, LeaseGuard::Held(strange_token()), false),
        (&resting, LeaseGuard::Expired(strange_token()), false),
        (&live, LeaseGuard::Held(token_of(&live)), true),
        (&expired, LeaseGuard::Expired(token_of(&expired)), true),
        (&resting, LeaseGuard::Any, true),
    ];
    for (task, guard, holds) in table {
        let before = stores.snapshot(task).await;
        let mut change = decide::update(task, &rename("guarded"), &moment(now)).unwrap();
        change.lease = guard;
        let outcome = stores.tasks.save(&change).await.unwrap();
        assert_eq!(outcome == SaveOutcome::Saved { id: task.id }, holds, "{guard:?}: {outcome:?}");
        if !holds {
            assert_eq!(stores.snapshot(task).await, before);
        }
    }
}

/// A reaper whose clock is ahead, or who was slow, takes no live lease away.
pub(crate) async fn the_reapers_save_re_checks_the_lease(stores: Stores) {
    let task = stores.running(new_task()).await;
    let token = token_of(&task);
    // It believed the lease to have run out; meanwhile a heartbeat extended it.
    let reaped = decide::lease_lost(&task, &moment(stores.now().await + secs(3601))).unwrap();
    stores.executions.heartbeat(&task.tenant_id, &task.task_id, token, Some(7200)).await.unwrap().expect("held");
    let before = stores.snapshot(&task).await;
    assert_eq!(stores.tasks.save(&reaped).await.unwrap(), SaveOutcome::Stale);
    assert_eq!(stores.snapshot(&task).await, before);
    stores.complete(&task).await;
}

/// Two reapers that read the same expired lease: the second one's save is stale, and so is one
/// whose task was claimed again.
pub(crate) async fn an_expired_lease_is_reaped_once(stores: Stores) {
    stores.expired(new_task()).await;
    let read = stores.timed.expired_leases(10).await.unwrap();
    assert_eq!(read.len(), 1);
    let decide = || decide::lease_lost(&read[0].task, &moment(read[0].now)).unwrap();
    let (first, second) = (decide(), decide());
    stores.save(&first).await;
    assert_eq!(stores.tasks.save(&second).await.unwrap(), SaveOutcome::Stale);
    stores.claim_next(&first.task).await;
    assert_eq!(stores.tasks.save(&decide()).await.unwrap(), SaveOutcome::Stale);
    assert!(stores.timed.expired_leases(10).await.unwrap().is_empty());
}
