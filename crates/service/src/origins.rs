//! The tasks of one origin: what an API sees that was made for its own tasks only.

use std::sync::Arc;

use task_domain::{Origin, Task, TaskId};

use crate::{Caller, Precondition, ServiceError, TaskDraft, TaskService};

/// [`TaskService`] for the tasks that one API made; a task of any other origin is not found.
#[derive(Clone)]
pub struct OriginService {
    pub(crate) tasks: Arc<TaskService>,
    pub(crate) origin: Origin,
}

impl OriginService {
    pub fn new(tasks: Arc<TaskService>, origin: Origin) -> Self {
        Self { tasks, origin }
    }

    /// Creates a task of this origin, whatever the draft says.
    ///
    /// # Errors
    /// Those of [`TaskService::create`].
    pub async fn create(&self, caller: &Caller, draft: TaskDraft) -> Result<Task, ServiceError> {
        self.tasks.create(caller, TaskDraft { origin: self.origin, ..draft }).await
    }

    pub async fn get(&self, caller: &Caller, task_id: &TaskId) -> Result<Task, ServiceError> {
        let task = self.tasks.get(caller, task_id).await?;
        self.check(&task)?;
        Ok(task)
    }

    /// Deletes a task; an active run is cancelled.
    pub async fn delete(&self, caller: &Caller, task_id: &TaskId) -> Result<(), ServiceError> {
        self.get(caller, task_id).await?;
        self.tasks.delete(caller, task_id, &Precondition::None).await
    }

    pub(crate) fn check(&self, task: &Task) -> Result<(), ServiceError> {
        if task.origin == self.origin {
            return Ok(());
        }
        Err(ServiceError::TaskNotFound { task_id: task.task_id.to_string() })
    }
}
