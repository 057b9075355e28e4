//! A task's stream: its progress and its changes of status, from a position on, without a gap and
//! without a repeat, over any number of instances.
//!
//! The store is the truth and has one order ([`order`]): a change of status knows how many progress
//! entries came before it. A listener first subscribes to what its instance reads from now on
//! ([`hub`]), then reads what is kept, then drops what it has sent already ([`stream`]). Hints only
//! make it fast. Deliberately absent: how a frame is written, which is each API's own.

mod hub;
mod order;
mod stream;

use std::sync::Arc;

use task_domain::TaskId;
use task_protocols::{
    ExecutionStore, HintBus, ProgressEntry, StatusChange, TaskKey, TaskStore, TrackPosition, TrackStore,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{Caller, KeyService, ServiceError};
use hub::Hub;
pub use stream::TrackStream;

/// Where a stream begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TrackStart {
    /// With the oldest entry that is kept.
    #[default]
    Beginning,
    /// After a position of this task's stream.
    After(TrackPosition),
    /// After this progress entry, and with the changes of status that followed it.
    AfterProgress(i64),
    /// With what comes next; of a finished task its last change of status.
    Now,
}

/// Which stream is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TrackOptions {
    pub start: TrackStart,
    /// Only this attempt, to its end.
    pub execution_id: Option<Uuid>,
}

/// One thing to tell, and the position to resume after it.
#[derive(Debug, Clone, PartialEq)]
pub struct TrackFrame {
    pub position: TrackPosition,
    pub event: TrackEvent,
}

#[derive(Debug, Clone, PartialEq)]
pub enum TrackEvent {
    Progress(Arc<ProgressEntry>),
    /// The task moved, or an attempt of it ended.
    StatusChange(Arc<StatusChange>),
    /// The attempt that the stream follows ended: the last frame of such a stream.
    ExecutionEnded(Arc<StatusChange>),
    /// Entries after the position named are not kept any more; this is the first one that is.
    Truncated {
        first_seq_id: i64,
    },
}

/// What became of the wish for a stream.
pub enum Opened {
    Stream(Box<TrackStream>),
    /// All is over, and the caller has seen all of it.
    NothingLeft,
}

/// What [`TrackService`] works with.
#[derive(Clone)]
pub struct TrackServiceParts {
    pub tasks: Arc<dyn TaskStore>,
    pub executions: Arc<dyn ExecutionStore>,
    pub tracks: Arc<dyn TrackStore>,
    /// Tells when a listener's key stands no more.
    pub keys: Arc<KeyService>,
    /// Fires when shutdown begins: streams end, their clients come back elsewhere.
    pub stopping: CancellationToken,
}

/// Opens streams. [`Self::run`] must be running for them to go on by more than their history.
pub struct TrackService {
    tasks: Arc<dyn TaskStore>,
    executions: Arc<dyn ExecutionStore>,
    tracks: Arc<dyn TrackStore>,
    keys: Arc<KeyService>,
    hub: Hub,
    stopping: CancellationToken,
}

impl TrackService {
    pub fn new(parts: TrackServiceParts) -> Self {
        Self {
            hub: Hub::new(Arc::clone(&parts.tracks)),
            keys: parts.keys,
            tasks: parts.tasks,
            executions: parts.executions,
            tracks: parts.tracks,
            stopping: parts.stopping,
        }
    }

    /// Reads for the listeners of this instance, each task once however many listen, until `stop` fires.
    pub async fn run(&self, hints: Arc<dyn HintBus>, stop: CancellationToken) {
        self.hub.run(hints.subscribe(), stop).await;
    }

    /// Opens the stream of a task that the caller may read.
    ///
    /// # Errors
    /// As reading the task; `ExecutionNotFound` when `execution_id` is no attempt of it.
    pub async fn open(
        self: &Arc<Self>,
        caller: &Caller,
        task_id: &TaskId,
        options: TrackOptions,
    ) -> Result<Opened, ServiceError> {
        let not_found = || ServiceError::TaskNotFound { task_id: task_id.to_string() };
        let task = self.tasks.find(&caller.tenant_id, task_id).await?.ok_or_else(not_found)?.task;
        if !caller.owns(&task) {
            return Err(ServiceError::Forbidden { action: "read", required_level: None });
        }
        let mut over = false;
        if let Some(execution_id) = options.execution_id {
            let found = self.executions.find_execution(&caller.tenant_id, execution_id).await?;
            let execution = found.filter(|execution| execution.task_id == *task_id);
            let execution =
                execution.ok_or_else(|| ServiceError::ExecutionNotFound { execution_id: execution_id.to_string() })?;
            over = execution.status.is_terminal();
        }
        let key = TaskKey { tenant_id: caller.tenant_id.clone(), task_id: task_id.clone() };
        let mut stream = TrackStream::new(Arc::clone(self), key, caller.clone(), options.execution_id, over);
        stream.prepare(options.start).await?.ok_or_else(not_found)?;
        Ok(if stream.has_nothing_left() { Opened::NothingLeft } else { Opened::Stream(Box::new(stream)) })
    }
}
