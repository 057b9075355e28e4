//! One look a second at what there is to do, for all loops that wait for the clock.
//!
//! Each loop would else ask the store for itself, every second, mostly for nothing.

use std::sync::Arc;
use std::time::Duration;

use task_protocols::{Due, TimedStore};
use tokio::sync::watch;
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

const EVERY: Duration = Duration::from_secs(1);

/// Looks, and tells its [`Beat`]s.
pub struct Pulse {
    timed: Arc<dyn TimedStore>,
    seen: watch::Sender<Due>,
}

impl Pulse {
    pub fn new(timed: Arc<dyn TimedStore>) -> Self {
        Self { timed, seen: watch::Sender::new(Due::default()) }
    }

    /// Hears of every look from here on.
    pub fn beat(&self) -> Beat {
        Beat(self.seen.subscribe())
    }

    /// Looks every second until `stop` fires. When the store cannot be asked everything may be due.
    pub async fn run(&self, stop: CancellationToken) {
        let mut every = tokio::time::interval(EVERY);
        every.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                _ = every.tick() => {}
                () = stop.cancelled() => return,
            }
            let due = self.timed.due().await.unwrap_or_else(|error| {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "what is due is not known; looking for everything"
                );
                Due::EVERYTHING
            });
            self.seen.send_replace(due);
        }
    }
}

/// What a loop waits by.
#[derive(Clone)]
pub struct Beat(watch::Receiver<Due>);

impl Beat {
    /// Waits for the next look that finds what `concerns` the loop. Looks that were missed count as
    /// one. Never ends when the [`Pulse`] is gone.
    pub async fn wait(&mut self, concerns: fn(&Due) -> bool) {
        loop {
            if self.0.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
            if concerns(&self.0.borrow_and_update()) {
                return;
            }
        }
    }
}
