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
