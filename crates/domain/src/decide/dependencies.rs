//! A blocked task: whether it still waits, and what becomes of it.

use super::change::{Change, Draft, Moment, Rejection};
use super::run::unblock;
use crate::{OnDependencyFailure, Task, TaskId, TaskStatus};

/// How a task stands towards those that wait for it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DependencyState {
    /// It may still complete.
    Waiting,
    Completed,
    Failed,
    Cancelled,
    TimedOut,
    Deleted,
}

impl DependencyState {
    /// Of a task with this status. One that recurs has completed with its first run that completes;
    /// one that was deleted afterwards has completed, too.
    pub fn of(status: TaskStatus, recurs: bool, success_count: i64, deleted: bool) -> Self {
        match status {
            TaskStatus::Completed => Self::Completed,
            _ if recurs && success_count > 0 => Self::Completed,
            TaskStatus::Failed => Self::Failed,
            TaskStatus::Cancelled if !deleted => Self::Cancelled,
            TaskStatus::TimedOut => Self::TimedOut,
            _ if deleted => Self::Deleted,
            _ => Self::Waiting,
        }
    }

    /// What happened to it, when it will not complete any more.
    fn misfortune(self) -> Option<&'static str> {
        match self {
            Self::Waiting | Self::Completed => None,
            Self::Failed => Some("failed"),
            Self::Cancelled => Some("was cancelled"),
            Self::TimedOut => Some("timed out"),
            Self::Deleted => Some("was deleted"),
        }
    }
}

/// What becomes of a blocked task: queued when all it waits for have completed; failed, with a
/// reason that names it, when one will not, unless it runs anyway; `Unchanged` while it waits.
/// `states` names those of `depends_on` that there are: one that it lacks was deleted.
pub fn settle_dependencies(
    task: &Task,
    states: &[(TaskId, DependencyState)],
    moment: &Moment<'_>,
) -> Result<Change, Rejection> {
    let state_of = |id: &TaskId| states.iter().find(|(known, _)| known == id).map_or(DependencyState::Deleted, |s| s.1);
    let each = || task.depends_on.iter().map(|id| (id, state_of(id)));
    let lost = each().find_map(|(id, state)| state.misfortune().map(|what| format!("dependency {id} {what}")));
    match lost.filter(|_| task.on_dependency_failure == OnDependencyFailure::Fail) {
        Some(reason) if task.status == TaskStatus::Blocked => {
            let mut draft = Draft::of(task, moment);
            draft.task.last_error = Some(reason.clone());
            draft.reason = Some(reason);
            draft.move_to(TaskStatus::Failed);
            Ok(draft.finish("dependency_failed"))
        }
        None if each().any(|(_, state)| state == DependencyState::Waiting) => Err(Rejection::Unchanged),
        _ => unblock(task, moment),
    }
}
