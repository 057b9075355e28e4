//! Who claims what in this instance, in the order of arrival.

use std::collections::{HashMap, VecDeque};

use task_domain::{Handler, Origin, Task, TenantId};
use task_protocols::StoreError;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::ServiceError;

/// Tasks that one statement claims at most: it locks what it claims, so it must be short.
const MAX_GROUP: i64 = 100;

/// Callers of one kind fit into one statement.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(super) struct Kind {
    pub(super) tenant_id: TenantId,
    pub(super) handler: Handler,
    pub(super) origin: Option<Origin>,
    /// Sorted, each once.
    pub(super) task_types: Vec<String>,
    pub(super) lease_seconds: i64,
}

/// Somebody who wants tasks.
pub(super) struct Claimant {
    /// Rises with the order of arrival.
    pub(super) number: u64,
    pub(super) since: Instant,
    pub(super) worker_id: String,
    pub(super) max_tasks: i64,
    pub(super) request_id: Option<String>,
    pub(super) waits: bool,
    /// A look that found too little began after this claimant came.
    pub(super) in_vain: bool,
    pub(super) answer: oneshot::Sender<Result<Vec<Task>, ServiceError>>,
}

#[derive(Default)]
pub(super) struct Queue {
    /// Oldest first.
    pub(super) claimants: VecDeque<Claimant>,
    /// Somebody serves this queue.
    pub(super) served: bool,
    /// There may be more than the last look found.
    pub(super) again: bool,
}

#[derive(Default)]
pub(super) struct Queues {
    pub(super) by_kind: HashMap<Kind, Queue>,
    pub(super) numbers: u64,
    pub(super) waiting: usize,
}

/// The claimants of one statement.
pub(super) struct Group {
    pub(super) claimants: Vec<Claimant>,
    /// Number of the first claimant that came after the statement began.
    pub(super) horizon: u64,
}

impl Queues {
    /// The oldest callers, as many as one statement serves; `None` when nobody is left to look for.
    pub(super) fn next_group(&mut self, kind: &Kind) -> Option<Group> {
        let horizon = self.numbers + 1;
        let Self { by_kind, waiting, .. } = self;
        let queue = by_kind.get_mut(kind)?;
        queue.forget_the_gone(waiting);
        if queue.claimants.is_empty() {
            by_kind.remove(kind);
            return None;
        }
        if !std::mem::take(&mut queue.again) && queue.claimants.iter().all(|c| c.in_vain) {
            queue.served = false;
            return None;
        }
        let mut claimants: Vec<Claimant> = Vec::new();
        let mut wanted = 0;
        while let Some(next) = queue.claimants.front() {
            wanted += next.max_tasks;
            // A claim that can be repeated is a statement of its own: it may be a repeat.
            let alone = next.request_id.is_some() && !claimants.is_empty();
            if alone || (wanted > MAX_GROUP && !claimants.is_empty()) {
                break;
            }
            let last = next.request_id.is_some();
            claimants.extend(queue.claimants.pop_front());
            if last {
                break;
            }
        }
        Some(Group { claimants, horizon })
    }

    /// Hands out what was claimed; what nobody takes any more is returned.
    pub(super) fn settle(&mut self, kind: &Kind, group: Group, claimed: Result<Vec<Task>, ServiceError>) -> Vec<Task> {
        let Group { claimants, horizon } = group;
        let Self { by_kind, waiting, .. } = self;
        let queue = by_kind.entry(kind.clone()).or_default();
        let tasks = match claimed {
            Ok(tasks) => tasks,
            Err(error) => {
                for claimant in claimants {
                    *waiting -= usize::from(claimant.waits);
                    let _ = claimant.answer.send(Err(alike(&error)));
                }
                return Vec::new();
            }
        };
        let wanted: i64 = claimants.iter().map(|c| c.max_tasks).sum();
        // A repeated claim gets what it got before: no sign of how much is left.
        let repeat = claimants.iter().any(|c| c.request_id.is_some()) && !tasks.is_empty();
        let nothing_left = !repeat && i64::try_from(tasks.len()).unwrap_or(i64::MAX) < wanted;
        let mut by_worker: HashMap<String, VecDeque<Task>> = HashMap::new();
        for task in tasks {
            let worker_id = task.current.as_ref().and_then(|e| e.worker_id.clone()).unwrap_or_default();
            by_worker.entry(worker_id).or_default().push_back(task);
        }
        let mut left_over = Vec::new();
        let mut unserved = Vec::new();
        for claimant in claimants {
            let theirs = by_worker.entry(claimant.worker_id.clone()).or_default();
            let share: Vec<Task> =
                theirs.drain(..theirs.len().min(usize::try_from(claimant.max_tasks).unwrap_or_default())).collect();
            if share.is_empty() {
                unserved.push(claimant);
                continue;
            }
            *waiting -= usize::from(claimant.waits);
            if let Err(Ok(tasks)) = claimant.answer.send(Ok(share)) {
                left_over.extend(tasks);
            }
        }
        left_over.extend(by_worker.into_values().flatten());
        for claimant in unserved.into_iter().rev() {
            queue.claimants.push_front(claimant);
        }
        queue.again |= !nothing_left || !left_over.is_empty();
        if nothing_left {
            queue.nothing_left(horizon);
        }
        left_over
    }
}

impl Queue {
    pub(super) fn forget_the_gone(&mut self, waiting: &mut usize) {
        self.claimants.retain(|claimant| {
            let gone = claimant.answer.is_closed();
            *waiting -= usize::from(gone && claimant.waits);
            !gone
        });
    }

    /// Nothing was left when a look ended that began before number `horizon` came.
    fn nothing_left(&mut self, horizon: u64) {
        let (looked_for, later): (VecDeque<_>, VecDeque<_>) =
            std::mem::take(&mut self.claimants).into_iter().partition(|c| c.number < horizon);
        for mut claimant in looked_for {
            if claimant.waits {
                claimant.in_vain = true;
                self.claimants.push_back(claimant);
            } else {
                let _ = claimant.answer.send(Ok(Vec::new()));
            }
        }
        self.claimants.extend(later);
    }
}

/// The same trouble for each caller of a group; its cause is logged with the first.
fn alike(error: &ServiceError) -> ServiceError {
    match error {
        ServiceError::Store(StoreError::Internal(source)) => StoreError::internal(source.to_string()).into(),
        other => StoreError::unavailable(other.to_string()).into(),
    }
}
