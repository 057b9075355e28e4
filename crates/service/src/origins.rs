//! The tasks of one origin: what an API sees that was made for its own tasks only.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use task_domain::decide::{self, Rejection};
use task_domain::{Execution, JsonObject, NewConversation, Origin, Priority, Task, TaskId, TaskPatch, TaskStatus};
use task_protocols::{Loaded, ProgressEntry, TaskFilter, TaskPage};

use crate::change::moment;
use crate::counted::Counted;
use crate::tasks::authorise;
use crate::{Caller, Precondition, Scope, ServiceError, TaskDraft, TaskService, WorkerService};

/// An edit in the manner of the older APIs: objects are merged key by key.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Amendment {
    pub name: Option<String>,
    /// Inner `None` clears it.
    pub description: Option<Option<String>>,
    pub priority: Option<Priority>,
    /// Keys to set.
    pub metadata: JsonObject,
    /// An attribute to set, with `at` in it: when it was. What a worker says of its work is no edit
    /// of the owner's.
    pub noted: Option<(&'static str, JsonObject)>,
}

impl Amendment {
    /// Whether it changes what is the owner's.
    pub(crate) fn is_owners(&self) -> bool {
        *self != Self { noted: self.noted.clone(), ..Self::default() }
    }

    pub(crate) fn patch(&self, task: &Task, now: DateTime<Utc>) -> TaskPatch {
        let merged = |old: &JsonObject, new: &JsonObject| {
            let mut all = old.clone();
            all.extend(new.clone());
            all
        };
        let noted = |(name, noted): &(&'static str, JsonObject)| {
            let mut noted = noted.clone();
            noted.insert("at".into(), json!(now));
            merged(&task.attributes, &JsonObject::from_iter([((*name).to_owned(), Value::Object(noted))]))
        };
        let metadata = || Some(merged(&task.metadata.clone().unwrap_or_default(), &self.metadata));
        TaskPatch {
            name: self.name.clone(),
            description: self.description.clone(),
            priority: self.priority,
            metadata: (!self.metadata.is_empty()).then(metadata),
            attributes: self.noted.as_ref().map(noted),
            ..TaskPatch::default()
        }
    }
}

/// [`TaskService`] and [`WorkerService`] for the tasks that one API made; a task of any other
/// origin is not found.
#[derive(Clone)]
pub struct OriginService {
    pub(crate) tasks: Arc<TaskService>,
    pub(crate) workers: WorkerService,
    pub(crate) origin: Origin,
    counted: Arc<Counted>,
}

impl OriginService {
    pub fn new(tasks: Arc<TaskService>, workers: WorkerService, origin: Origin) -> Self {
        Self { tasks, workers, origin, counted: Arc::default() }
    }

    /// Creates a task of this origin, whatever the draft says.
    ///
    /// # Errors
    /// Those of [`TaskService::create`].
    pub async fn create(&self, caller: &Caller, draft: TaskDraft) -> Result<Task, ServiceError> {
        self.create_with_conversations(caller, draft, Vec::new()).await
    }

    /// The same together with what is said about it: both, or neither.
    pub async fn create_with_conversations(
        &self,
        caller: &Caller,
        draft: TaskDraft,
        conversations: Vec<NewConversation>,
    ) -> Result<Task, ServiceError> {
        let draft = TaskDraft { origin: self.origin, ..draft };
        self.tasks.create_with_conversations(caller, draft, conversations).await
    }

    pub async fn get(&self, caller: &Caller, task_id: &TaskId) -> Result<Task, ServiceError> {
        let task = self.tasks.get(caller, task_id).await?;
        self.check(&task)?;
        Ok(task)
    }

    /// Reads a task and, while it has no current attempt, the one that ended last.
    pub async fn get_with_last(
        &self,
        caller: &Caller,
        task_id: &TaskId,
    ) -> Result<(Task, Option<Execution>), ServiceError> {
        let found = self.tasks.saver.store().find_with_last(&caller.tenant_id, task_id).await?;
        let (loaded, last) = found.ok_or_else(|| ServiceError::TaskNotFound { task_id: task_id.to_string() })?;
        authorise(caller, &loaded.task, "read")?;
        self.check(&loaded.task)?;
        Ok((loaded.task, last))
    }

    /// Reads the task with this bigint id, and how many conversation entries it has.
    pub async fn get_by_number(&self, caller: &Caller, number: i64) -> Result<(Task, i64), ServiceError> {
        let found = self.tasks.saver.store().find_by_number(&caller.tenant_id, number).await?;
        let not_found = || ServiceError::TaskNotFound { task_id: number.to_string() };
        let (Loaded { task, .. }, conversations) = found.ok_or_else(not_found)?;
        if task.origin != self.origin || !caller.owns(&task) {
            return Err(not_found());
        }
        Ok((task, conversations))
    }

    /// The progress entries that a task keeps, of one that the caller has just read.
    pub async fn progress_of(&self, task: &Task) -> Result<Vec<ProgressEntry>, ServiceError> {
        Ok(self.tasks.progress.list_progress(&task.tenant_id, &task.task_id, 0, i64::from(i32::MAX)).await?)
    }

    /// One page of the tasks that the caller may see.
    pub async fn list(&self, caller: &Caller, filter: TaskFilter) -> Result<TaskPage, ServiceError> {
        self.tasks.list(caller, TaskFilter { origin: Some(self.origin), ..filter }).await
    }

    /// Of each task that `needs` it the execution that ended last; none of a task that has a current one.
    pub async fn last_ended(
        &self,
        caller: &Caller,
        tasks: &[Task],
        needs: impl Fn(&Task) -> bool,
    ) -> Result<HashMap<TaskId, Execution>, ServiceError> {
        let wanted = tasks.iter().filter(|task| task.current.is_none() && task.run_count > 0 && needs(task));
        let wanted: Vec<_> = wanted.map(|task| (task.id, task.task_id.clone())).collect();
        if wanted.is_empty() {
            return Ok(HashMap::new());
        }
        let found = self.tasks.executions.last_ended(&caller.tenant_id, &wanted).await?;
        Ok(found.into_iter().map(|execution| (execution.task_id.clone(), execution)).collect())
    }

    /// How many tasks there are in the caller's tenant, by status and type; of now, or counted at most
    /// `age` ago. However many ask, they are counted once at a time.
    pub async fn counts(&self, caller: &Caller, age: Duration) -> Result<Vec<(TaskStatus, String, i64)>, ServiceError> {
        let counts = self.counted.of(self.tasks.saver.store(), &caller.tenant_id, self.origin, age).await?;
        Ok(counts.into_iter().filter(|(_, task_type, _)| caller.may_use_type(task_type)).collect())
    }

    /// Sets the status to queued, completed, failed or cancelled, from any other; a live lease is
    /// fenced. A task that has that status already, or one of `unless`, is left alone.
    ///
    /// # Errors
    /// `Rejected(InvalidTransition)` for any other status.
    pub async fn set_status(
        &self,
        caller: &Caller,
        task_id: &TaskId,
        to: TaskStatus,
        unless: &[TaskStatus],
    ) -> Result<Task, ServiceError> {
        let decide = |loaded: &Loaded| {
            self.check(&loaded.task)?;
            if loaded.task.status == to || unless.contains(&loaded.task.status) {
                return Err(ServiceError::Rejected(Rejection::Unchanged));
            }
            Ok(decide::set_status(&loaded.task, to, &moment(loaded, caller.actor()))?)
        };
        self.tasks.change_owned(caller, task_id, "update", decide).await
    }

    /// Ends a task that is not done as timed out.
    ///
    /// # Errors
    /// `Rejected(InvalidTransition)` when it is done.
    pub async fn time_out(&self, caller: &Caller, task_id: &TaskId) -> Result<Task, ServiceError> {
        let decide = |loaded: &Loaded| {
            self.check(&loaded.task)?;
            Ok(decide::time_out(&loaded.task, &moment(loaded, caller.actor()))?)
        };
        self.tasks.change_owned(caller, task_id, "time out", decide).await
    }

    /// Repeats a failed, timed out or cancelled task as a new one with this id.
    ///
    /// # Errors
    /// Those of [`TaskService::retry`].
    pub async fn retry(&self, caller: &Caller, task_id: &TaskId, new_id: TaskId) -> Result<Task, ServiceError> {
        self.get(caller, task_id).await?;
        self.tasks.retry_as(caller, task_id, Some(new_id), None).await
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

    pub(crate) fn need_work(caller: &Caller, action: &'static str) -> Result<(), ServiceError> {
        caller.need(Scope::TasksWork, action)
    }
}
