//! The stream of one task, in memory.

use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use serde_json::json;
use task_domain::{ExecutionStatus, TaskStatus};
use task_protocols::{
    ProgressEntry, StatusChange, StoreError, StoreResult, TaskKey, TrackFrom, TrackHead, TrackPage, TrackPosition,
    TrackStore,
};
use uuid::Uuid;

use crate::support::now;

#[derive(Default)]
pub(crate) struct Log {
    pub(crate) progress: Vec<ProgressEntry>,
    pub(crate) changes: Vec<StatusChange>,
    pub(crate) status: Option<TaskStatus>,
    pub(crate) trimmed: i64,
    pub(crate) deleted: bool,
}

/// The stream of one task.
#[derive(Default)]
pub(crate) struct Memory {
    pub(crate) log: Mutex<Log>,
    reads: AtomicUsize,
    /// So many of the next reads find the store away.
    pub(crate) failing: AtomicUsize,
}

impl Memory {
    pub(crate) fn report(&self, count: usize) {
        let mut log = self.log.lock().unwrap();
        let (next, execution_id) = (log.progress.len() as i64 + 1, execution(1));
        log.progress.extend((next..).take(count).map(|seq_id| ProgressEntry {
            seq_id,
            execution_id,
            data: json!({"n": seq_id}).as_object().unwrap().clone(),
            timestamp: now(),
        }));
    }

    pub(crate) fn become_(&self, status: TaskStatus, ended: Option<ExecutionStatus>) {
        let mut log = self.log.lock().unwrap();
        log.status = Some(status);
        // Ids have holes: other tasks take some.
        let (id, progress_seq) = (log.changes.len() as i64 * 3 + 10, log.progress.len() as i64);
        log.changes.push(StatusChange {
            id,
            progress_seq,
            execution_id: Some(execution(1)),
            status,
            ended,
            result: None,
            error: None,
            error_details: None,
            timestamp: now(),
        });
    }

    pub(crate) fn reads(&self) -> usize {
        self.reads.swap(0, Ordering::SeqCst)
    }

    fn head(&self) -> Option<TrackHead> {
        let log = self.log.lock().unwrap();
        (!log.deleted).then(|| TrackHead {
            status: log.status.unwrap_or(TaskStatus::Pending),
            event_seq: log.changes.len() as i64,
            position: TrackPosition {
                progress: log.progress.len() as i64,
                status: log.changes.last().map_or(0, |change| change.id),
            },
            first_seq_id: log.trimmed + 1,
            last_error: None,
            updated_at: now(),
        })
    }

    /// What a stream tells in the end, as texts: numbers of entries, names of statuses.
    pub(crate) fn all(&self) -> Vec<String> {
        let log = self.log.lock().unwrap();
        let mut all = Vec::new();
        let mut changes = log.changes.iter().peekable();
        for entry in &log.progress {
            while let Some(change) = changes.next_if(|change| change.progress_seq < entry.seq_id) {
                all.push(change.status.to_string());
            }
            all.push(entry.seq_id.to_string());
        }
        all.extend(changes.map(|change| change.status.to_string()));
        all
    }
}

#[async_trait]
impl TrackStore for Memory {
    async fn heads(&self, tasks: &[TaskKey]) -> StoreResult<Vec<Option<TrackHead>>> {
        Ok(tasks.iter().map(|_| self.head()).collect())
    }

    async fn position_after(&self, _: &TaskKey, progress: i64) -> StoreResult<Option<TrackPosition>> {
        let log = self.log.lock().unwrap();
        let known = progress.min(log.progress.len() as i64);
        let before = log.changes.iter().rev().find(|change| change.progress_seq < known);
        Ok(Some(TrackPosition { progress, status: before.map_or(0, |change| change.id) }))
    }

    async fn track(&self, _: &TaskKey, from: TrackFrom) -> StoreResult<Option<TrackPage>> {
        self.reads.fetch_add(1, Ordering::SeqCst);
        if self.failing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(StoreError::unavailable("away"));
        }
        let Some(head) = self.head() else { return Ok(None) };
        let log = self.log.lock().unwrap();
        let after = from.position.progress.max(log.trimmed);
        let progress = log.progress.iter().filter(|entry| entry.seq_id > after);
        let changes = log.changes.iter().filter(|change| change.id > from.position.status);
        let (progress, changes) =
            (progress.take(from.progress_limit as usize), changes.take(from.changes_limit as usize));
        Ok(Some(TrackPage { head, progress: progress.cloned().collect(), changes: changes.cloned().collect() }))
    }
}

pub(crate) fn execution(n: u128) -> Uuid {
    Uuid::from_u128(n)
}
