//! The one order of a task's stream, and a listener's place in it.

use std::sync::Arc;

use task_protocols::{ProgressEntry, StatusChange, TrackFrom, TrackHead, TrackPage, TrackPosition};
use uuid::Uuid;

use super::{TrackEvent, TrackFrame};

/// What a stream consists of.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Record {
    Progress(Arc<ProgressEntry>),
    Change(Arc<StatusChange>),
}

/// Consecutive records.
#[derive(Debug, PartialEq)]
pub(super) struct Batch {
    /// They are what follows this position …
    pub(super) from: TrackPosition,
    pub(super) records: Vec<Record>,
    /// … up to this one.
    pub(super) to: TrackPosition,
    pub(super) head: TrackHead,
    /// Whether nothing lay beyond when the head was read.
    pub(super) complete: bool,
}

impl Batch {
    /// Brings a page into order: a change comes after the progress entries that were there before it.
    /// What follows something that the page had no room for is left for the next page.
    pub(super) fn of(page: TrackPage, from: TrackFrom) -> Self {
        let TrackPage { mut head, mut progress, mut changes } = page;
        // Entries may have been trimmed since the head was read.
        if let Some(first) = progress.first().map(|entry| entry.seq_id).filter(|n| *n > from.position.progress + 1) {
            head.first_seq_id = head.first_seq_id.max(first);
        }
        let is_full = |len: usize, limit: i64| i64::try_from(len).unwrap_or(i64::MAX) >= limit;
        let progress_full = is_full(progress.len(), from.progress_limit);
        let changes_full = is_full(changes.len(), from.changes_limit);
        let last_entry = progress.last().map_or(i64::MAX, |entry| entry.seq_id);
        let last_change = changes.last().map_or(i64::MAX, |change| change.progress_seq);
        if changes_full {
            progress.retain(|entry| entry.seq_id <= last_change);
        }
        if progress_full {
            let fit = changes.iter().take_while(|change| change.progress_seq <= last_entry).count();
            changes.truncate(fit);
        }
        let mut progress = progress.into_iter().peekable();
        let mut records = Vec::new();
        for change in changes {
            while let Some(entry) = progress.next_if(|entry| entry.seq_id <= change.progress_seq) {
                records.push(Record::Progress(Arc::new(entry)));
            }
            records.push(Record::Change(Arc::new(change)));
        }
        records.extend(progress.map(|entry| Record::Progress(Arc::new(entry))));
        let complete = !progress_full && !changes_full;
        let mut to = from.position;
        for record in &records {
            match record {
                Record::Progress(entry) => to.progress = entry.seq_id,
                Record::Change(change) => to.status = change.id,
            }
        }
        if complete {
            to = later(to, head.position);
        }
        // What was trimmed does not follow any more: who is before it has to look for himself.
        let from =
            later(from.position, TrackPosition { progress: (head.first_seq_id - 1).min(to.progress), status: 0 });
        Self { from, records, to, head, complete }
    }
}

/// The position that has seen what either has.
fn later(a: TrackPosition, b: TrackPosition) -> TrackPosition {
    TrackPosition { progress: a.progress.max(b.progress), status: a.status.max(b.status) }
}

/// A listener's place: what it was told, and what it wants to be told.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Cursor {
    pub(super) position: TrackPosition,
    /// The attempt that it follows.
    execution_id: Option<Uuid>,
    /// Whether that attempt has ended, and the listener knows.
    pub(super) done: bool,
}

impl Cursor {
    pub(super) fn new(position: TrackPosition, execution_id: Option<Uuid>) -> Self {
        Self { position, execution_id, done: false }
    }

    /// Whether a batch starts beyond what was told, so that something lies between.
    pub(super) fn misses(&self, batch: &Batch) -> bool {
        batch.from.progress > self.position.progress || batch.from.status > self.position.status
    }

    /// The frames of what is new in the batch and wanted; moves on to the batch's end.
    pub(super) fn take(&mut self, batch: &Batch) -> Vec<TrackFrame> {
        let mut frames = Vec::new();
        for record in &batch.records {
            if self.done {
                return frames;
            }
            let event = match record {
                Record::Progress(entry) => self.take_progress(entry),
                Record::Change(change) => self.take_change(change),
            };
            frames.extend(event.map(|event| TrackFrame { position: self.position, event }));
        }
        self.position = later(self.position, batch.to);
        frames
    }

    fn take_progress(&mut self, entry: &Arc<ProgressEntry>) -> Option<TrackEvent> {
        if entry.seq_id <= self.position.progress {
            return None;
        }
        self.position.progress = entry.seq_id;
        let wanted = self.execution_id.is_none_or(|id| id == entry.execution_id);
        wanted.then(|| TrackEvent::Progress(Arc::clone(entry)))
    }

    fn take_change(&mut self, change: &Arc<StatusChange>) -> Option<TrackEvent> {
        if change.id <= self.position.status {
            return None;
        }
        self.position.status = change.id;
        match self.execution_id {
            None => Some(TrackEvent::StatusChange(Arc::clone(change))),
            Some(id) if change.execution_id != Some(id) => None,
            Some(_) if change.ended.is_some() => {
                self.done = true;
                Some(TrackEvent::ExecutionEnded(Arc::clone(change)))
            }
            Some(_) => Some(TrackEvent::StatusChange(Arc::clone(change))),
        }
    }

    /// Steps over entries that are not kept any more; the frame that says so.
    pub(super) fn step_over_trimmed(&mut self, head: &TrackHead) -> Option<TrackFrame> {
        let first_seq_id = head.first_seq_id;
        if self.position.progress + 1 >= first_seq_id || self.position.progress >= head.position.progress {
            return None;
        }
        self.position.progress = first_seq_id - 1;
        Some(TrackFrame { position: self.position, event: TrackEvent::Truncated { first_seq_id } })
    }
}
