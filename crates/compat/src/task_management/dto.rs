//! Tasks and conversations as Task Management writes them.

use chrono::{DateTime, Utc};
use serde::Serialize;
use task_domain::{Conversation, Task, TaskStatus};
use utoipa::ToSchema;

/// The word for where a task stands.
pub(super) fn word(status: TaskStatus) -> &'static str {
    use TaskStatus::{Blocked, Cancelled, Completed, Failed, Paused, Pending, Queued, Running, Scheduled, TimedOut};
    match status {
        Pending | Scheduled | Blocked | Paused | Queued => "pending",
        Running => "processing",
        Completed => "completed",
        Failed | TimedOut => "failed",
        Cancelled => "cancelled",
    }
}

/// What a client may write for a status.
pub(super) const SETTABLE: &str =
    "must be one of: pending, completed, failed, cancelled; or processing, while the task is";

/// The status that a word sets.
pub(super) fn status(word: &str) -> Result<TaskStatus, String> {
    match word {
        "pending" => Ok(TaskStatus::Queued),
        "processing" => Ok(TaskStatus::Running),
        "completed" => Ok(TaskStatus::Completed),
        "failed" => Ok(TaskStatus::Failed),
        "cancelled" | "canceled" => Ok(TaskStatus::Cancelled),
        _ => Err(SETTABLE.to_owned()),
    }
}

/// One entry of a task's conversation.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ConversationDto {
    content: String,
    #[schema(example = "active")]
    status: String,
    id: i64,
    task_id: i64,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl ConversationDto {
    pub(super) fn new(task_number: i64, conversation: Conversation) -> Self {
        Self {
            content: conversation.content,
            status: conversation.status,
            id: conversation.id,
            task_id: task_number,
            created_at: conversation.created_at,
            updated_at: conversation.updated_at,
        }
    }
}

/// A task.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct TaskDto {
    title: String,
    description: Option<String>,
    id: i64,
    #[schema(example = "pending")]
    status: &'static str,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
    /// When it was last processed to its end.
    processed_at: Option<DateTime<Utc>>,
    conversations: Vec<ConversationDto>,
}

impl TaskDto {
    pub(super) fn new(task: Task, conversations: Vec<Conversation>) -> Self {
        let number = task.id;
        Self {
            title: task.name,
            description: task.description,
            id: number,
            status: word(task.status),
            created_at: task.created_at,
            updated_at: task.updated_at,
            processed_at: task.last_success_time,
            conversations: conversations.into_iter().map(|entry| ConversationDto::new(number, entry)).collect(),
        }
    }
}

/// A task in a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct ItemDto {
    id: i64,
    title: String,
    #[schema(example = "pending")]
    status: &'static str,
    created_at: DateTime<Utc>,
    conversation_count: i64,
}

impl ItemDto {
    pub(super) fn new(task: Task, conversation_count: i64) -> Self {
        Self {
            id: task.id,
            title: task.name,
            status: word(task.status),
            created_at: task.created_at,
            conversation_count,
        }
    }
}
