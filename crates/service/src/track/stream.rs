//! One listener.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use futures::future::BoxFuture;
use task_protocols::{Backoff, StatusChange, StoreError, TaskKey, TrackHead, TrackPosition};
use tokio::sync::broadcast;
use uuid::Uuid;

use super::hub::{Live, next_page};
use super::order::{Batch, Cursor};
use super::{TrackEvent, TrackFrame, TrackService, TrackStart};
use crate::{Caller, ServiceError};

/// Longest wait between two reads while the store is away.
const LONGEST_WAIT: Duration = Duration::from_secs(5);

/// Where the frames come from.
enum Mode {
    /// From the store.
    History,
    /// From what the instance reads for all its listeners.
    Live(broadcast::Receiver<Live>),
    Ended,
}

/// An open stream.
pub struct TrackStream {
    service: Arc<TrackService>,
    key: TaskKey,
    /// Comes true when the listener's key stands no more.
    revoked: BoxFuture<'static, ()>,
    cursor: Cursor,
    /// Whether the attempt that it follows had ended when it was opened.
    over: bool,
    mode: Mode,
    ready: VecDeque<TrackFrame>,
    /// While the store is away the stream waits for it: a client that is sent off would only come back,
    /// and be refused.
    away: Option<Backoff>,
    begins_at: Option<TrackPosition>,
}

impl TrackStream {
    pub(super) fn new(
        service: Arc<TrackService>,
        key: TaskKey,
        caller: Caller,
        execution_id: Option<Uuid>,
        over: bool,
    ) -> Self {
        Self {
            revoked: Arc::clone(&service.keys).until_revoked(caller).boxed(),
            service,
            key,
            cursor: Cursor::new(TrackPosition::default(), execution_id),
            over,
            mode: Mode::History,
            ready: VecDeque::new(),
            away: None,
            begins_at: None,
        }
    }

    /// Finds the start, and reads until there is something to tell, or all is known; `None` when the
    /// task is gone.
    pub(super) async fn prepare(&mut self, start: TrackStart) -> Result<Option<()>, ServiceError> {
        let tracks = &self.service.tracks;
        let mut only_last = false;
        let position = match start {
            TrackStart::Beginning => Some(TrackPosition::default()),
            TrackStart::After(position) => Some(position),
            TrackStart::AfterProgress(progress) => tracks.position_after(&self.key, progress).await?,
            TrackStart::Now => {
                match tracks.heads(std::slice::from_ref(&self.key)).await?.into_iter().next().flatten() {
                    Some(head) if head.status.is_terminal() => {
                        only_last = true;
                        tracks.position_after(&self.key, head.position.progress).await?
                    }
                    Some(head) => {
                        self.begins_at = Some(head.position);
                        self.begins_at
                    }
                    None => None,
                }
            }
        };
        let Some(position) = position else { return Ok(None) };
        self.cursor.position = position;
        while matches!(self.mode, Mode::History) && (only_last || self.ready.is_empty()) {
            if self.read_history().await?.is_none() {
                return Ok(None);
            }
        }
        if only_last {
            self.ready.drain(..self.ready.len().saturating_sub(1));
        }
        Ok(Some(()))
    }

    pub(super) fn has_nothing_left(&self) -> bool {
        self.ready.is_empty() && matches!(self.mode, Mode::Ended)
    }

    /// Where a stream of what comes next began: a client that is cut off before its first frame must
    /// resume there, and not at a later now.
    pub fn begins_at(&self) -> Option<TrackPosition> {
        self.begins_at
    }

    /// The next frame, when there is one; `None` when the stream ends: all is told, or the task was
    /// deleted, the caller's key revoked, the listener too slow, or shutdown has begun, and the client
    /// may resume. Nothing is lost when this future is dropped before its end.
    pub async fn next(&mut self) -> Option<TrackFrame> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                return Some(frame);
            }
            if matches!(self.mode, Mode::Ended) || !self.may_go_on() {
                self.mode = Mode::Ended;
                return None;
            }
            if matches!(self.mode, Mode::History) {
                match self.read_history().await {
                    Ok(Some(())) => self.away = None,
                    Ok(None) => self.mode = Mode::Ended,
                    Err(error) => self.wait_for_store(&error).await,
                }
            } else {
                self.listen().await;
            }
        }
    }

    fn may_go_on(&mut self) -> bool {
        !self.service.stopping.is_cancelled() && (&mut self.revoked).now_or_never().is_none()
    }

    /// Reads the next of what is kept. The subscription comes before the read, so that nothing falls
    /// between. `None` when the task is gone.
    async fn read_history(&mut self) -> Result<Option<()>, ServiceError> {
        let live = self.service.hub.subscribe(&self.key);
        let from = next_page(self.cursor.position);
        let Some(page) = self.service.tracks.track(&self.key, from).await? else { return Ok(None) };
        let batch = Batch::of(page, from);
        self.ready.extend(self.cursor.step_over_trimmed(&batch.head));
        self.ready.extend(self.cursor.take(&batch));
        if batch.complete {
            self.service.hub.begin(&self.key, &batch.head);
            self.close_swept(&batch.head);
            self.mode = Mode::Live(live);
            if batch.head.status.is_terminal() || self.over {
                self.mode = Mode::Ended;
            }
        }
        if self.cursor.done {
            self.mode = Mode::Ended;
        }
        Ok(Some(()))
    }

    /// Waits before the next try; a store that is damaged ends the stream.
    async fn wait_for_store(&mut self, error: &ServiceError) {
        if !matches!(error, ServiceError::Store(StoreError::Unavailable(_))) {
            tracing::error!(error = error as &dyn std::error::Error, "a progress stream ends");
            self.mode = Mode::Ended;
            return;
        }
        let wait = self.away.get_or_insert_with(|| Backoff::new(LONGEST_WAIT)).wait();
        tokio::select! {
            () = tokio::time::sleep(wait) => {}
            () = &mut self.revoked => self.mode = Mode::Ended,
            () = self.service.stopping.cancelled() => {}
        }
    }

    /// Of a finished task whose history is not kept any more, how it ended is still known.
    fn close_swept(&mut self, head: &TrackHead) {
        if !head.status.is_terminal() || self.cursor.position.status > 0 || self.over {
            return;
        }
        self.cursor.position.status = head.event_seq;
        let change = StatusChange {
            id: head.event_seq,
            progress_seq: head.position.progress,
            execution_id: None,
            status: head.status,
            ended: None,
            result: None,
            error: head.last_error.clone(),
            error_details: None,
            timestamp: head.updated_at,
        };
        let event = TrackEvent::StatusChange(Arc::new(change));
        self.ready.push_back(TrackFrame { position: self.cursor.position, event });
    }

    /// Waits for the next of what the instance reads, or until the listener may not go on.
    async fn listen(&mut self) {
        let Mode::Live(live) = &mut self.mode else { return };
        let heard = tokio::select! {
            heard = live.recv() => heard,
            () = &mut self.revoked => {
                self.mode = Mode::Ended;
                return;
            }
            () = self.service.stopping.cancelled() => return,
        };
        match heard {
            Ok(Live::Batch(batch)) if self.cursor.misses(&batch) => self.mode = Mode::History,
            Ok(Live::Batch(batch)) => {
                self.ready.extend(self.cursor.take(&batch));
                if self.cursor.done || (batch.complete && batch.head.status.is_terminal()) {
                    self.mode = Mode::Ended;
                }
            }
            Ok(Live::Gone) | Err(_) => self.mode = Mode::Ended,
        }
    }
}
