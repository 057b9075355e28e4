//! Why a task is not running: the facts, for the rule in the domain.

use std::sync::Arc;

use task_domain::decide::{self, DependencyState};
use task_domain::explain::{Facts, MAX_COUNTED, Reason, Unfinished, explain};
use task_domain::{LimitType, Task, TaskId, TaskStatus};
use task_protocols::{DependencyStore, ExplainStore, Loaded};

use crate::{Caller, SeenTypes, ServiceError, TaskService};

/// Entries of the history that are looked at for a run that was put off.
const ENTRIES: i64 = 5;

/// A task, and why it is not running.
#[derive(Debug, Clone, PartialEq)]
pub struct Explanation {
    pub task: Task,
    pub reason: Reason,
}

/// Explains tasks. A few indexed looks for each, whatever number of tasks there is.
pub struct ExplainService {
    tasks: Arc<TaskService>,
    store: Arc<dyn ExplainStore>,
    dependencies: Arc<dyn DependencyStore>,
    seen: SeenTypes,
}

impl ExplainService {
    pub fn new(
        tasks: Arc<TaskService>,
        store: Arc<dyn ExplainStore>,
        dependencies: Arc<dyn DependencyStore>,
        seen: SeenTypes,
    ) -> Self {
        Self { tasks, store, dependencies, seen }
    }

    /// Why a task of the caller's is not running, as of about now.
    ///
    /// # Errors
    /// `TaskNotFound`, `Forbidden`.
    pub async fn explain(&self, caller: &Caller, task_id: &TaskId) -> Result<Explanation, ServiceError> {
        let Loaded { task, now, .. } = self.tasks.load_owned(caller, task_id, "read").await?;
        let mut facts = Facts::at(now);
        match task.status {
            TaskStatus::Blocked => facts.waiting_for = self.unfinished(&task).await?,
            TaskStatus::Scheduled => facts.put_off = self.put_off(&task).await?,
            TaskStatus::Queued => {
                facts.place = self.store.queue_place(&task, MAX_COUNTED).await?;
                facts.activity = self.store.type_activity(&task).await?;
                facts.served_here = self.seen.is_served(&task);
                let ago = self.seen.last_asked(&task).and_then(|ago| chrono::Duration::from_std(ago).ok());
                facts.last_asked = ago.map(|ago| now - ago);
            }
            _ => {}
        }
        let reason = explain(&task, &facts);
        Ok(Explanation { task, reason })
    }

    /// In the order in which the task names them.
    async fn unfinished(&self, task: &Task) -> Result<Vec<Unfinished>, ServiceError> {
        let known = self.dependencies.dependencies(&task.tenant_id, &task.depends_on).await?;
        let waiting = |id: &TaskId| known.iter().find(|d| d.task_id == *id && d.state == DependencyState::Waiting);
        let named = task.depends_on.iter().filter_map(waiting);
        Ok(named.map(|d| Unfinished { task_id: d.task_id.clone(), status: d.status }).collect())
    }

    /// The limit that the last due run met, unless something else happened since.
    async fn put_off(&self, task: &Task) -> Result<Option<LimitType>, ServiceError> {
        if task.user_id.is_none() {
            return Ok(None);
        }
        let entries = self.tasks.history.latest_history(&task.tenant_id, &task.task_id, ENTRIES).await?;
        // A reminder changes nothing about the next run.
        let last = entries.iter().find(|record| record.entry.action != "remind");
        let put_off = last.is_some_and(|record| decide::is_put_off(&record.entry));
        Ok(put_off.then_some(LimitType::DailyExecutions))
    }
}
