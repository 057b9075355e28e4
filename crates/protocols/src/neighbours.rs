//! The neighbouring services: notification, calendar, account.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;
use task_domain::{SubscriptionLevel, UserId};

/// Why a neighbour did not do what was asked.
#[derive(Debug, thiserror::Error)]
#[error("the {service} service did not answer as it should")]
pub struct NeighbourError {
    /// `notification`, `calendar` or `account`.
    pub service: &'static str,
    /// Whether trying again later may work.
    pub retryable: bool,
    #[source]
    pub source: Box<dyn std::error::Error + Send + Sync>,
}

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
    /// Sent along, so that a repeat is not a second message. A run's own message and the notice of
    /// its end have different ones.
    pub idempotency_key: String,
}

#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait NotificationClient: Send + Sync {
    /// Hands one notification over; best effort.
    async fn send(&self, notification: &Notification) -> Result<(), NeighbourError>;
}

/// An entry of a user's calendar.
#[derive(Debug, Clone, PartialEq)]
pub struct CalendarEvent {
    pub user_id: Option<UserId>,
    pub title: String,
    pub description: Option<String>,
    pub starts_at: DateTime<Utc>,
    pub ends_at: DateTime<Utc>,
    pub location: Option<String>,
    pub attendees: Vec<String>,
}

#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait CalendarClient: Send + Sync {
    /// Creates an event; its id. `idempotency_key` is sent along, so that a repeat is not a second event.
    async fn create(&self, event: &CalendarEvent, idempotency_key: &str) -> Result<String, NeighbourError>;

    /// Replaces an event; `false` when the calendar does not have it any more. `idempotency_key` is
    /// sent along.
    async fn update(
        &self,
        event_id: &str,
        event: &CalendarEvent,
        idempotency_key: &str,
    ) -> Result<bool, NeighbourError>;

    /// Deletes an event; one that is gone already counts as deleted.
    async fn delete(&self, event_id: &str) -> Result<(), NeighbourError>;
}

/// What the account service knows of a user that matters here.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct AccountProfile {
    pub subscription_level: Option<SubscriptionLevel>,
    /// A place name, for weather.
    pub location: Option<String>,
}

#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait AccountClient: Send + Sync {
    /// The user's profile; `None` when no account service is configured or it does not know the user.
    async fn profile(&self, user_id: &UserId) -> Result<Option<AccountProfile>, NeighbourError>;
}
