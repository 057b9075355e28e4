//! What the listeners of this instance share: each task is read once, however many listen to it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::{StreamExt, stream};
use task_protocols::{Hint, StoreResult, TaskKey, TrackFrom, TrackHead, TrackPosition, TrackStore};
use tokio::sync::{Notify, broadcast};
use tokio::time::MissedTickBehavior;
use tokio_util::sync::CancellationToken;

use super::order::Batch;

/// Hints may be lost: so often the tasks with listeners are looked at without one.
const LOOK_EVERY: Duration = Duration::from_millis(1500);
/// Tasks that one look asks for at a time.
const HEADS: usize = 500;
/// Tasks that are read side by side: streams must leave connections to everybody else.
const READS: usize = 4;
/// Batches that a listener may be behind; then its stream ends.
const BUFFER: usize = 64;

/// The next page of a stream; each change may carry a result, so few of them.
pub(super) fn next_page(position: TrackPosition) -> TrackFrom {
    TrackFrom { position, progress_limit: 200, changes_limit: 20 }
}

/// What a listener hears.
#[derive(Debug, Clone)]
pub(super) enum Live {
    Batch(Arc<Batch>),
    /// The task was deleted.
    Gone,
}

/// A task with listeners.
struct Topic {
    sender: broadcast::Sender<Live>,
    /// Up to where it was read for them; `None` until the first of them has caught up.
    reached: Option<Reached>,
    /// Whether it may have more.
    dirty: bool,
}

#[derive(Debug, Clone, Copy, PartialEq)]
struct Reached {
    position: TrackPosition,
    event_seq: i64,
}

impl Reached {
    fn of(head: &TrackHead) -> Self {
        Self { position: head.position, event_seq: head.event_seq }
    }
}

pub(super) struct Hub {
    store: Arc<dyn TrackStore>,
    topics: Mutex<HashMap<TaskKey, Topic>>,
    wake: Notify,
}

impl Hub {
    pub(super) fn new(store: Arc<dyn TrackStore>) -> Self {
        Self { store, topics: Mutex::default(), wake: Notify::new() }
    }

    fn topics(&self) -> MutexGuard<'_, HashMap<TaskKey, Topic>> {
        self.topics.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is read of the task from now on.
    pub(super) fn subscribe(&self, key: &TaskKey) -> broadcast::Receiver<Live> {
        let mut topics = self.topics();
        if let Some(topic) = topics.get(key) {
            return topic.sender.subscribe();
        }
        let (sender, receiver) = broadcast::channel(BUFFER);
        topics.insert(key.clone(), Topic { sender, reached: None, dirty: false });
        receiver
    }

    /// A listener has read the task up to `head`: where nobody was before, the shared reading starts there.
    pub(super) fn begin(&self, key: &TaskKey, head: &TrackHead) {
        if let Some(topic) = self.topics().get_mut(key)
            && topic.reached.is_none()
        {
            topic.reached = Some(Reached::of(head));
            if topic.dirty {
                self.wake.notify_one();
            }
        }
    }

    pub(super) async fn run(&self, mut hints: broadcast::Receiver<Hint>, stop: CancellationToken) {
        let mut clock = tokio::time::interval(LOOK_EVERY);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let mut look = false;
            tokio::select! {
                hint = hints.recv() => match hint {
                    Ok(hint) => self.note(&hint),
                    Err(broadcast::error::RecvError::Lagged(_)) => look = true,
                    Err(broadcast::error::RecvError::Closed) => return,
                },
                () = self.wake.notified() => {}
                _ = clock.tick() => look = true,
                () = stop.cancelled() => return,
            }
            // One look serves all the hints that have come.
            loop {
                match hints.try_recv() {
                    Ok(hint) => self.note(&hint),
                    Err(broadcast::error::TryRecvError::Lagged(_)) => look = true,
                    Err(_) => break,
                }
            }
            if look && let Err(error) = self.look().await {
                tracing::debug!(error = &error as &dyn std::error::Error, "streams could not look for news");
            }
            self.read().await;
        }
    }

    fn note(&self, hint: &Hint) {
        let (Hint::TaskChanged { tenant_id, task_id } | Hint::ProgressAppended { tenant_id, task_id }) = hint else {
            return;
        };
        let key = TaskKey { tenant_id: tenant_id.clone(), task_id: task_id.clone() };
        if let Some(topic) = self.topics().get_mut(&key) {
            topic.dirty = true;
        }
    }

    /// Asks where the tasks stand, some hundreds in one read, and forgets those without listeners.
    async fn look(&self) -> StoreResult<()> {
        let keys: Vec<TaskKey> = {
            let mut topics = self.topics();
            topics.retain(|_, topic| topic.sender.receiver_count() > 0);
            topics.iter().filter(|(_, topic)| topic.reached.is_some()).map(|(key, _)| key.clone()).collect()
        };
        for keys in keys.chunks(HEADS) {
            let heads = self.store.heads(keys).await?;
            for (key, head) in keys.iter().zip(heads) {
                match head {
                    None => self.gone(key),
                    Some(head) => {
                        if let Some(topic) = self.topics().get_mut(key) {
                            topic.dirty |= topic.reached != Some(Reached::of(&head));
                        }
                    }
                }
            }
        }
        Ok(())
    }

    fn gone(&self, key: &TaskKey) {
        if let Some(topic) = self.topics().remove(key) {
            // Nobody is left to tell: fine.
            let _ = topic.sender.send(Live::Gone);
        }
    }

    /// Reads what may have more.
    async fn read(&self) {
        let dirty: Vec<(TaskKey, Reached)> = {
            let mut topics = self.topics();
            let ready = topics.iter_mut().filter(|(_, topic)| topic.dirty && topic.reached.is_some());
            ready
                .filter_map(|(key, topic)| {
                    topic.dirty = false;
                    Some((key.clone(), topic.reached?))
                })
                .collect()
        };
        stream::iter(dirty).for_each_concurrent(READS, |(key, reached)| self.read_one(key, reached)).await;
    }

    async fn read_one(&self, key: TaskKey, mut reached: Reached) {
        loop {
            let from = next_page(reached.position);
            let page = match self.store.track(&key, from).await {
                Ok(Some(page)) => page,
                Ok(None) => return self.gone(&key),
                // The next look finds that it has more.
                Err(error) => {
                    tracing::debug!(error = &error as &dyn std::error::Error, "a stream could not be read on");
                    return;
                }
            };
            let batch = Batch::of(page, from);
            reached = Reached { position: batch.to, event_seq: batch.head.event_seq };
            let complete = batch.complete;
            if let Some(topic) = self.topics().get_mut(&key) {
                topic.reached = Some(reached);
                let _ = topic.sender.send(Live::Batch(Arc::new(batch)));
            }
            if complete {
                return;
            }
        }
    }
}
