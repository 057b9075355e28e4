//! The audit trail: one entry for each accepted command.

use chrono::{DateTime, Utc};
use uuid::Uuid;

use crate::{TaskId, TaskStatus, TenantId, UserId};

/// Who did it. Written as `user:…`, `key:…`, `worker:…` or `system:…`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Actor {
    User(UserId),
    /// An API key, by its public id.
    Key(String),
    /// The holder of a lease, by its worker id.
    Worker(String),
    /// A background loop, by its name.
    System(&'static str),
}

impl std::fmt::Display for Actor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::User(id) => write!(f, "user:{id}"),
            Self::Key(id) => write!(f, "key:{id}"),
            Self::Worker(id) => write!(f, "worker:{id}"),
            Self::System(name) => write!(f, "system:{name}"),
        }
    }
}

/// One accepted command.
#[derive(Debug, Clone, PartialEq)]
pub struct HistoryEntry {
    pub tenant_id: TenantId,
    pub task_id: TaskId,
    /// The command, as the field names it: `create`, `execute`, `claim`, …
    pub action: String,
    pub actor: String,
    pub from_status: Option<TaskStatus>,
    pub to_status: TaskStatus,
    pub reason: Option<String>,
    pub execution_id: Option<Uuid>,
    pub occurred_at: DateTime<Utc>,
}
