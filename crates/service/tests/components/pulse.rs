//! One look for all loops.

use std::sync::Arc;
use std::time::Duration;

use task_protocols::{Due, MockTimedStore, StoreError};
use task_service::Pulse;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

fn pulse(looks: Vec<Result<Due, StoreError>>) -> Pulse {
    let mut timed = MockTimedStore::new();
    let mut looks = looks.into_iter();
    timed.expect_due().returning(move || looks.next().unwrap_or(Ok(Due::default())));
    Pulse::new(Arc::new(timed))
}

/// Seconds until the loop is woken; `None` when it is not.
async fn woken_after(pulse: Pulse, concerns: fn(&Due) -> bool) -> Option<u64> {
    let (mut beat, stop, begin) = (pulse.beat(), CancellationToken::new(), Instant::now());
    tokio::select! {
        () = pulse.run(stop) => None,
        () = beat.wait(concerns) => Some(begin.elapsed().as_secs()),
        () = tokio::time::sleep(Duration::from_secs(60)) => None,
    }
}

#[tokio::test(start_paused = true)]
async fn a_loop_is_woken_by_the_look_that_finds_what_concerns_it() {
    let leases = Due { leases: true, ..Due::default() };
    let looks = || vec![Ok(Due::default()), Ok(leases), Ok(Due { reminders: true, ..leases })];
    assert_eq!(woken_after(pulse(looks()), |due| due.leases).await, Some(1));
    assert_eq!(woken_after(pulse(looks()), |due| due.reminders).await, Some(2));
    assert_eq!(woken_after(pulse(looks()), |due| due.blocked).await, None);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_be_asked_may_have_everything() {
    let looks = vec![Ok(Due::default()), Err(StoreError::unavailable("away"))];
    assert_eq!(woken_after(pulse(looks), |due| due.builtin).await, Some(1));
}

#[tokio::test(start_paused = true)]
async fn one_look_serves_all_loops() {
    let mut timed = MockTimedStore::new();
    timed.expect_due().times(1).returning(|| Ok(Due::EVERYTHING));
    let pulse = Pulse::new(Arc::new(timed));
    let mut beats = [pulse.beat(), pulse.beat(), pulse.beat()];
    let all = async {
        for beat in &mut beats {
            beat.wait(|due| due.schedules).await;
        }
    };
    tokio::select! {
        () = pulse.run(CancellationToken::new()) => panic!("it runs until it is stopped"),
        () = all => {}
    }
}
