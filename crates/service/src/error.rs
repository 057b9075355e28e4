//! What a use case answers when it does not do what was asked.

use chrono::{DateTime, Utc};
use task_domain::decide::Rejection;
use task_domain::{LimitExceeded, SubscriptionLevel, TaskStatus};
use task_protocols::StoreError;

/// One problem of the input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Path in the body, dots between the parts: `config.url`.
    pub field: String,
    pub message: String,
    /// What sort of problem, for programs: `value_error`, `missing`, `extra_forbidden`.
    pub kind: &'static str,
}

impl Problem {
    pub fn new(field: impl Into<String>, message: impl Into<String>) -> Self {
        Self { field: field.into(), message: message.into(), kind: "value_error" }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum ServiceError {
    /// No such task, a deleted one, or another tenant's.
    #[error("Task not found")]
    TaskNotFound { task_id: String },
    #[error("Execution not found")]
    ExecutionNotFound { execution_id: String },
    #[error("Template not found")]
    TemplateNotFound { template_id: String },
    /// Its schema is none: whoever wrote the template must mend it.
    #[error("template {template_id} has a config_schema that is no JSON Schema: {reason}")]
    BrokenTemplate { template_id: String, reason: String },
    #[error("Fact not found")]
    FactNotFound { fact_id: String },
    /// No such entry, or one of a deleted task.
    #[error("Conversation not found")]
    ConversationNotFound { conversation_id: i64 },
    /// No such API key in the caller's tenant.
    #[error("Key not found")]
    KeyNotFound { key_id: String },
    /// The caller may not do `action` to this.
    #[error("Permission denied")]
    Forbidden { action: &'static str, required_level: Option<SubscriptionLevel> },
    /// The caller's key was revoked, or has expired, while the call waited.
    #[error("Invalid or missing authentication")]
    KeyEnded,
    /// Another worker holds the task.
    #[error("Another worker holds this task")]
    NotHolder { task_id: String, worker_id: String },
    /// What a claim says of the task does not hold.
    #[error("The task's {attribute} is another one")]
    OtherTask { task_id: String, attribute: &'static str },
    /// The input cannot stand; every problem at once.
    #[error("the input has problems")]
    Invalid(Vec<Problem>),
    /// The task id is taken in this tenant.
    #[error("Task id is already in use")]
    DuplicateTask { task_id: String },
    /// A claim of a task that cannot be had in its state.
    #[error("Cannot claim a task that is {status}: {why}")]
    NotClaimable { status: TaskStatus, why: &'static str },
    /// The task's state does not allow it, or the lease is lost.
    #[error(transparent)]
    Rejected(Rejection),
    /// `retry_after`: seconds.
    #[error("{exceeded}")]
    Limited { exceeded: LimitExceeded, retry_after: i64 },
    /// `If-Match` names another version than the task's, which is `version`.
    #[error("The task was changed meanwhile; read it again")]
    PreconditionFailed { version: i64 },
    /// The idempotency key stands for another request.
    #[error("The idempotency key was used for another request")]
    KeyReused,
    /// The task kept changing under the command; repeating it may work.
    #[error("The task is being changed by others; try again")]
    Contended,
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl From<Rejection> for ServiceError {
    fn from(rejection: Rejection) -> Self {
        match rejection {
            Rejection::Invalid { field, message } => Self::Invalid(vec![Problem::new(field, message)]),
            other => Self::Rejected(other),
        }
    }
}

impl ServiceError {
    /// Met at `now`.
    pub(crate) fn limited(exceeded: LimitExceeded, now: DateTime<Utc>) -> Self {
        Self::Limited { exceeded, retry_after: exceeded.retry_after(now) }
    }

    pub(crate) fn invalid(field: &str, message: impl Into<String>) -> Self {
        Self::Invalid(vec![Problem::new(field, message)])
    }
}
