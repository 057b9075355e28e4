//! What is published again when the bus may have forgotten it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use task_protocols::{BusError, MockEventBus};
use task_testkit::wait;
use tokio_util::sync::CancellationToken;

use crate::relay::{Seen, bus, relay};
use crate::support::{Outbox, PATIENCE, event};

#[tokio::test]
async fn a_new_leader_publishes_the_last_minutes_again_before_anything_new() {
    let mut known = [event(1, "a", 1), event(2, "a", 2), event(3, "b", 1)];
    for (position, known) in (1..).zip(&mut known) {
        known.position = Some(position);
    }
    let outbox = Outbox::with(known.into_iter().chain([event(4, "a", 3)]));
    let seen = Seen::default();
    let relay = relay(&outbox, bus(&seen, |_| false));
    tokio::select! {
        () = relay.run(CancellationToken::new()) => unreachable!("it runs until it is told to stop"),
        () = wait::until("the new event is out", PATIENCE, || async { outbox.published().await.len() == 4 }) => {}
    }
    let seen = seen.lock().unwrap().clone();
    assert_eq!(seen.last(), Some(&4));
    let again: Vec<i64> = seen[..3].iter().copied().filter(|id| *id != 3).collect();
    assert_eq!((again, seen.len()), (vec![1, 2], 4));
    assert_eq!(outbox.published().await, [1, 2, 3, 4], "positions stay");
}

#[tokio::test]
async fn a_risen_epoch_publishes_again_until_every_event_was_taken() {
    let outbox = Outbox::with([event(1, "a", 1), event(2, "b", 1)]);
    let (seen, epoch) = (Seen::default(), Arc::new(AtomicU64::new(0)));
    let mut bus = MockEventBus::new();
    let (current, times, taken) = (Arc::clone(&epoch), AtomicU64::new(0), Arc::clone(&seen));
    bus.expect_epoch().returning(move || epoch.load(Ordering::SeqCst));
    bus.expect_prepare().returning(|| Ok(()));
    let of_now = Arc::clone(&current);
    bus.expect_publish().returning(move |event| {
        // After the reconnect the first two publishes fail.
        if of_now.load(Ordering::SeqCst) == 1 && times.fetch_add(1, Ordering::SeqCst) < 2 {
            return Err(BusError::unavailable("still starting"));
        }
        taken.lock().unwrap().push(event.id);
        Ok(())
    });
    let relay = relay(&outbox, bus);
    let story = async {
        wait::until("both are out", PATIENCE, || async { outbox.published().await.len() == 2 }).await;
        seen.lock().unwrap().clear();
        current.store(1, Ordering::SeqCst);
        let again = || async {
            let seen = seen.lock().unwrap();
            seen.contains(&1) && seen.contains(&2)
        };
        wait::until("both are out again", PATIENCE, again).await;
    };
    tokio::select! {
        () = relay.run(CancellationToken::new()) => unreachable!("it runs until it is told to stop"),
        () = story => {}
    }
    assert_eq!(outbox.published().await.len(), 2);
}

#[tokio::test]
async fn only_the_last_minutes_are_published_again() {
    let mut known = [event(1, "a", 1), event(2, "a", 2), event(3, "b", 1)];
    for (position, known) in (1..).zip(&mut known) {
        known.position = Some(position);
    }
    let outbox = Outbox::with(known.into_iter().chain([event(4, "a", 3)]));
    outbox.before.store(2, Ordering::SeqCst);
    let seen = Seen::default();
    let relay = relay(&outbox, bus(&seen, |_| false));
    tokio::select! {
        () = relay.run(CancellationToken::new()) => unreachable!("it runs until it is told to stop"),
        () = wait::until("the new event is out", PATIENCE, || async { outbox.published().await.len() == 4 }) => {}
    }
    assert_eq!(*seen.lock().unwrap(), [3, 4]);
}

#[tokio::test]
async fn what_cannot_be_published_again_holds_nothing_new_up_and_follows_later() {
    let mut known = event(1, "a", 1);
    known.position = Some(1);
    let outbox = Outbox::with([known, event(2, "b", 1)]);
    outbox.looks_fail.store(true, Ordering::SeqCst);
    let seen = Seen::default();
    let relay = relay(&outbox, bus(&seen, |_| false));
    let story = async {
        wait::until("the new event is out", PATIENCE, || async { outbox.published().await.len() == 2 }).await;
        assert_eq!(*seen.lock().unwrap(), [2]);
        outbox.looks_fail.store(false, Ordering::SeqCst);
        wait::until("the known one is out again", PATIENCE, || async { seen.lock().unwrap().contains(&1) }).await;
    };
    tokio::select! {
        () = relay.run(CancellationToken::new()) => unreachable!("it runs until it is told to stop"),
        () = story => {}
    }
}

#[tokio::test]
async fn a_republish_that_failed_goes_on_where_it_stood() {
    let mut known: Vec<_> = (1..=1200).map(|id| event(id, &format!("t{}", id % 7), id)).collect();
    for event in &mut known {
        event.position = Some(event.id);
    }
    let outbox = Outbox::with(known);
    let (seen, refused) = (Seen::default(), AtomicU64::new(0));
    // The second batch of 500 has one that is refused at first.
    let relay = relay(&outbox, bus(&seen, move |event| event.id == 700 && refused.fetch_add(1, Ordering::SeqCst) < 3));
    let all = || async {
        let seen = seen.lock().unwrap();
        (1..=1200).all(|id| seen.contains(&id))
    };
    tokio::select! {
        () = relay.run(CancellationToken::new()) => unreachable!("it runs until it is told to stop"),
        () = wait::until("all are out again", PATIENCE, all) => {}
    }
    let first = seen.lock().unwrap().iter().filter(|id| **id == 1).count();
    assert_eq!(first, 1, "the first batch was taken and is not repeated");
}
