//! One subscriber's way through the events: what is kept, window by window, then what comes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::Bytes;
use futures::FutureExt;
use futures::future::BoxFuture;
use task_protocols::{Backoff, EventFilter, OutboxEvent, OutboxStore, StoreError, StoreResult};
use tokio::sync::broadcast;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::event_feed::Batch;
use crate::sse;

/// Positions that one statement looks at, whoever's the events are: one that looked for a rare event
/// among all that are kept would outlast its time limit, and every try anew would, too.
const WINDOW: i64 = 5_000;
const BATCH: i64 = 100;
/// Longest wait between two reads while the store is away.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// What an [`EventStream`] reads, and what ends it.
pub(crate) struct EventSources {
    pub(crate) outbox: Arc<dyn OutboxStore>,
    /// Subscribed before [`Start`] was read, so that nothing falls between.
    pub(crate) feed: broadcast::Receiver<Batch>,
    /// The subscriber is told of tasks of these types only; empty: of all.
    pub(crate) task_types: Vec<String>,
    /// Comes true when the subscriber's key stands no more.
    pub(crate) revoked: BoxFuture<'static, ()>,
    /// Fires when shutdown begins.
    pub(crate) stopping: CancellationToken,
}

/// Where a stream begins.
pub(crate) struct Start {
    /// Behind this position.
    pub(crate) position: i64,
    /// The newest one when the stream was opened.
    pub(crate) newest: i64,
    /// Whether the subscriber named the position, and so knows it.
    pub(crate) named: bool,
}

pub(crate) struct EventStream {
    sources: EventSources,
    filter: EventFilter,
    /// Everything up to here was sent, or is not for this subscriber.
    position: i64,
    /// Where the subscriber would resume.
    told: i64,
    /// Up to where the store is to be read, for the feed does not bring it; not above `position`: the
    /// newest one is still to be asked for. `None`: the feed brings all that comes.
    behind: Option<i64>,
    /// While the store is away the stream waits for it: a client that is sent off would only come back,
    /// and be refused.
    away: Option<Backoff>,
    ready: VecDeque<Bytes>,
    last_sent: Instant,
}

impl EventStream {
    pub(crate) fn new(sources: EventSources, filter: EventFilter, start: Start) -> Self {
        let mut ready = VecDeque::from([sse::opening()]);
        if !start.named {
            // Who is cut off before the first event resumes here, and not at a later now.
            ready.push_back(sse::position(start.position));
        }
        Self {
            sources,
            filter,
            position: start.position,
            told: start.position,
            behind: Some(start.newest),
            away: None,
            ready,
            last_sent: Instant::now(),
        }
    }

    /// The next frame; `None` ends the stream, and the client resumes: shutdown has begun, the key
    /// stands no more, or what comes next was removed before it was read.
    pub(crate) async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                self.last_sent = Instant::now();
                return Some(frame);
            }
            if self.sources.stopping.is_cancelled() || (&mut self.sources.revoked).now_or_never().is_some() {
                return None;
            }
            match self.behind {
                Some(newest) => match self.catch_up(newest).await {
                    Ok(read) => {
                        self.away = None;
                        read?;
                    }
                    Err(StoreError::Unavailable(cause)) => self.wait_for_store(cause.as_ref()).await?,
                    Err(error) => {
                        tracing::error!(error = &error as &dyn std::error::Error, "an event stream ends");
                        return None;
                    }
                },
                None => self.listen().await?,
            }
        }
    }

    async fn wait_for_store(&mut self, cause: &(dyn std::error::Error + 'static)) -> Option<()> {
        if self.away.is_none() {
            tracing::warn!(error = cause, "an event stream waits for the store");
        }
        let wait = self.away.get_or_insert_with(|| Backoff::new(LONGEST_WAIT)).wait();
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = &mut self.sources.revoked => return None,
            () = self.sources.stopping.cancelled() => return None,
        }
        if self.last_sent.elapsed() >= sse::KEEP_ALIVE {
            self.ready.push_back(sse::comment("keep-alive"));
        }
        Some(())
    }

    /// Reads one window of what is kept, up to `newest`.
    async fn catch_up(&mut self, newest: i64) -> StoreResult<Option<()>> {
        let outbox = &self.sources.outbox;
        let through = newest.min(self.position + WINDOW);
        let mut events = match through > self.position {
            true => outbox.events_after(&self.filter, self.position, through, BATCH).await?,
            false => Vec::new(),
        };
        // Asked for after the read, so that it tells what was removed before.
        let (oldest, newest_by_now) = outbox.position_range().await?;
        if self.position + 1 < oldest {
            tracing::warn!(position = self.position, oldest, "an event stream ends: what comes next was removed");
            return Ok(None);
        }
        if newest <= self.position {
            self.behind = (newest_by_now > self.position).then_some(newest_by_now);
            return Ok(Some(()));
        }
        let last = events.last().and_then(|event| event.position);
        self.position = last.filter(|_| events.len() as i64 >= BATCH).unwrap_or(through);
        self.behind = (self.position < newest).then_some(newest);
        events.retain(|event| self.may_see(event));
        events.iter().for_each(|event| self.send(event));
        if events.is_empty() {
            self.tell_position();
        }
        Ok(Some(()))
    }

    async fn listen(&mut self) -> Option<()> {
        tokio::select! {
            batch = self.sources.feed.recv() => match batch {
                Ok(batch) => self.take(&batch),
                Err(broadcast::error::RecvError::Lagged(_)) => self.fall_behind(),
                Err(broadcast::error::RecvError::Closed) => return None,
            },
            () = tokio::time::sleep_until(self.last_sent + sse::KEEP_ALIVE) => {
                self.ready.push_back(sse::comment("keep-alive"));
                self.tell_position();
            }
            () = &mut self.sources.revoked => return None,
            () = self.sources.stopping.cancelled() => return None,
        }
        Some(())
    }

    fn take(&mut self, batch: &[OutboxEvent]) {
        if batch.is_empty() {
            self.fall_behind();
        }
        for event in batch {
            let position = event.position.unwrap_or_default();
            if position <= self.position {
                continue;
            }
            if position > self.position + 1 {
                return self.fall_behind();
            }
            self.position = position;
            if self.filter.fits(event) && self.may_see(event) {
                self.send(event);
            }
        }
    }

    /// Whether the event is of a type that the subscriber's key is for. An older version's events name
    /// no type.
    fn may_see(&self, event: &OutboxEvent) -> bool {
        let types = &self.sources.task_types;
        types.is_empty() || event.event.task_type().is_some_and(|of| types.contains(&of))
    }

    fn fall_behind(&mut self) {
        self.behind = Some(self.position);
    }

    fn send(&mut self, event: &OutboxEvent) {
        let position = event.position.unwrap_or_default();
        let data = event.event.payload.as_str();
        self.ready.push_back(sse::frame(event.event.event_type.as_str(), &position.to_string(), data));
        self.told = position;
    }

    /// Lets the subscriber know how far it is, so that it need not come this way again.
    fn tell_position(&mut self) {
        if self.position > self.told {
            self.ready.push_back(sse::position(self.position));
            self.told = self.position;
        }
    }
}

#[cfg(test)]
mod tests;
