//! The bus and the hints of a single process.

use async_trait::async_trait;
use task_protocols::{BusError, EventBus, Hint, HintBus, OutboxEvent};
use tokio::sync::broadcast;

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
