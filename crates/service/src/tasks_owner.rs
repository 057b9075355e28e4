//! What an owner does with a task beside editing it: delete, cancel, pause, resume, retry; and the
//! record of it.

use task_domain::{Task, TaskId, decide};
use task_protocols::{HistoryRecord, Loaded, ProgressEntry};

use crate::change::moment;
use crate::{Caller, Precondition, Scope, ServiceError, TaskService};

impl TaskService {
    /// Deletes a task: gone from every list and read; an active run is cancelled.
    pub async fn delete(
        &self,
        caller: &Caller,
        task_id: &TaskId,
        condition: &Precondition,
    ) -> Result<(), ServiceError> {
        let decide = |loaded: &Loaded| {
            condition.check(loaded.task.version)?;
            Ok(decide::delete(&loaded.task, &moment(loaded, caller.actor()))?)
        };
        self.change_owned(caller, task_id, "delete", decide).await.map(drop)
    }

    /// Cancels a task that is not done; a running lease is fenced at once.
    pub async fn cancel(
        &self,
        caller: &Caller,
        task_id: &TaskId,
        reason: Option<String>,
    ) -> Result<Task, ServiceError> {
        let decide =
            |loaded: &Loaded| Ok(decide::cancel(&loaded.task, reason.clone(), &moment(loaded, caller.actor()))?);
        self.change_owned(caller, task_id, "cancel", decide).await
    }

    /// Suspends a task: a queued run is held back, a running one may finish.
    pub async fn pause(&self, caller: &Caller, task_id: &TaskId, reason: Option<String>) -> Result<Task, ServiceError> {
        let decide =
            |loaded: &Loaded| Ok(decide::pause(&loaded.task, reason.clone(), &moment(loaded, caller.actor()))?);
        self.change_owned(caller, task_id, "pause", decide).await
    }

    /// Lets a paused task go on where it was held.
    pub async fn resume(
        &self,
        caller: &Caller,
        task_id: &TaskId,
        reason: Option<String>,
    ) -> Result<Task, ServiceError> {
        let decide =
            |loaded: &Loaded| Ok(decide::resume(&loaded.task, reason.clone(), &moment(loaded, caller.actor()))?);
        self.change_owned(caller, task_id, "resume", decide).await
    }

    /// Repeats a failed, timed out or cancelled task as a new one, which is returned, queued.
    ///
    /// # Errors
    /// `Rejected(InvalidTransition)`; `Limited`, because the new task is one more.
    pub async fn retry(&self, caller: &Caller, task_id: &TaskId, reason: Option<String>) -> Result<Task, ServiceError> {
        self.retry_as(caller, task_id, None, reason).await
    }

    /// The same, with the id that the new task is to have.
    pub(crate) async fn retry_as(
        &self,
        caller: &Caller,
        task_id: &TaskId,
        new_id: Option<TaskId>,
        reason: Option<String>,
    ) -> Result<Task, ServiceError> {
        let loaded = self.load_owned(caller, task_id, "retry").await?;
        caller.need(Scope::TasksWrite, "retry")?;
        let mut change = decide::retry_as_new(&loaded.task, new_id, reason, &moment(&loaded, caller.actor()))?;
        self.levels.apply(&mut change, None, caller.level(), loaded.now).await?;
        self.saver.save(&change).await?.ok_or(ServiceError::Contended)
    }

    /// The audit trail after entry number `after`, oldest first.
    pub async fn history(
        &self,
        caller: &Caller,
        task_id: &TaskId,
        after: i64,
        limit: i64,
    ) -> Result<Vec<HistoryRecord>, ServiceError> {
        self.load_owned(caller, task_id, "read").await?;
        Ok(self.history.list_history(&caller.tenant_id, task_id, after, limit).await?)
    }

    /// Progress entries after `after_seq_id`, in order.
    pub async fn progress(
        &self,
        caller: &Caller,
        task_id: &TaskId,
        after_seq_id: i64,
        limit: i64,
    ) -> Result<Vec<ProgressEntry>, ServiceError> {
        self.load_owned(caller, task_id, "read").await?;
        Ok(self.progress.list_progress(&caller.tenant_id, task_id, after_seq_id, limit).await?)
    }
}
