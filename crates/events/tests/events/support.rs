//! Events, an outbox in memory, and a reader of the stream that shares no code with the bus.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::time::Duration;

use async_nats::jetstream::{self, consumer::pull, stream::Stream};
use async_trait::async_trait;
use chrono::DateTime;
use futures::StreamExt;
use serde_json::json;
use task_domain::{Event, EventType, Origin, Payload, TaskId, TenantId};
use task_protocols::{EventFilter, OutboxEvent, OutboxStore, RelayLock, StoreError, StoreResult};
use tokio::sync::{Mutex, MutexGuard};
use uuid::Uuid;

pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Event number `seq` of `task`, in row `id`.
pub(crate) fn event(id: i64, task: &str, seq: i64) -> OutboxEvent {
    let event_id = Uuid::now_v7();
    let payload = json!({"event_id": event_id, "task_id": task, "seq": seq});
    let event = Event {
        event_id,
        event_type: EventType::StatusChanged,
        tenant_id: TenantId::default_tenant(),
        task_id: TaskId::new(task).unwrap(),
        user_id: None,
        origin: Origin::TaskService,
        seq,
        occurred_at: DateTime::from_timestamp(1_800_000_000, 123_456_000).unwrap(),
        payload: Payload::of(&payload),
    };
    OutboxEvent { id, position: None, event }
}

/// The outbox as the contract has it, without a database.
#[derive(Clone, Default)]
pub(crate) struct Outbox {
    rows: Arc<Mutex<Vec<OutboxEvent>>>,
    locked: Arc<AtomicBool>,
    /// The lock is held but its holder is told that it is lost.
    pub(crate) lock_lost: Arc<AtomicBool>,
    pub(crate) marks_fail: Arc<AtomicBool>,
    /// The last position from before the minutes that are published again.
    pub(crate) before: Arc<AtomicI64>,
    pub(crate) looks_fail: Arc<AtomicBool>,
}

impl Outbox {
    pub(crate) fn with(events: impl IntoIterator<Item = OutboxEvent>) -> Self {
        Self { rows: Arc::new(Mutex::new(events.into_iter().collect())), ..Self::default() }
    }

    pub(crate) async fn rows(&self) -> MutexGuard<'_, Vec<OutboxEvent>> {
        self.rows.lock().await
    }

    /// Row ids by position.
    pub(crate) async fn published(&self) -> Vec<i64> {
        let rows = self.rows.lock().await;
        let mut marked: Vec<_> = rows.iter().filter_map(|e| e.position.map(|position| (position, e.id))).collect();
        marked.sort_unstable();
        marked.into_iter().map(|(_, id)| id).collect()
    }

    pub(crate) fn is_locked(&self) -> bool {
        self.locked.load(Ordering::SeqCst)
    }

    /// As another instance would hold it.
    pub(crate) fn lock_elsewhere(&self, held: bool) {
        self.locked.store(held, Ordering::SeqCst);
    }
}

struct Held(Outbox);

#[async_trait]
impl RelayLock for Held {
    async fn is_held(&self) -> bool {
        !self.0.lock_lost.load(Ordering::SeqCst)
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.locked.store(false, Ordering::SeqCst);
    }
}

#[async_trait]
impl OutboxStore for Outbox {
    async fn try_lock_relay(&self) -> StoreResult<Option<Box<dyn RelayLock>>> {
        let free = !self.locked.swap(true, Ordering::SeqCst);
        Ok(free.then(|| Box::new(Held(self.clone())) as Box<dyn RelayLock>))
    }

    async fn unpublished(&self, limit: i64) -> StoreResult<Vec<OutboxEvent>> {
        let rows = self.rows.lock().await;
        Ok(rows.iter().filter(|e| e.position.is_none()).take(limit as usize).cloned().collect())
    }

    async fn mark_published(&self, ids: &[i64]) -> StoreResult<()> {
        if self.marks_fail.load(Ordering::SeqCst) {
            return Err(StoreError::unavailable("the database is away"));
        }
        let mut rows = self.rows.lock().await;
        let mut last = rows.iter().filter_map(|e| e.position).max().unwrap_or(0);
        for id in ids {
            let row = rows.iter_mut().find(|e| e.id == *id).unwrap();
            if row.position.is_none() {
                last += 1;
                row.position = Some(last);
            }
        }
        Ok(())
    }

    async fn published_before(&self, _: Duration) -> StoreResult<i64> {
        if self.looks_fail.load(Ordering::SeqCst) {
            return Err(StoreError::unavailable("the look took too long"));
        }
        Ok(self.before.load(Ordering::SeqCst))
    }

    async fn events_after(
        &self,
        filter: &EventFilter,
        after: i64,
        through: i64,
        limit: i64,
    ) -> StoreResult<Vec<OutboxEvent>> {
        assert_eq!(*filter, EventFilter { tenant_id: None, user_id: None, types: Vec::new() });
        let rows = self.rows.lock().await;
        let wanted = |e: &&OutboxEvent| e.position.is_some_and(|p| p > after && p <= through);
        let mut found: Vec<_> = rows.iter().filter(wanted).cloned().collect();
        found.sort_unstable_by_key(|e| e.position);
        found.truncate(limit as usize);
        Ok(found)
    }

    async fn position_range(&self) -> StoreResult<(i64, i64)> {
        unreachable!("the relay asks for no range")
    }

    async fn backlog(&self) -> StoreResult<i64> {
        unreachable!("the relay asks for no backlog")
    }

    async fn purge_published(&self, _: Duration, _: i64) -> StoreResult<u64> {
        unreachable!("the relay purges nothing")
    }
}

/// A message of the stream, as any subscriber sees it.
pub(crate) struct Stored {
    pub(crate) subject: String,
    pub(crate) headers: async_nats::HeaderMap,
    pub(crate) body: serde_json::Value,
}

pub(crate) async fn stream(url: &str) -> Option<Stream> {
    let client = async_nats::connect(url).await.unwrap();
    jetstream::new(client).get_stream(task_events::STREAM).await.ok()
}

pub(crate) async fn stored(url: &str) -> Vec<Stored> {
    let Some(mut stream) = stream(url).await else { return Vec::new() };
    let count = stream.info().await.unwrap().state.messages as usize;
    if count == 0 {
        return Vec::new();
    }
    let consumer = stream.create_consumer(pull::Config::default()).await.unwrap();
    let messages = consumer.messages().await.unwrap().take(count);
    messages
        .map(|message| {
            let message = message.unwrap();
            Stored {
                subject: message.subject.to_string(),
                headers: message.headers.clone().unwrap(),
                body: serde_json::from_slice(&message.payload).unwrap(),
            }
        })
        .collect()
        .await
}
