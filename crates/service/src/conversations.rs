//! Conversations of tasks on behalf of a caller: whoever may see a task sees its conversations,
//! whoever may change it writes them.

use std::sync::Arc;

use task_domain::{Conversation, Task, TaskId};
use task_protocols::ConversationStore;

use crate::{Caller, Scope, ServiceError, TaskService};

/// An edit; `None` leaves a field alone.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ConversationPatch {
    pub content: Option<String>,
    pub status: Option<String>,
}

/// Adds, reads, edits and deletes what is said about a task. Another tenant's conversation, and one
/// of a deleted task, is answered exactly as one that does not exist.
pub struct ConversationService {
    conversations: Arc<dyn ConversationStore>,
    tasks: Arc<TaskService>,
}

impl ConversationService {
    pub fn new(conversations: Arc<dyn ConversationStore>, tasks: Arc<TaskService>) -> Self {
        Self { conversations, tasks }
    }

    /// Adds an entry to a task.
    pub async fn add(
        &self,
        caller: &Caller,
        task_id: &TaskId,
        content: &str,
        status: &str,
    ) -> Result<Conversation, ServiceError> {
        self.tasks.load_owned(caller, task_id, "update").await?;
        caller.need(Scope::TasksWrite, "update")?;
        let added = self.conversations.add_conversation(&caller.tenant_id, task_id, content, status).await?;
        added.ok_or_else(|| ServiceError::TaskNotFound { task_id: task_id.to_string() })
    }

    /// Up to `limit` entries of a task after number `after`, oldest first.
    pub async fn list(
        &self,
        caller: &Caller,
        task_id: &TaskId,
        after: i64,
        limit: i64,
    ) -> Result<Vec<Conversation>, ServiceError> {
        self.tasks.load_owned(caller, task_id, "read").await?;
        Ok(self.conversations.list_conversations(&caller.tenant_id, task_id, after, limit).await?)
    }

    /// The same of a task that the caller has just read.
    pub async fn of(&self, task: &Task, after: i64, limit: i64) -> Result<Vec<Conversation>, ServiceError> {
        Ok(self.conversations.list_conversations(&task.tenant_id, &task.task_id, after, limit).await?)
    }

    /// Reads one entry.
    pub async fn get(&self, caller: &Caller, id: i64) -> Result<Conversation, ServiceError> {
        self.load(caller, id, "read").await
    }

    /// Changes what `patch` gives; a patch that gives nothing changes nothing.
    pub async fn edit(
        &self,
        caller: &Caller,
        id: i64,
        patch: &ConversationPatch,
    ) -> Result<Conversation, ServiceError> {
        let conversation = self.load(caller, id, "update").await?;
        caller.need(Scope::TasksWrite, "update")?;
        if *patch == ConversationPatch::default() {
            return Ok(conversation);
        }
        let (content, status) = (patch.content.as_deref(), patch.status.as_deref());
        let edited = self.conversations.edit_conversation(&caller.tenant_id, id, content, status).await?;
        edited.ok_or_else(|| not_found(id))
    }

    pub async fn delete(&self, caller: &Caller, id: i64) -> Result<(), ServiceError> {
        self.load(caller, id, "delete").await?;
        caller.need(Scope::TasksWrite, "delete")?;
        let was_there = self.conversations.delete_conversation(&caller.tenant_id, id).await?;
        if was_there { Ok(()) } else { Err(not_found(id)) }
    }

    async fn load(&self, caller: &Caller, id: i64, action: &'static str) -> Result<Conversation, ServiceError> {
        let found = self.conversations.find_conversation(&caller.tenant_id, id).await?;
        let conversation = found.ok_or_else(|| not_found(id))?;
        match self.tasks.load_owned(caller, &conversation.task_id, action).await {
            Err(ServiceError::TaskNotFound { .. }) => Err(not_found(id)),
            other => other.map(|_| conversation),
        }
    }
}

fn not_found(id: i64) -> ServiceError {
    ServiceError::ConversationNotFound { conversation_id: id }
}
