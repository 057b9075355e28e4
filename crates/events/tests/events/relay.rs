//! What the relay publishes, in which order, and what it marks.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use task_events::{InProcessHints, Relay, RelayConfig, RelayError};
use task_protocols::{BusError, EventBus, Hint, HintBus, MockEventBus, MockHintBus, OutboxEvent, OutboxStore};
use task_testkit::wait;
use tokio::sync::Barrier;
use tokio_util::sync::CancellationToken;

use crate::support::{Outbox, PATIENCE, event};

/// The row ids that a bus was given, in order.
pub(crate) type Seen = Arc<Mutex<Vec<i64>>>;

/// A bus that refuses what `refuses` says and takes everything else.
pub(crate) fn bus(seen: &Seen, refuses: impl Fn(&OutboxEvent) -> bool + Send + 'static) -> MockEventBus {
    let (mut bus, seen) = (MockEventBus::new(), Arc::clone(seen));
    bus.expect_publish().returning(move |event| {
        if refuses(event) {
            return Err(BusError::unavailable("refused"));
        }
        seen.lock().unwrap().push(event.id);
        Ok(())
    });
    bus.expect_prepare().returning(|| Ok(()));
    bus.expect_epoch().return_const(1u64);
    bus
}

pub(crate) fn relay(outbox: &Outbox, bus: impl EventBus + 'static) -> Relay {
    Relay::new(Arc::new(outbox.clone()), Arc::new(bus), Arc::new(InProcessHints::default()), quick())
}

/// Short waits: the tests wait on conditions, whatever the pace.
pub(crate) fn quick() -> RelayConfig {
    let short = Duration::from_millis(5);
    RelayConfig { idle: short, max_backoff: short, ..RelayConfig::default() }
}

#[tokio::test]
async fn what_was_acknowledged_is_marked_in_the_order_of_each_task() {
    let outbox = Outbox::with([event(1, "a", 1), event(2, "b", 1), event(3, "a", 2), event(4, "a", 3)]);
    let seen = Seen::default();
    let mut hints = MockHintBus::new();
    hints.expect_send().withf(|hint| *hint == Hint::EventsPublished).times(1).return_const(());
    let relay = Relay::new(Arc::new(outbox.clone()), Arc::new(bus(&seen, |_| false)), Arc::new(hints), quick());
    assert_eq!(relay.tick().await.unwrap(), 4);
    let of_a: Vec<i64> = seen.lock().unwrap().iter().copied().filter(|id| *id != 2).collect();
    assert_eq!(of_a, [1, 3, 4]);
    assert_eq!(outbox.published().await, [1, 2, 3, 4]);
    assert_eq!(relay.tick().await.unwrap(), 0, "nothing is left");
}

#[tokio::test]
async fn a_refused_event_holds_back_its_own_task_and_no_other() {
    let outbox = Outbox::with([event(1, "a", 1), event(2, "a", 2), event(3, "b", 1), event(4, "a", 3)]);
    let seen = Seen::default();
    let refused = relay(&outbox, bus(&seen, |event| event.id == 2)).tick().await;
    assert!(matches!(refused, Err(RelayError::Bus(_))), "{refused:?}");
    assert_eq!(outbox.published().await, [1, 3], "4 must not overtake 2");
    relay(&outbox, bus(&seen, |_| false)).tick().await.unwrap();
    assert_eq!(outbox.published().await, [1, 3, 2, 4]);
}

#[tokio::test]
async fn events_of_different_tasks_are_under_way_together_and_of_one_task_one_by_one() {
    struct Meeting {
        both: Barrier,
        under_way_of_a: AtomicUsize,
    }
    #[async_trait::async_trait]
    impl EventBus for Meeting {
        async fn publish(&self, event: &OutboxEvent) -> Result<(), BusError> {
            let of_a = event.event.task_id.as_str() == "a";
            if of_a {
                assert_eq!(self.under_way_of_a.fetch_add(1, Ordering::SeqCst), 0, "one event of a task at a time");
            }
            // Passes only when an event of each task is under way.
            self.both.wait().await;
            if of_a {
                self.under_way_of_a.fetch_sub(1, Ordering::SeqCst);
            }
            Ok(())
        }
        async fn prepare(&self) -> Result<(), BusError> {
            Ok(())
        }
        fn epoch(&self) -> u64 {
            0
        }
        async fn check(&self) -> Result<(), BusError> {
            Ok(())
        }
    }
    let outbox = Outbox::with([event(1, "a", 1), event(2, "a", 2), event(3, "b", 1), event(4, "b", 2)]);
    let meeting = Meeting { both: Barrier::new(2), under_way_of_a: AtomicUsize::new(0) };
    assert_eq!(tokio::time::timeout(PATIENCE, relay(&outbox, meeting).tick()).await.unwrap().unwrap(), 4);
}

#[tokio::test]
async fn what_could_not_be_marked_is_published_again() {
    let outbox = Outbox::with([event(1, "a", 1)]);
    let seen = Seen::default();
    let relay = relay(&outbox, bus(&seen, |_| false));
    outbox.marks_fail.store(true, Ordering::SeqCst);
    assert!(matches!(relay.tick().await, Err(RelayError::Store(_))));
    outbox.marks_fail.store(false, Ordering::SeqCst);
    relay.tick().await.unwrap();
    assert_eq!(*seen.lock().unwrap(), [1, 1], "at least once");
    assert_eq!(outbox.published().await, [1]);
}

#[tokio::test]
async fn only_the_holder_of_the_lock_relays() {
    let outbox = Outbox::with([event(1, "a", 1)]);
    outbox.lock_elsewhere(true);
    let seen = Seen::default();
    let (relay, stop) = (relay(&outbox, bus(&seen, |_| false)), CancellationToken::new());
    let running = async {
        tokio::select! {
            () = relay.run(stop.clone()) => {}
            () = tokio::time::sleep(Duration::from_millis(100)) => {}
        }
    };
    running.await;
    assert!(outbox.published().await.is_empty());
    outbox.lock_elsewhere(false);
    let published = wait::until("the event is relayed", PATIENCE, || async { outbox.published().await == [1] });
    tokio::select! {
        () = relay.run(stop.clone()) => {}
        () = published => {}
    }
    assert_eq!(*seen.lock().unwrap(), [1]);
}

#[tokio::test(start_paused = true)]
async fn a_lost_lock_is_given_up_and_asked_for_again() {
    let outbox = Outbox::default();
    let seen = Seen::default();
    let (relay, stop) = (relay(&outbox, bus(&seen, |_| false)), CancellationToken::new());
    let story = async {
        wait::until("the relay leads", PATIENCE, || async { outbox.is_locked() }).await;
        outbox.lock_lost.store(true, Ordering::SeqCst);
        wait::until("it gives up", PATIENCE, || async { !outbox.is_locked() }).await;
        outbox.lock_lost.store(false, Ordering::SeqCst);
        outbox.rows().await.push(event(1, "a", 1));
        wait::until("it leads again", PATIENCE, || async { outbox.published().await == [1] }).await;
    };
    tokio::select! {
        () = relay.run(stop) => unreachable!("it runs until it is told to stop"),
        () = story => {}
    }
}

#[tokio::test]
async fn at_shutdown_the_outbox_is_flushed_and_the_lock_given_back() {
    let outbox = Outbox::with((1..=1200).map(|id| event(id, &format!("t{}", id % 7), id)));
    let seen = Seen::default();
    let relay = relay(&outbox, bus(&seen, |_| false));
    let stop = CancellationToken::new();
    let cancel = async {
        wait::until("it leads", PATIENCE, || async { !outbox.published().await.is_empty() }).await;
        stop.cancel();
    };
    tokio::join!(relay.run(stop.clone()), cancel);
    assert_eq!(outbox.published().await.len(), 1200);
    assert!(!outbox.is_locked());
}

#[tokio::test]
async fn what_is_given_back_after_the_other_one_has_stopped_is_flushed_too() {
    let outbox = Outbox::with((1..=3).map(|id| event(id, "a", id)));
    let other = outbox.try_lock_relay().await.unwrap().expect("nobody relays yet");
    let seen = Seen::default();
    let relay = relay(&outbox, bus(&seen, |_| false));
    let stop = CancellationToken::new();
    stop.cancel();
    let other_stops = async {
        tokio::task::yield_now().await;
        assert!(outbox.published().await.is_empty(), "the other one still relays");
        drop(other);
    };
    tokio::join!(relay.run(stop), other_stops);
    assert_eq!(outbox.published().await.len(), 3);
}

#[tokio::test]
async fn a_change_wakes_the_relay_before_its_next_look() {
    let outbox = Outbox::default();
    let seen = Seen::default();
    let hints = Arc::new(InProcessHints::default());
    let config = RelayConfig { idle: Duration::from_secs(3600), ..RelayConfig::default() };
    let relay = Relay::new(Arc::new(outbox.clone()), Arc::new(bus(&seen, |_| false)), hints.clone(), config);
    let story = async {
        wait::until("the relay leads", PATIENCE, || async { outbox.is_locked() }).await;
        let committed = event(1, "a", 1);
        let hint = Hint::TaskChanged {
            tenant_id: committed.event.tenant_id.clone(),
            task_id: committed.event.task_id.clone(),
        };
        outbox.rows().await.push(committed);
        hints.send(hint);
        wait::until("it is relayed", PATIENCE, || async { outbox.published().await == [1] }).await;
    };
    tokio::select! {
        () = relay.run(CancellationToken::new()) => unreachable!("it runs until it is told to stop"),
        () = story => {}
    }
}
