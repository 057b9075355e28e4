//! Conversations: what is said about a task.

use chrono::{DateTime, Utc};

use crate::TaskId;

/// One entry of a task's conversation; it goes with the task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conversation {
    pub id: i64,
    pub task_id: TaskId,
    pub content: String,
    /// `active`, `processed`, `archived`, or whatever its writer calls it.
    pub status: String,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}

/// An entry that is made together with its task.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewConversation {
    pub content: String,
    pub status: String,
}

impl Conversation {
    pub const ACTIVE: &'static str = "active";
    /// What the `conversation` executor leaves behind.
    pub const PROCESSED: &'static str = "processed";
}
