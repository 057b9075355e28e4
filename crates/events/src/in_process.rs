//! The bus and the hints of a single process.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use task_protocols::{BusError, EventBus, Hint, HintBus, OutboxEvent};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

use crate::relay::changed;

/// Hints that a slow listener may lag behind before it is told to look for itself.
pub(crate) const HINT_CAPACITY: usize = 4096;

/// Acknowledges at once: subscribers read the published events from the store
/// (`GET /api/v1/events`), woken by [`Hint::EventsPublished`].
#[derive(Debug, Clone, Copy, Default)]
pub struct InProcessBus;

#[async_trait]
impl EventBus for InProcessBus {
    async fn prepare(&self) -> Result<(), BusError> {
        Ok(())
    }

    async fn publish(&self, _: &OutboxEvent) -> Result<(), BusError> {
        Ok(())
    }

    fn epoch(&self) -> u64 {
        0
    }

    async fn check(&self) -> Result<(), BusError> {
        Ok(())
    }
}

/// Where the store publishes by its commits, nothing is left to relay: this only tells those who follow
/// the events, at most once in `pace`, until `stop` fires.
pub async fn tell_of_published(hints: Arc<dyn HintBus>, pace: Duration, stop: CancellationToken) {
    let mut changes = hints.subscribe();
    loop {
        tokio::select! {
            () = changed(&mut changes) => {}
            () = stop.cancelled() => return,
        }
        hints.send(Hint::EventsPublished);
        tokio::select! {
            () = tokio::time::sleep(pace) => {}
            () = stop.cancelled() => return,
        }
    }
}

/// Hints within one process.
#[derive(Debug, Clone)]
pub struct InProcessHints {
    sender: broadcast::Sender<Hint>,
}

impl Default for InProcessHints {
    fn default() -> Self {
        Self { sender: broadcast::channel(HINT_CAPACITY).0 }
    }
}

impl HintBus for InProcessHints {
    fn send(&self, hint: Hint) {
        // No listener is no failure.
        let _ = self.sender.send(hint);
    }

    fn subscribe(&self) -> broadcast::Receiver<Hint> {
        self.sender.subscribe()
    }
}
