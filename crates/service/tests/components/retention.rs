//! How fast is swept, and what one kind does to the others.

use std::collections::VecDeque;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::DateTime;
use task_protocols::{MockOutboxStore, MockRetentionStore, StoreError, SweepCursor, Swept};
use task_service::{Retention, RetentionConfig};
use tokio_util::sync::CancellationToken;

const HOUR: Duration = Duration::from_secs(3600);

fn config() -> RetentionConfig {
    RetentionConfig {
        events: HOUR,
        idempotency_keys: HOUR,
        inbox_ids: HOUR,
        deleted_tasks: HOUR,
        ended_tasks: HOUR,
        interval: Duration::from_secs(600),
        batch: 10,
        batches: 5,
    }
}

fn retention(store: MockRetentionStore, outbox: MockOutboxStore) -> Retention {
    Retention::new(Arc::new(store), Arc::new(outbox), config())
}

/// Nothing is left of anything but what a test adds before.
fn otherwise_clean(store: &mut MockRetentionStore) {
    store.expect_sweep().returning(|_, _, _| Ok(0));
    store.expect_sweep_executions().returning(|_, _, _| Ok(None));
    store.expect_sweep_terminal().returning(|_, _, _| Ok(None));
}

fn no_events() -> MockOutboxStore {
    let mut outbox = MockOutboxStore::new();
    outbox.expect_purge_published().returning(|_, _| Ok(0));
    outbox
}

fn place(id: i64) -> SweepCursor {
    SweepCursor { ended_at: DateTime::UNIX_EPOCH, id }
}

#[tokio::test(start_paused = true)]
async fn a_backlog_is_worked_off_without_waiting_for_the_interval() {
    let left = Arc::new(AtomicI64::new(10_000));
    let (mut outbox, rows) = (MockOutboxStore::new(), Arc::clone(&left));
    outbox.expect_purge_published().returning(move |_, limit| {
        let taken = rows.load(Ordering::SeqCst).min(limit);
        rows.fetch_sub(taken, Ordering::SeqCst);
        Ok(taken.unsigned_abs())
    });
    let mut store = MockRetentionStore::new();
    otherwise_clean(&mut store);
    let (retention, stop) = (retention(store, outbox), CancellationToken::new());
    // The clock is the test's: two intervals, in which one sweep each would remove 100 of them.
    let running = tokio::time::timeout(Duration::from_secs(1200), retention.run(stop.clone()));
    assert!(running.await.is_err(), "it runs until it is told to stop");
    assert_eq!(left.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_tick_says_whether_more_may_be_left_of_any_kind() {
    for (rows, more) in [(0, false), (40, false), (41, true), (1000, true)] {
        let left = AtomicU64::new(rows);
        let mut store = MockRetentionStore::new();
        store.expect_sweep().withf(|what, _, _| *what == Swept::History).returning(move |_, _, limit| {
            let taken = left.load(Ordering::SeqCst).min(limit.unsigned_abs());
            left.fetch_sub(taken, Ordering::SeqCst);
            Ok(taken)
        });
        otherwise_clean(&mut store);
        assert_eq!(retention(store, no_events()).tick(&CancellationToken::new()).await, more, "{rows}");
    }
}

#[tokio::test]
async fn what_fails_keeps_no_other_kind_waiting() {
    let mut outbox = MockOutboxStore::new();
    outbox.expect_purge_published().times(1).returning(|_, _| Err(StoreError::unavailable("away")));
    let mut store = MockRetentionStore::new();
    store
        .expect_sweep()
        .withf(|what, _, _| *what == Swept::DeletedTasks)
        .times(1)
        .returning(|_, _, _| Err(StoreError::unavailable("away")));
    store.expect_sweep().withf(|what, _, _| *what == Swept::History).times(5).returning(|_, _, limit| Ok(limit as u64));
    otherwise_clean(&mut store);
    assert!(retention(store, outbox).tick(&CancellationToken::new()).await, "of the history there is more");
}

#[tokio::test(start_paused = true)]
async fn a_sweep_goes_on_from_its_place_and_begins_anew_a_day_later() {
    let (asked, answers) = (Arc::new(Mutex::new(Vec::new())), Mutex::new(VecDeque::from([Some(1), Some(2), None])));
    let (seen, mut store) = (Arc::clone(&asked), MockRetentionStore::new());
    store.expect_sweep_executions().returning(move |_, after, _| {
        seen.lock().unwrap().push(after.map(|after| after.id));
        Ok(answers.lock().unwrap().pop_front().flatten().map(place))
    });
    otherwise_clean(&mut store);
    let (retention, stop) = (retention(store, no_events()), CancellationToken::new());
    retention.tick(&stop).await;
    retention.tick(&stop).await;
    tokio::time::advance(Duration::from_secs(86_400)).await;
    retention.tick(&stop).await;
    retention.tick(&stop).await;
    let asked = asked.lock().unwrap();
    assert_eq!(*asked, [None, Some(1), Some(2), Some(2), Some(2), None], "a day later it was at the end once more");
}
