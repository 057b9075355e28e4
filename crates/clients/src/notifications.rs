//! The notification service.

use async_trait::async_trait;
use serde_json::json;
use task_protocols::{NeighbourError, Notification, NotificationClient};

use crate::http::{Neighbour, Repeat};

/// Sends through `POST {base_url}/api/v1/notifications/send`.
pub struct HttpNotificationClient(Neighbour);

impl HttpNotificationClient {
    /// # Errors
    /// When the TLS set-up of this machine cannot be used.
    pub fn new(base_url: &str) -> Result<Self, reqwest::Error> {
        Neighbour::new("notification", base_url).map(Self)
    }
}

#[async_trait]
impl NotificationClient for HttpNotificationClient {
    async fn send(&self, notification: &Notification) -> Result<(), NeighbourError> {
        let body = json!({
            "recipient_id": notification.recipient_id,
            "type": notification.notification_type,
            "subject": notification.subject,
            "content": notification.content,
            "metadata": notification.metadata,
        });
        let (url, key) = (self.0.url("/api/v1/notifications/send"), &notification.idempotency_key);
        let sent = self
            .0
            .send(Repeat::UnlessDone, || self.0.client().post(&url).header("Idempotency-Key", key).json(&body))
            .await?;
        self.0.accepted(sent).map(drop)
    }
}

/// Stands in when no notification service is configured: logs, and succeeds.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoNotifications;

#[async_trait]
impl NotificationClient for NoNotifications {
    async fn send(&self, notification: &Notification) -> Result<(), NeighbourError> {
        tracing::debug!(recipient = %notification.recipient_id, subject = %notification.subject, "no notification service is configured");
        Ok(())
    }
}
