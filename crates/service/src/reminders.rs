//! The reminders' tick: owners are reminded of tasks whose `reminder_time` has come.

use std::sync::Arc;

use chrono::SecondsFormat;
use futures::{StreamExt, stream};
use task_domain::decide::{self, Rejection};
use task_domain::{Actor, Task};
use task_protocols::{Loaded, NotificationClient, TimedStore};

use crate::ServiceError;
use crate::change::{Saver, moment};
use crate::notices::notification;

/// Reminders under way at the same time.
const AT_ONCE: usize = 16;

/// Reminds at most once: a reminder is saved as given before it is sent, so that of several
/// instances one sends it. A process that is killed in between has not sent it.
pub struct Reminders {
    saver: Saver,
    timed: Arc<dyn TimedStore>,
    notifications: Arc<dyn NotificationClient>,
}

impl Reminders {
    pub fn new(saver: Saver, timed: Arc<dyn TimedStore>, notifications: Arc<dyn NotificationClient>) -> Self {
        Self { saver, timed, notifications }
    }

    /// Handles up to `batch` reminders; how many of them it handled. Any number of instances may tick.
    pub async fn tick(&self, batch: i64) -> Result<usize, ServiceError> {
        let due = self.timed.due_reminders(batch).await?;
        let handled = stream::iter(due).map(|loaded| async move {
            match self.remind(&loaded).await {
                Ok(()) => 1,
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(task_id = %loaded.task.task_id, error, "a reminder was not given; trying again");
                    0
                }
            }
        });
        Ok(handled.buffer_unordered(AT_ONCE).fold(0, |sum, one| async move { sum + one }).await)
    }

    async fn remind(&self, loaded: &Loaded) -> Result<(), ServiceError> {
        let change = match decide::remind(&loaded.task, &moment(loaded, Actor::System("reminders"))) {
            Ok(change) => change,
            Err(Rejection::Unchanged) => return Ok(()),
            Err(rejection) => return Err(rejection.into()),
        };
        // Stale: another instance was first, or the task moved; the next tick looks again.
        if let Some(task) = self.saver.save(&change).await? {
            // Of each time that it was set to, the owner is reminded once.
            let at = loaded.task.reminder_time.unwrap_or(loaded.now).timestamp();
            self.send(&task, format!("{}:{}:reminder:{at}", task.tenant_id, task.task_id)).await;
        }
        Ok(())
    }

    async fn send(&self, task: &Task, idempotency_key: String) {
        let subject = format!("Reminder: {}", task.name);
        let Some(mut notification) = notification(task, subject, idempotency_key) else { return };
        if let Some(due) = task.due_date {
            let due = due.to_rfc3339_opts(SecondsFormat::Secs, true);
            notification.content = format!("{}\nDue at {due}", notification.content);
        }
        if let Err(error) = self.notifications.send(&notification).await {
            let error = &error as &dyn std::error::Error;
            tracing::warn!(task_id = %task.task_id, error, "the owner was not reminded");
        }
    }
}
