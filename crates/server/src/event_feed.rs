//! The events of this instance's streams: read once from the store, however many listen.

use std::sync::Arc;
use std::time::Duration;

use task_protocols::{EventFilter, Hint, HintBus, OutboxEvent, OutboxStore};
use tokio::sync::broadcast;
use tokio_util::sync::CancellationToken;

/// Hints may be lost: so often the feed looks by itself while somebody listens.
const LOOK_EVERY: Duration = Duration::from_secs(1);
const BATCH: i64 = 500;
/// Batches that a slow listener may lag behind before it has to read for itself.
const CAPACITY: usize = 64;

/// Consecutive published events of every tenant, by position; an empty one tells the listeners to
/// look into the store.
pub(crate) type Batch = Arc<Vec<OutboxEvent>>;

pub struct EventFeed {
    batches: broadcast::Sender<Batch>,
}

impl Default for EventFeed {
    fn default() -> Self {
        Self { batches: broadcast::channel(CAPACITY).0 }
    }
}

impl EventFeed {
    /// Batches from now on. Positions have no holes, so a listener sees by them what it missed.
    pub(crate) fn subscribe(&self) -> broadcast::Receiver<Batch> {
        self.batches.subscribe()
    }

    /// Reads what was published and hands it to the listeners, until `stop` fires.
    pub async fn run(&self, outbox: Arc<dyn OutboxStore>, hints: Arc<dyn HintBus>, stop: CancellationToken) {
        let mut hints = hints.subscribe();
        let mut position = None;
        loop {
            tokio::select! {
                () = published(&mut hints) => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = stop.cancelled() => return,
            }
            if self.batches.receiver_count() == 0 {
                position = None;
                continue;
            }
            // A failure shows in the streams' own reads; here the next look is the next try.
            position = self.look(outbox.as_ref(), position).await.unwrap_or(position);
        }
    }

    async fn look(&self, outbox: &dyn OutboxStore, position: Option<i64>) -> task_protocols::StoreResult<Option<i64>> {
        let mut position = match position {
            Some(position) => position,
            None => {
                let newest = outbox.position_range().await?.1;
                // Who looked before this moment may have missed what no batch will bring.
                let _ = self.batches.send(Arc::default());
                newest
            }
        };
        let everything = EventFilter { tenant_id: None, user_id: None, types: Vec::new() };
        loop {
            let events = outbox.events_after(&everything, position, i64::MAX, BATCH).await?;
            let is_last = (events.len() as i64) < BATCH;
            if let Some(last) = events.last().and_then(|event| event.position) {
                position = last;
                let _ = self.batches.send(Arc::new(events));
            }
            if is_last {
                return Ok(Some(position));
            }
        }
    }
}

/// Waits until events were published, then takes the hints that came with it: one look serves them all.
async fn published(hints: &mut broadcast::Receiver<Hint>) {
    loop {
        match hints.recv().await {
            Ok(Hint::EventsPublished) | Err(broadcast::error::RecvError::Lagged(_)) => break,
            Ok(_) => {}
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
    while !matches!(
        hints.try_recv(),
        Err(broadcast::error::TryRecvError::Empty | broadcast::error::TryRecvError::Closed)
    ) {}
}
