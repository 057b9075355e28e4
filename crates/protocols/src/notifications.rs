//! The notification service.

use async_trait::async_trait;
use serde_json::Value;
use task_domain::UserId;

/// One message to one user.
#[derive(Debug, Clone, PartialEq)]
pub struct Notification {
    pub recipient_id: UserId,
    /// `in_app`, `email`, …
    pub notification_type: String,
    pub subject: String,
    pub content: String,
    /// `task_id`, `execution_id`, `task_type`.
    pub metadata: Value,
}

#[derive(Debug, thiserror::Error)]
#[error("the notification service did not take the notification")]
pub struct NotificationError(#[source] pub Box<dyn std::error::Error + Send + Sync>);

#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait NotificationClient: Send + Sync {
    /// Hands one notification over; best effort, at most once for each call.
    async fn send(&self, notification: &Notification) -> Result<(), NotificationError>;
}
