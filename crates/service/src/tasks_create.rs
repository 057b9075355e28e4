//! New tasks: one, one that is safe to repeat, and many.

use std::collections::HashSet;

use futures::StreamExt;
use task_domain::decide::{Change, Idempotency};
use task_domain::{NewConversation, Task, TaskId, TaskStatus};

use crate::{Caller, Scope, ServiceError, TaskDraft, TaskService};

/// As many creates of one batch are under way at the same time.
const AT_ONCE: usize = 32;

/// What a create is known by when its caller repeats it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestKey {
    /// The caller's own word for it.
    pub key: String,
    /// Of the request: another one under the same key is refused.
    pub fingerprint: String,
}

/// A task that a create has made.
#[derive(Debug, Clone, PartialEq)]
pub struct Created {
    pub task: Task,
    /// An earlier request under the same key made it.
    pub replayed: bool,
}

impl TaskService {
    /// Creates a task.
    ///
    /// # Errors
    /// `Invalid` with every problem; `Forbidden`; `Limited` (`active_tasks`, `daily_executions`,
    /// `schedule_interval`); `DuplicateTask`. Nothing is created then.
    pub async fn create(&self, caller: &Caller, draft: TaskDraft) -> Result<Task, ServiceError> {
        self.create_with_conversations(caller, draft, Vec::new()).await
    }

    /// Creates a task together with what is said about it: both, or neither.
    ///
    /// # Errors
    /// As [`TaskService::create`].
    pub async fn create_with_conversations(
        &self,
        caller: &Caller,
        draft: TaskDraft,
        conversations: Vec<NewConversation>,
    ) -> Result<Task, ServiceError> {
        let change = Change { conversations, ..self.decide_create(caller, draft).await? };
        Ok(self.unblocked(self.saver.create(&change).await?).await.task)
    }

    /// Creates a task, or hands out the one that was made under the same key before, as it stands.
    ///
    /// # Errors
    /// As [`TaskService::create`]; `KeyReused` when the key stands for another request;
    /// `TaskNotFound` when the task that was made has been deleted since.
    pub async fn create_once(
        &self,
        caller: &Caller,
        draft: TaskDraft,
        key: Option<RequestKey>,
    ) -> Result<Created, ServiceError> {
        caller.need(Scope::TasksWrite, "create")?;
        let known = key.map(|key| idempotency(caller, key));
        match self.decide_create(caller, draft).await {
            Ok(change) => {
                let created = self.saver.create(&Change { idempotency: known, ..change }).await?;
                Ok(self.unblocked(created).await)
            }
            // What cannot be made any more may have been made in time.
            Err(error @ (ServiceError::Invalid(_) | ServiceError::Rejected(_) | ServiceError::Limited { .. })) => {
                let made = match &known {
                    Some(known) => self.saver.made_before(&caller.tenant_id, known).await?,
                    None => None,
                };
                made.ok_or(error)
            }
            Err(error) => Err(error),
        }
    }

    /// What a new task waits for may have ended while it was saved, and nobody has looked since. The
    /// task is there whatever happens here: one that cannot be looked at stays blocked, and the slow
    /// look comes by.
    async fn unblocked(&self, created: Created) -> Created {
        let Created { task, replayed: false } = &created else { return created };
        if task.status != TaskStatus::Blocked {
            return created;
        }
        let settled = async {
            self.dependencies.settle(&task.tenant_id, &task.task_id).await?;
            self.saver.load(&task.tenant_id, &task.task_id).await
        };
        match settled.await {
            Ok(loaded) => Created { task: loaded.task, replayed: false },
            Err(ServiceError::Limited { .. }) => created,
            Err(error) => {
                let (task_id, error) = (&task.task_id, &error as &dyn std::error::Error);
                tracing::warn!(%task_id, error, "a new task was not looked at once more; the slow look will");
                created
            }
        }
    }

    /// Creates each draft on its own, several at the same time; the outcomes in the order of the
    /// drafts. One that was refused before keeps its place and its error. Drafts may name each
    /// other in `depends_on` by their `task_id`: those that are named are created first.
    pub async fn create_many<E: From<ServiceError>>(
        &self,
        caller: &Caller,
        drafts: Vec<Result<TaskDraft, E>>,
    ) -> Vec<Result<Task, E>> {
        let mut outcomes: Vec<Option<Result<Task, E>>> = Vec::new();
        outcomes.resize_with(drafts.len(), || None);
        let mut waiting: Vec<(usize, TaskDraft)> = Vec::new();
        for (n, draft) in drafts.into_iter().enumerate() {
            match draft {
                Ok(draft) => waiting.push((n, draft)),
                Err(error) => outcomes[n] = Some(Err(error)),
            }
        }
        while !waiting.is_empty() {
            let unmade: HashSet<TaskId> = waiting.iter().filter_map(|(_, draft)| draft.task_id.clone()).collect();
            let is_free = |draft: &TaskDraft| !draft.constraints.depends_on.iter().any(|id| unmade.contains(id));
            let (free, rest): (Vec<_>, Vec<_>) = waiting.into_iter().partition(|(_, draft)| is_free(draft));
            if free.is_empty() {
                // Each of these waits for another one of them.
                for (n, _) in rest {
                    outcomes[n] = Some(Err(ServiceError::invalid("depends_on", "waits for itself in a circle").into()));
                }
                break;
            }
            let creates = free.into_iter().map(async |(n, draft)| (n, self.create(caller, draft).await));
            let made: Vec<_> = futures::stream::iter(creates).buffered(AT_ONCE).collect().await;
            for (n, outcome) in made {
                outcomes[n] = Some(outcome.map_err(E::from));
            }
            waiting = rest;
        }
        outcomes.into_iter().flatten().collect()
    }
}

/// Keys of different callers do not meet, and neither do those of the users that one key acts for.
fn idempotency(caller: &Caller, RequestKey { key, fingerprint }: RequestKey) -> Idempotency {
    let actor = caller.actor();
    let caller = match caller.user_id().filter(|_| caller.is_key()) {
        Some(user_id) => format!("{actor} for user:{user_id}"),
        None => actor.to_string(),
    };
    Idempotency { caller, key, fingerprint }
}
