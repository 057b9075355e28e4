//! Due runs and lapsed leases.

use std::sync::Arc;

use chrono::Duration;
use task_domain::{LimitExceeded, LimitType, SubscriptionLevel, Task, TaskStatus};
use task_protocols::{Loaded, MockTaskStore, MockTimedStore, SaveOutcome};
use task_service::{Reaper, Scheduler};

use crate::support::{event_types, leased, levels, loaded, now, saver, silent_hints, stored};

fn due_task() -> Task {
    let mut task = stored(false);
    task.status = TaskStatus::Scheduled;
    task.next_run_time = Some(now() - Duration::seconds(1));
    task
}

#[tokio::test]
async fn a_due_task_is_queued_once() {
    let mut timed = MockTimedStore::new();
    timed.expect_due_tasks().returning(|_| Ok(vec![loaded(due_task())]));
    let mut store = MockTaskStore::new();
    store
        .expect_save()
        .withf(|change| {
            change.task.status == TaskStatus::Queued
                && change.history.actor == "system:scheduler"
                && event_types(change) == ["task.status_changed"]
        })
        .times(1)
        .returning(|_| Ok(SaveOutcome::Saved { id: 7 }));
    let scheduler = Scheduler::new(saver(store, silent_hints()), Arc::new(timed), levels(SubscriptionLevel::Basic));
    assert_eq!(scheduler.tick(10).await.unwrap(), 1);
}

#[tokio::test]
async fn a_run_over_the_daily_limit_is_put_off_to_the_next_day() {
    let mut timed = MockTimedStore::new();
    timed.expect_due_tasks().returning(|_| Ok(vec![loaded(due_task())]));
    let mut store = MockTaskStore::new();
    store.expect_save().withf(|change| change.history.action == "due").times(1).returning(|_| {
        Ok(SaveOutcome::Limited(LimitExceeded { limit_type: LimitType::DailyExecutions, limit: 100, used: 100 }))
    });
    let midnight = now().date_naive().succ_opt().unwrap().and_hms_opt(0, 0, 0).unwrap().and_utc();
    store
        .expect_save()
        .withf(move |change| {
            change.history.action == "skip"
                && change.task.next_run_time == Some(midnight)
                && change.task.status == TaskStatus::Scheduled
        })
        .times(1)
        .returning(|_| Ok(SaveOutcome::Saved { id: 7 }));
    let scheduler = Scheduler::new(saver(store, silent_hints()), Arc::new(timed), levels(SubscriptionLevel::Basic));
    scheduler.tick(10).await.unwrap();
}

#[tokio::test]
async fn a_lapsed_lease_is_taken_back_and_a_renewed_one_is_not() {
    let mut timed = MockTimedStore::new();
    timed.expect_release_delayed().returning(|_| Ok(0));
    timed.expect_past_deadline().returning(|_, _| Ok(Vec::new()));
    timed.expect_expired_leases().returning(|_| {
        let mut lapsed = loaded(leased());
        lapsed.now = now() + Duration::seconds(61);
        Ok(vec![lapsed, loaded(leased())])
    });
    let mut store = MockTaskStore::new();
    store
        .expect_save()
        .withf(|change| {
            matches!(change.lease, task_domain::decide::LeaseGuard::Expired(_))
                && change.task.status == TaskStatus::Queued
        })
        .times(1)
        .returning(|_| Ok(SaveOutcome::Saved { id: 7 }));
    assert_eq!(Reaper::new(saver(store, silent_hints()), Arc::new(timed)).tick().await.unwrap(), 1);
}

/// A clock that jumps, or a crash of every worker, ends a thousand leases at once.
#[tokio::test]
async fn a_tick_takes_back_two_hundred_leases_at_most_a_hundred_at_a_time() {
    let mut timed = MockTimedStore::new();
    timed.expect_release_delayed().returning(|_| Ok(0));
    timed.expect_past_deadline().returning(|_, _| Ok(Vec::new()));
    let looks = std::sync::Arc::new(std::sync::atomic::AtomicI64::new(0));
    let counted = std::sync::Arc::clone(&looks);
    timed.expect_expired_leases().returning(move |limit| {
        assert_eq!(limit, 100);
        counted.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
        let late = Loaded { now: now() + chrono::Duration::hours(1), ..loaded(leased()) };
        Ok(vec![late; 100])
    });
    let mut store = MockTaskStore::new();
    store.expect_save().times(200).returning(|change| {
        assert!(matches!(change.lease, task_domain::decide::LeaseGuard::Expired(_)), "re-checked by the save");
        Ok(SaveOutcome::Saved { id: 7 })
    });
    let reaper = Reaper::new(saver(store, silent_hints()), Arc::new(timed));
    assert_eq!(reaper.tick().await.unwrap(), 200);
    assert_eq!(looks.load(std::sync::atomic::Ordering::SeqCst), 2);
}
