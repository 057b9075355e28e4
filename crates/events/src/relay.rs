//! The relay: takes committed events from the outbox to the bus.
//!
//! Relayed by mark, never by a cursor over ids: ids become visible out of order under concurrent
//! writers, and a cursor would step over them. One relay at a time, by a lock in the store; two are
//! safe and only cost duplicates under the same ids.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream;
use task_domain::{TaskId, TenantId};
use task_protocols::{
    Backoff, BusError, EventBus, EventFilter, Hint, HintBus, OutboxEvent, OutboxStore, RelayLock, StoreError,
};
use tokio::sync::broadcast;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// How the relay works.
#[derive(Debug, Clone)]
pub struct RelayConfig {
    /// Events read at a time.
    pub batch: i64,
    /// Tasks whose events are under way at the same time; of each task one event at a time.
    pub in_flight: usize,
    /// How often it looks when no hint comes.
    pub idle: Duration,
    /// Shortest time from the beginning of a round that found something to the next: under load many
    /// events share a round, which costs the store the same for one as for many.
    pub pace: Duration,
    /// Longest wait while the bus or the store is away.
    pub max_backoff: Duration,
    /// How much of the past is published again when the bus may have forgotten it.
    pub republish: Duration,
    /// At shutdown: how long it goes on publishing what is left.
    pub flush: Duration,
}

impl Default for RelayConfig {
    fn default() -> Self {
        Self {
            batch: 500,
            in_flight: 64,
            idle: Duration::from_secs(1),
            pace: Duration::from_millis(10),
            max_backoff: Duration::from_secs(5),
            republish: Duration::from_secs(300),
            flush: Duration::from_millis(1500),
        }
    }
}

const LOCK_CHECK: Duration = Duration::from_secs(5);
/// Between two looks whether the other one that relays has flushed.
const FLUSH_PAUSE: Duration = Duration::from_millis(50);

/// Why a round did not get everything out. What was acknowledged is marked all the same.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    #[error("the outbox could not be read or marked")]
    Store(#[from] StoreError),
    #[error("the bus did not take every event")]
    Bus(#[from] BusError),
}

pub struct Relay {
    outbox: Arc<dyn OutboxStore>,
    bus: Arc<dyn EventBus>,
    hints: Arc<dyn HintBus>,
    config: RelayConfig,
}

impl Relay {
    pub fn new(
        outbox: Arc<dyn OutboxStore>,
        bus: Arc<dyn EventBus>,
        hints: Arc<dyn HintBus>,
        config: RelayConfig,
    ) -> Self {
        Self { outbox, bus, hints, config }
    }

    /// Relays while it holds the lock, and waits for the lock otherwise, until `stop` fires; then what
    /// is left is flushed, here or by whoever relays.
    pub async fn run(&self, stop: CancellationToken) {
        while !stop.is_cancelled() {
            match self.outbox.try_lock_relay().await {
                Ok(Some(lock)) => self.lead(lock.as_ref(), &stop).await,
                Ok(None) => {}
                Err(error) => {
                    tracing::debug!(error = &error as &dyn std::error::Error, "the relay lock cannot be asked for")
                }
            }
            tokio::select! {
                () = tokio::time::sleep(self.config.idle) => {}
                () = stop.cancelled() => {}
            }
        }
        let _ = tokio::time::timeout(self.config.flush, self.flush()).await;
    }

    /// Also where another one relayed: it may have stopped before this instance gave its work back.
    async fn flush(&self) {
        while self.outbox.unpublished(1).await.is_ok_and(|left| !left.is_empty()) {
            if let Ok(Some(_lock)) = self.outbox.try_lock_relay().await {
                while self.tick().await.is_ok_and(|published| published > 0) {}
                return;
            }
            tokio::time::sleep(FLUSH_PAUSE).await;
        }
    }

    /// Relays until the lock is lost or `stop` fires.
    async fn lead(&self, lock: &dyn RelayLock, stop: &CancellationToken) {
        tracing::debug!("this instance relays events");
        let mut hints = self.hints.subscribe();
        let mut again = Again::default();
        let mut backoff = Backoff::new(self.config.max_backoff);
        let mut checked = Instant::now();
        while !stop.is_cancelled() {
            if checked.elapsed() > LOCK_CHECK {
                if !lock.is_held().await {
                    tracing::info!("the relay lock was lost; another instance may relay now");
                    return;
                }
                checked = Instant::now();
            }
            let begun = Instant::now();
            match self.round(&mut again).await {
                Ok(published) => {
                    backoff.reset();
                    if published as i64 >= self.config.batch {
                        continue;
                    }
                    if published > 0 {
                        tokio::time::sleep_until(begun + self.config.pace).await;
                    }
                    tokio::select! {
                        () = changed(&mut hints) => {}
                        () = tokio::time::sleep(self.config.idle) => {}
                        () = stop.cancelled() => {}
                    }
                }
                Err(error) => {
                    let wait = backoff.wait();
                    tracing::warn!(error = &error as &dyn std::error::Error, ?wait, "events wait in the outbox");
                    tokio::select! {
                        () = tokio::time::sleep(wait) => {}
                        () = stop.cancelled() => {}
                    }
                }
            }
        }
    }

    /// What may have been forgotten goes before what is new, but a failure of it holds nothing up.
    async fn round(&self, again: &mut Again) -> Result<usize, RelayError> {
        // Not the epoch of later: if it rises meanwhile, the next round begins anew.
        let epoch = self.bus.epoch();
        if again.epoch != Some(epoch) {
            self.bus.prepare().await?;
            again.begin(epoch);
        }
        if again.is_due() {
            match self.republish(again).await {
                Ok(()) => again.over = true,
                Err(error) => {
                    again.not_before = Some(Instant::now() + self.config.max_backoff);
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, "what the bus may have forgotten is published again later");
                }
            }
        }
        self.tick().await
    }

    /// Publishes one batch of unpublished events; how many were acknowledged and marked.
    ///
    /// # Errors
    /// When the store failed, or the bus did not take every event; the events that it took are marked.
    pub async fn tick(&self) -> Result<usize, RelayError> {
        let events = self.outbox.unpublished(self.config.batch).await?;
        if events.is_empty() {
            return Ok(0);
        }
        let (mut acknowledged, failure) = self.publish(events).await;
        // By row id: of each task in the order of its events, which positions then keep.
        acknowledged.sort_unstable();
        if !acknowledged.is_empty() {
            self.outbox.mark_published(&acknowledged).await?;
            self.hints.send(Hint::EventsPublished);
        }
        match failure {
            Some(error) => Err(error.into()),
            None => Ok(acknowledged.len()),
        }
    }

    /// Publishes the last minutes again, under the same ids, in the order of their positions.
    ///
    /// # Errors
    /// When the store or the bus failed; it goes on from there when it is called again.
    async fn republish(&self, again: &mut Again) -> Result<(), RelayError> {
        let mut after = match again.after {
            Some(after) => after,
            None => {
                let since = again.since.map_or(Duration::ZERO, |since| since.elapsed());
                self.outbox.published_before(self.config.republish + since).await?
            }
        };
        let everything = EventFilter { tenant_id: None, user_id: None, types: Vec::new() };
        loop {
            again.after = Some(after);
            let events = self.outbox.events_after(&everything, after, i64::MAX, self.config.batch).await?;
            let Some(last) = events.last().and_then(|event| event.position) else { return Ok(()) };
            if let (_, Some(error)) = self.publish(events).await {
                return Err(error.into());
            }
            after = last;
        }
    }

    /// Publishes events: those of one task one after the other, different tasks side by side. The
    /// row ids that were acknowledged, and the first failure. A failure stops its task, so that no
    /// later event overtakes an earlier one.
    async fn publish(&self, events: Vec<OutboxEvent>) -> (Vec<i64>, Option<BusError>) {
        let publish_task = |events: Vec<OutboxEvent>| async move {
            let mut acknowledged = Vec::with_capacity(events.len());
            for event in &events {
                match self.bus.publish(event).await {
                    Ok(()) => acknowledged.push(event.id),
                    Err(error) => return (acknowledged, Some(error)),
                }
            }
            (acknowledged, None)
        };
        let mut outcomes = stream::iter(by_task(events)).map(publish_task).buffer_unordered(self.config.in_flight);
        let (mut acknowledged, mut failure) = (Vec::new(), None);
        while let Some((ids, error)) = outcomes.next().await {
            acknowledged.extend(ids);
            failure = failure.or(error);
        }
        (acknowledged, failure)
    }
}

/// How far what the bus may have forgotten was published again.
#[derive(Default)]
struct Again {
    /// The epoch of the bus that this is about.
    epoch: Option<u64>,
    /// When the first epoch began that this is not over for: the minutes are counted back from here.
    since: Option<Instant>,
    /// Up to this position it is done; `None` before the first look.
    after: Option<i64>,
    over: bool,
    /// After a failure.
    not_before: Option<Instant>,
}

impl Again {
    fn begin(&mut self, epoch: u64) {
        let since = self.since.filter(|_| !self.over).or_else(|| Some(Instant::now()));
        *self = Self { epoch: Some(epoch), since, ..Self::default() };
    }

    fn is_due(&self) -> bool {
        !self.over && self.not_before.is_none_or(|time| time <= Instant::now())
    }
}

/// Groups events by task, keeping their order.
fn by_task(events: Vec<OutboxEvent>) -> Vec<Vec<OutboxEvent>> {
    let mut places: std::collections::HashMap<(TenantId, TaskId), usize> = std::collections::HashMap::new();
    let mut groups: Vec<Vec<OutboxEvent>> = Vec::new();
    for event in events {
        let key = (event.event.tenant_id.clone(), event.event.task_id.clone());
        let place = *places.entry(key).or_insert_with(|| {
            groups.push(Vec::new());
            groups.len() - 1
        });
        groups[place].push(event);
    }
    groups
}

/// Waits until some task changed, then takes the hints that came with it: one look serves them all.
pub(crate) async fn changed(hints: &mut broadcast::Receiver<Hint>) {
    loop {
        match hints.recv().await {
            Ok(Hint::TaskChanged { .. }) | Err(broadcast::error::RecvError::Lagged(_)) => break,
            Ok(_) => {}
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
    while !matches!(
        hints.try_recv(),
        Err(broadcast::error::TryRecvError::Empty | broadcast::error::TryRecvError::Closed)
    ) {}
}
