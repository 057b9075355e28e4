//! The task use cases of the canonical API.

use std::sync::Arc;

use task_domain::decide::{self, Change, Moment, NewTask, Rejection};
use task_domain::{Execution, Handler, Origin, TYPE_KEY, Task, TaskId, TaskPatch, types};
use task_protocols::{
    ExecutionQuery, ExecutionStore, ExecutorRegistry, HistoryStore, Loaded, ProgressStore, TaskFilter, TaskPage,
};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::change::{Saver, moment};
use crate::{
    Access, Caller, Dependencies, Levels, Precondition, Problem, RandomIds, RunConstraints, Scope, ServiceError,
    TaskDraft,
};

/// What [`TaskService`] works with.
#[derive(Clone)]
pub struct TaskServiceParts {
    pub saver: Saver,
    pub executions: Arc<dyn ExecutionStore>,
    pub executors: Arc<dyn ExecutorRegistry>,
    pub dependencies: Dependencies,
    pub levels: Arc<Levels>,
    pub history: Arc<dyn HistoryStore>,
    pub progress: Arc<dyn ProgressStore>,
    /// Fires when shutdown begins: nobody waits for an outcome any more.
    pub stopping: CancellationToken,
}

/// Creates, reads, edits, runs and ends tasks on behalf of a caller.
///
/// Every method answers another tenant's task exactly as one that does not exist, and another
/// user's task in the caller's tenant with [`ServiceError::Forbidden`].
pub struct TaskService {
    pub(crate) saver: Saver,
    pub(crate) executions: Arc<dyn ExecutionStore>,
    executors: Arc<dyn ExecutorRegistry>,
    pub(crate) dependencies: Dependencies,
    pub(crate) levels: Arc<Levels>,
    pub(crate) history: Arc<dyn HistoryStore>,
    pub(crate) progress: Arc<dyn ProgressStore>,
    pub(crate) stopping: CancellationToken,
}

impl TaskService {
    pub fn new(parts: TaskServiceParts) -> Self {
        Self {
            saver: parts.saver,
            executions: parts.executions,
            executors: parts.executors,
            dependencies: parts.dependencies,
            levels: parts.levels,
            history: parts.history,
            progress: parts.progress,
            stopping: parts.stopping,
        }
    }

    /// The change that makes a new task.
    pub(crate) async fn decide_create(&self, caller: &Caller, draft: TaskDraft) -> Result<Change, ServiceError> {
        caller.need(Scope::TasksWrite, "create")?;
        let problems = self.draft_problems(caller, &draft);
        if !problems.is_empty() {
            return Err(ServiceError::Invalid(problems));
        }
        let mut new = self.own(caller, draft)?;
        new.blocked = self.dependencies.check(caller, &new.depends_on).await?;
        // It waited for them in order to run, and they have all completed.
        new.run_immediately |= !new.depends_on.is_empty() && !new.blocked;
        let now = self.saver.store().now().await?;
        let moment = Moment { now, actor: caller.actor(), ids: &RandomIds };
        let mut change = decide::create(new, &moment)?;
        self.levels.apply(&mut change, None, caller.level(), now).await?;
        Ok(change)
    }

    /// Whether the caller may create tasks at all.
    ///
    /// # Errors
    /// `Forbidden`.
    pub fn allow_create(&self, caller: &Caller) -> Result<(), ServiceError> {
        caller.need(Scope::TasksWrite, "create")
    }

    /// Problems of a draft beyond what the edge checks of its texts: the type, its handler, its config.
    pub fn draft_problems(&self, caller: &Caller, draft: &TaskDraft) -> Vec<Problem> {
        let mut problems = Vec::new();
        if !types::is_builtin(&draft.task_type) && !caller.is_key() {
            let allowed = types::BUILTIN.join(", ");
            problems.push(Problem::new("task_type", format!("must be one of: {allowed}; other types need an API key")));
        }
        let executor = types::executor_of(draft.origin, &draft.task_type);
        if draft.handler == Some(Handler::Builtin) && !types::is_builtin(executor) {
            problems.push(Problem::new("handler", "`builtin` needs a built-in task_type"));
        }
        if draft.handler == Some(Handler::Worker) && !caller.is_key() {
            problems.push(Problem::new("handler", "`worker` needs an API key"));
        }
        if draft.task_type.chars().any(char::is_control) {
            problems.push(Problem::new("task_type", "must have printable characters only"));
        }
        problems.extend(self.concurrency_problem(draft));
        // What seedcore's types take is between its callers and the organism.
        if self.handler_of(draft) == Handler::Builtin && draft.origin != Origin::Seedcore {
            problems.extend(self.config_problems(executor, &draft.config));
        }
        problems
    }

    fn concurrency_problem(&self, draft: &TaskDraft) -> Option<Problem> {
        match &draft.constraints.concurrency_key {
            None if draft.constraints.max_concurrent.is_some() => {
                Some(Problem::new("max_concurrent", "needs a concurrency_key"))
            }
            Some(key) if key.starts_with(TYPE_KEY) => {
                let why = format!("must not begin with {TYPE_KEY}, which stands for the limits of types");
                Some(Problem::new("concurrency_key", why))
            }
            Some(_) if self.saver.type_limits().of(&draft.task_type).is_some() => {
                let why = "must be left out: the operator limits how many tasks of this type run at once";
                Some(Problem::new("concurrency_key", why))
            }
            _ => None,
        }
    }

    fn config_problems(&self, task_type: &str, config: &task_domain::JsonObject) -> Vec<Problem> {
        let Some(executor) = self.executors.find(task_type) else { return Vec::new() };
        let problems = executor.validate_config(config).into_iter();
        problems.map(|p| Problem::new(format!("config.{}", p.field), p.message)).collect()
    }

    /// Who does a task: whoever the draft names, else what its type says. What is an organism's is for
    /// outside workers where none is configured.
    fn handler_of(&self, draft: &TaskDraft) -> Handler {
        let executor = types::executor_of(draft.origin, &draft.task_type);
        let ours =
            types::is_builtin(executor) && (executor != types::ORGANISM || self.executors.find(executor).is_some());
        draft.handler.unwrap_or(if ours { Handler::Builtin } else { Handler::Worker })
    }

    /// Settles whose task it is.
    fn own(&self, caller: &Caller, draft: TaskDraft) -> Result<NewTask, ServiceError> {
        if !caller.may_use_type(&draft.task_type) {
            return Err(ServiceError::Forbidden { action: "create", required_level: None });
        }
        let user_id = match (&caller.access, draft.user_id.clone()) {
            (Access::User { user_id, .. }, None) => Some(user_id.clone()),
            (Access::User { user_id, .. }, Some(named)) if named == *user_id => Some(named),
            (Access::User { .. }, Some(_)) => {
                return Err(ServiceError::Forbidden { action: "create", required_level: None });
            }
            (Access::Key { .. }, Some(named)) => {
                caller.need(Scope::ActAsUser, "create")?;
                Some(named)
            }
            (Access::Key { .. }, None) => caller.user_id().cloned(),
        };
        let key_id = match &caller.access {
            Access::Key { key_id, .. } if user_id.is_none() => Some(key_id.clone()),
            _ => None,
        };
        let handler = self.handler_of(&draft);
        let RunConstraints { depends_on, on_dependency_failure, concurrency_key, max_concurrent } = draft.constraints;
        let max_concurrent = concurrency_key.as_ref().map(|_| max_concurrent.unwrap_or(1));
        Ok(NewTask {
            tenant_id: caller.tenant_id.clone(),
            key_id,
            handler,
            task_id: draft.task_id,
            user_id,
            origin: draft.origin,
            name: draft.name,
            description: draft.description,
            task_type: draft.task_type,
            config: draft.config,
            metadata: draft.metadata,
            tags: draft.tags,
            labels: draft.labels,
            attributes: draft.attributes,
            priority: draft.priority,
            schedule: draft.schedule,
            due_date: draft.due_date,
            reminder_time: draft.reminder_time,
            timeout_seconds: draft.timeout_seconds,
            depends_on,
            blocked: false,
            on_dependency_failure,
            concurrency_key,
            max_concurrent,
            retry: draft.retry,
            credits_per_run: draft.credits_per_run,
            run_immediately: draft.run_immediately,
        })
    }

    /// Reads one task.
    pub async fn get(&self, caller: &Caller, task_id: &TaskId) -> Result<Task, ServiceError> {
        Ok(self.load_owned(caller, task_id, "read").await?.task)
    }

    /// What a list of the caller's shows: users see their own tasks, keys those of their tenant, of
    /// the user that they act for, and of their types.
    ///
    /// # Errors
    /// `Forbidden`; `Invalid` names the filters that this caller cannot ask for, or must.
    pub fn list_filter(&self, caller: &Caller, filter: TaskFilter) -> Result<TaskFilter, ServiceError> {
        caller.need_tasks()?;
        let mut problems = Vec::new();
        if let (Some(own), Some(asked)) = (caller.user_id(), &filter.user_id)
            && own != asked
        {
            problems.push(Problem::new("user_id", "must be absent, or the user that the call is for"));
        }
        if filter.origin.is_some() && !caller.is_key() {
            problems.push(Problem::new("origin", "is for API keys"));
        }
        let mut task_type = filter.task_type;
        if let Access::Key { task_types, .. } = &caller.access {
            match (task_types.as_slice(), &task_type) {
                ([], _) => {}
                ([only], None) => task_type = Some(only.clone()),
                (types, Some(asked)) if types.contains(asked) => {}
                // One at a time: a page of "any of mine" would need the list in every index.
                (types, _) => {
                    problems.push(Problem::new("task_type", format!("must be one of: {}", types.join(", "))));
                }
            }
        }
        if !problems.is_empty() {
            return Err(ServiceError::Invalid(problems));
        }
        let user_id = caller.user_id().cloned().or(filter.user_id);
        Ok(TaskFilter { tenant_id: caller.tenant_id.clone(), user_id, task_type, ..filter })
    }

    /// One page of the caller's tasks.
    ///
    /// # Errors
    /// As [`Self::list_filter`].
    pub async fn list(&self, caller: &Caller, filter: TaskFilter) -> Result<TaskPage, ServiceError> {
        let filter = self.list_filter(caller, filter)?;
        Ok(self.saver.store().list(&filter).await?)
    }

    /// An owner's edit; only the fields given change. The same values again are a no-op.
    ///
    /// # Errors
    /// `PreconditionFailed`, `Rejected(InvalidTransition)`, `Invalid`, `Limited`.
    pub async fn update(
        &self,
        caller: &Caller,
        task_id: &TaskId,
        patch: &TaskPatch,
        condition: &Precondition,
    ) -> Result<Task, ServiceError> {
        self.change_owned(caller, task_id, "update", |loaded| {
            condition.check(loaded.task.version)?;
            if let Some(config) = &patch.config
                && loaded.task.handler == Handler::Builtin
                && loaded.task.origin != Origin::Seedcore
            {
                let problems = self.config_problems(loaded.task.claimed_as(), config);
                if !problems.is_empty() {
                    return Err(ServiceError::Invalid(problems));
                }
            }
            Ok(decide::update(&loaded.task, patch, &moment(loaded, caller.actor()))?)
        })
        .await
    }

    /// The executions of one task, newest first, the active one included.
    pub async fn executions(
        &self,
        caller: &Caller,
        task_id: &TaskId,
        status: Option<task_domain::ExecutionStatus>,
        limit: i64,
        offset: i64,
    ) -> Result<Vec<Execution>, ServiceError> {
        self.load_owned(caller, task_id, "read").await?;
        let query =
            ExecutionQuery { tenant_id: caller.tenant_id.clone(), task_id: task_id.clone(), status, limit, offset };
        Ok(self.executions.list_executions(&query).await?)
    }

    /// One execution of a task that the caller may read.
    pub async fn execution(&self, caller: &Caller, execution_id: Uuid) -> Result<Execution, ServiceError> {
        let not_found = || ServiceError::ExecutionNotFound { execution_id: execution_id.to_string() };
        let execution = self.executions.find_execution(&caller.tenant_id, execution_id).await?.ok_or_else(not_found)?;
        match self.load_owned(caller, &execution.task_id, "read").await {
            Err(ServiceError::TaskNotFound { .. }) => Err(not_found()),
            other => other.map(|_| execution),
        }
    }

    pub(crate) async fn load_owned(
        &self,
        caller: &Caller,
        task_id: &TaskId,
        action: &'static str,
    ) -> Result<Loaded, ServiceError> {
        let loaded = self.saver.load(&caller.tenant_id, task_id).await?;
        authorise(caller, &loaded.task, action)?;
        Ok(loaded)
    }

    /// Applies a decision to a task that the caller may change, under the owner's limits.
    pub(crate) async fn change_owned<F>(
        &self,
        caller: &Caller,
        task_id: &TaskId,
        action: &'static str,
        decide: F,
    ) -> Result<Task, ServiceError>
    where
        F: Fn(&Loaded) -> Result<Change, ServiceError> + Send + Sync,
    {
        let decide = |loaded: &Loaded| {
            authorise(caller, &loaded.task, action)?;
            caller.need(Scope::TasksWrite, action)?;
            decide(loaded)
        };
        let limits = Some((self.levels.as_ref(), caller.level()));
        let (task, _) = self.saver.apply_under(limits, &caller.tenant_id, task_id, decide).await?;
        Ok(task)
    }
}

pub(crate) fn authorise(caller: &Caller, task: &Task, action: &'static str) -> Result<(), ServiceError> {
    if caller.owns(task) { Ok(()) } else { Err(ServiceError::Forbidden { action, required_level: None }) }
}

impl ServiceError {
    /// Whether the command was refused because of the state the task is in.
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Rejected(Rejection::InvalidTransition { .. } | Rejection::LeaseLost(_)))
    }
}
