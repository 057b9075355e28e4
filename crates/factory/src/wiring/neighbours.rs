//! The clients of the neighbouring services; one that is not configured does nothing.

use std::sync::Arc;

use task_clients::{
    HttpAccountClient, HttpCalendarClient, HttpNotificationClient, NoAccounts, NoCalendar, NoNotifications,
};
use task_protocols::{AccountClient, CalendarClient, NotificationClient};

use crate::config::NeighbourSettings;
use crate::error::StartError;

#[derive(Clone)]
pub(crate) struct Neighbours {
    pub(crate) notifications: Arc<dyn NotificationClient>,
    pub(crate) calendar: Arc<dyn CalendarClient>,
    pub(crate) accounts: Arc<dyn AccountClient>,
}

impl Neighbours {
    pub(crate) fn of(settings: &NeighbourSettings) -> Result<Self, StartError> {
        let failed = |error| StartError::Internal(format!("no HTTP client can be made: {error}"));
        Ok(Self {
            notifications: match settings.notification_url.as_str() {
                "" => Arc::new(NoNotifications),
                url => Arc::new(HttpNotificationClient::new(url).map_err(failed)?),
            },
            calendar: match settings.calendar_url.as_str() {
                "" => Arc::new(NoCalendar),
                url => Arc::new(HttpCalendarClient::new(url).map_err(failed)?),
            },
            accounts: match settings.account_url.as_str() {
                "" => Arc::new(NoAccounts),
                url => Arc::new(HttpAccountClient::new(url).map_err(failed)?),
            },
        })
    }
}
