//! The notification service.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use task_protocols::{Notification, NotificationClient, NotificationError};

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const TIMEOUT: Duration = Duration::from_secs(5);

/// Sends through `POST {base_url}/api/v1/notifications/send`.
pub struct HttpNotificationClient {
    url: String,
    http: reqwest::Client,
}

impl HttpNotificationClient {
    /// # Errors
    /// When the TLS set-up of this machine cannot be used.
    pub fn new(base_url: &str) -> Result<Self, NotificationError> {
        let http = reqwest::Client::builder().connect_timeout(CONNECT_TIMEOUT).timeout(TIMEOUT).build();
        let url = format!("{}/api/v1/notifications/send", base_url.trim_end_matches('/'));
        Ok(Self { url, http: http.map_err(|e| NotificationError(e.into()))? })
    }
}

#[async_trait]
impl NotificationClient for HttpNotificationClient {
    async fn send(&self, notification: &Notification) -> Result<(), NotificationError> {
        let body = json!({
            "recipient_id": notification.recipient_id,
            "type": notification.notification_type,
            "subject": notification.subject,
            "content": notification.content,
            "metadata": notification.metadata,
        });
        let sent = self.http.post(&self.url).json(&body).send().await;
        sent.and_then(reqwest::Response::error_for_status).map(drop).map_err(|e| NotificationError(e.into()))
    }
}

/// Stands in when no notification service is configured: logs, and succeeds.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoNotifications;

#[async_trait]
impl NotificationClient for NoNotifications {
    async fn send(&self, notification: &Notification) -> Result<(), NotificationError> {
        tracing::debug!(recipient = %notification.recipient_id, subject = %notification.subject, "no notification service is configured");
        Ok(())
    }
}
