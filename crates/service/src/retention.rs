//! The sweep: what is old enough goes, a bounded step at a time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use task_protocols::{OutboxStore, RetentionStore, StoreResult, SweepCursor, Swept};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

/// Between two ticks while there is more to remove: leaves the store to others for a moment.
const BREATH: Duration = Duration::from_millis(100);
/// How long a sweep that has come to the end stays there. A last result that was followed by
/// another one is behind it, so it begins anew then.
const ROUND: Duration = Duration::from_secs(86_400);

/// How long what is kept.
#[derive(Debug, Clone)]
pub struct RetentionConfig {
    /// Published events, from their publication on.
    pub events: Duration,
    pub idempotency_keys: Duration,
    /// Ids of in-bound events.
    pub inbox_ids: Duration,
    /// Tasks, from their deletion on.
    pub deleted_tasks: Duration,
    /// Executions from their end on, history entries, and progress from the end of its task on.
    pub ended_tasks: Duration,
    /// Between two ticks when nothing is left to remove.
    pub interval: Duration,
    /// Rows that one statement removes of a table, or looks at.
    pub batch: i64,
    /// Statements of each kind in one tick.
    pub batches: usize,
}

/// Removes what is older than it is to be kept. Any number of instances may sweep.
pub struct Retention {
    store: Arc<dyn RetentionStore>,
    outbox: Arc<dyn OutboxStore>,
    config: RetentionConfig,
    executions: Place,
    ended_tasks: Place,
}

impl Retention {
    pub fn new(store: Arc<dyn RetentionStore>, outbox: Arc<dyn OutboxStore>, config: RetentionConfig) -> Self {
        Self { store, outbox, config, executions: Place::default(), ended_tasks: Place::default() }
    }

    /// Sweeps every `interval`, and on and on while there is more to remove, until `stop` fires.
    pub async fn run(&self, stop: CancellationToken) {
        let mut wait = self.config.interval;
        loop {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = stop.cancelled() => return,
            }
            wait = if self.tick(&stop).await { BREATH } else { self.config.interval };
        }
    }

    /// One bounded sweep over everything; whether some kind used all its batches, so that there may
    /// be more of it. What goes wrong with one kind is logged and keeps no other one waiting.
    pub async fn tick(&self, stop: &CancellationToken) -> bool {
        let RetentionConfig { events, ended_tasks, batch, .. } = self.config;
        let mut more = self
            .repeat(stop, "published events", || async { Ok(self.outbox.purge_published(events, batch).await? > 0) })
            .await;
        for (what, name, age) in [
            (Swept::IdempotencyKeys, "idempotency keys", self.config.idempotency_keys),
            (Swept::InboxIds, "ids of in-bound events", self.config.inbox_ids),
            (Swept::DeletedTasks, "deleted tasks", self.config.deleted_tasks),
            (Swept::History, "history", ended_tasks),
        ] {
            more |= self.repeat(stop, name, || async { Ok(self.store.sweep(what, age, batch).await? > 0) }).await;
        }
        let executions =
            || async { self.executions.advance(|at| self.store.sweep_executions(ended_tasks, at, batch)).await };
        more |= self.repeat(stop, "executions", executions).await;
        let ended = || async { self.ended_tasks.advance(|at| self.store.sweep_terminal(ended_tasks, at, batch)).await };
        more |= self.repeat(stop, "progress of ended tasks", ended).await;
        more
    }

    /// Repeats a step until one says that nothing is left; whether all batches were used before.
    async fn repeat<F, Fut>(&self, stop: &CancellationToken, name: &'static str, step: F) -> bool
    where
        F: Fn() -> Fut,
        Fut: Future<Output = StoreResult<bool>>,
    {
        for _ in 0..self.config.batches {
            if stop.is_cancelled() {
                return false;
            }
            match step().await {
                Ok(true) => {}
                Ok(false) => return false,
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(error, what = name, "not swept; trying again at the next sweep");
                    return false;
                }
            }
        }
        true
    }
}

/// How far a sweep has come. A process begins anew: that costs time, no more.
#[derive(Default)]
struct Place(Mutex<(Option<SweepCursor>, Option<Instant>)>);

impl Place {
    /// Takes a step from here; whether there was anything to look at.
    async fn advance<F, Fut>(&self, step: F) -> StoreResult<bool>
    where
        F: FnOnce(Option<SweepCursor>) -> Fut,
        Fut: Future<Output = StoreResult<Option<SweepCursor>>>,
    {
        let (from, begun) = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let begun = begun.unwrap_or_else(Instant::now);
        let next = step(from).await?;
        let over = next.is_none() && begun.elapsed() >= ROUND;
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) =
            if over { (None, None) } else { (next.or(from), Some(begun)) };
        Ok(next.is_some())
    }
}
