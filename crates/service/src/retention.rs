//! The sweep: what is old enough goes, a bounded step at a time.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use task_protocols::{OutboxStore, RetentionStore, SweepCursor, Swept};
use tokio_util::sync::CancellationToken;

use crate::ServiceError;

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
    /// Executions, progress and history of a task, from its end on.
    pub ended_tasks: Duration,
    /// Rows that one statement removes, or tasks whose records it removes.
    pub batch: i64,
    /// Statements of each kind in one tick.
    pub batches: usize,
}

/// Removes what is older than it is to be kept. Any number of instances may sweep.
pub struct Retention {
    store: Arc<dyn RetentionStore>,
    outbox: Arc<dyn OutboxStore>,
    config: RetentionConfig,
    /// How far the sweep over ended tasks has come. A process begins anew: that costs time, no more.
    position: Mutex<Option<SweepCursor>>,
}

impl Retention {
    pub fn new(store: Arc<dyn RetentionStore>, outbox: Arc<dyn OutboxStore>, config: RetentionConfig) -> Self {
        Self { store, outbox, config, position: Mutex::default() }
    }

    /// One bounded sweep over everything; how much it removed (of ended tasks: how many steps it
    /// went). What goes wrong with one kind keeps no other one waiting; the last error is returned.
    pub async fn tick(&self, stop: &CancellationToken) -> Result<u64, ServiceError> {
        let config = &self.config;
        let mut outcome = Ok(());
        let mut removed = 0;
        let mut note = |swept: Result<u64, ServiceError>| match swept {
            Ok(swept) => removed += swept,
            Err(error) => outcome = Err(error),
        };
        note(self.repeat(stop, || async { Ok(self.outbox.purge_published(config.events, config.batch).await?) }).await);
        for (what, age) in [
            (Swept::IdempotencyKeys, config.idempotency_keys),
            (Swept::InboxIds, config.inbox_ids),
            (Swept::DeletedTasks, config.deleted_tasks),
        ] {
            note(self.repeat(stop, || async { Ok(self.store.sweep(what, age, config.batch).await?) }).await);
        }
        note(self.ended_tasks(stop).await);
        outcome.map(|()| removed)
    }

    /// Repeats a step until one of them found less than a whole batch.
    async fn repeat<F, Fut>(&self, stop: &CancellationToken, step: F) -> Result<u64, ServiceError>
    where
        F: Fn() -> Fut,
        Fut: Future<Output = Result<u64, ServiceError>>,
    {
        let mut removed = 0;
        for _ in 0..self.config.batches {
            if stop.is_cancelled() {
                break;
            }
            let step = step().await?;
            removed += step;
            if step < self.config.batch.unsigned_abs() {
                break;
            }
        }
        Ok(removed)
    }

    async fn ended_tasks(&self, stop: &CancellationToken) -> Result<u64, ServiceError> {
        let mut steps = 0;
        for _ in 0..self.config.batches {
            if stop.is_cancelled() {
                break;
            }
            let from = *self.position.lock().unwrap_or_else(PoisonError::into_inner);
            let Some(next) = self.store.sweep_terminal(self.config.ended_tasks, from, self.config.batch).await? else {
                break;
            };
            *self.position.lock().unwrap_or_else(PoisonError::into_inner) = Some(next);
            steps += 1;
        }
        Ok(steps)
    }
}
