//! What neighbours are told of committed changes: the owner of a run that ended, the calendar of a
//! deleted event. Best effort: it never fails the change, nor keeps it waiting.
//!
//! Deliberately absent: a promise. What is queued when the process is killed, or comes while the
//! queue is full, is not told; who must know subscribes to the events.

use std::sync::Arc;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use serde_json::{Value, json};
use task_domain::decide::Change;
use task_domain::{EventType, Execution, ExecutionStatus, Task};
use task_protocols::{CalendarClient, Notification, NotificationClient};
use tokio::sync::{Mutex, mpsc};
use tokio_util::sync::CancellationToken;

/// Notices that wait; a neighbour that is slow for longer than that costs notices, not memory.
const QUEUE: usize = 1024;
/// Neighbours are told so many things at the same time.
const AT_ONCE: usize = 16;
const DEFAULT_CHANNEL: &str = "in_app";
const MAX_CHANNEL: usize = 50;

enum Notice {
    RunEnded(Notification),
    CalendarEventGone { event_id: String },
}

/// Takes notices of committed changes and returns at once.
#[derive(Clone)]
pub struct Notices {
    queue: mpsc::Sender<Notice>,
}

impl Notices {
    /// Queues what a change that was saved means for neighbours.
    pub(crate) fn of(&self, change: &Change) {
        let told = |event_type| change.events.iter().any(|event| event.event_type == event_type);
        if told(EventType::Executed)
            && let Some(execution) = &change.finished
            && let Some(notification) = run_ended(&change.task, execution)
        {
            self.queue(Notice::RunEnded(notification), &change.task);
        }
        if told(EventType::Deleted)
            && let Some(event_id) = change.task.calendar_event()
        {
            self.queue(Notice::CalendarEventGone { event_id: event_id.to_owned() }, &change.task);
        }
    }

    fn queue(&self, notice: Notice, task: &Task) {
        if self.queue.try_send(notice).is_err() {
            tracing::warn!(task_id = %task.task_id, "neighbours are slow: nobody is told of this change");
        }
    }
}

/// Works the queue of one instance off.
pub struct Notifier {
    queue: Mutex<mpsc::Receiver<Notice>>,
    notifications: Arc<dyn NotificationClient>,
    calendar: Arc<dyn CalendarClient>,
}

impl Notifier {
    /// The notifier, and what fills its queue.
    pub fn new(notifications: Arc<dyn NotificationClient>, calendar: Arc<dyn CalendarClient>) -> (Self, Notices) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        (Self { queue: Mutex::new(receiver), notifications, calendar }, Notices { queue: sender })
    }

    /// Tells until `stop` fires, then what is queued by then.
    pub async fn run(&self, stop: CancellationToken) {
        let mut queue = self.queue.lock().await;
        let mut under_way = FuturesUnordered::new();
        loop {
            tokio::select! {
                notice = queue.recv(), if under_way.len() < AT_ONCE => match notice {
                    Some(notice) => under_way.push(self.tell(notice)),
                    // Nobody is left who could tell of a change.
                    None => {
                        stop.cancelled().await;
                        break;
                    }
                },
                Some(()) = under_way.next() => {}
                () = stop.cancelled() => break,
            }
        }
        loop {
            while under_way.len() < AT_ONCE
                && let Ok(notice) = queue.try_recv()
            {
                under_way.push(self.tell(notice));
            }
            if under_way.next().await.is_none() {
                return;
            }
        }
    }

    async fn tell(&self, notice: Notice) {
        let told = match &notice {
            Notice::RunEnded(notification) => self.notifications.send(notification).await,
            Notice::CalendarEventGone { event_id } => self.calendar.delete(event_id).await,
        };
        if let Err(error) = told {
            let error = &error as &dyn std::error::Error;
            match notice {
                Notice::RunEnded(notification) => {
                    tracing::warn!(metadata = %notification.metadata, error, "the owner was not notified");
                }
                Notice::CalendarEventGone { event_id } => {
                    tracing::warn!(event_id, error, "the event of a deleted task was not deleted");
                }
            }
        }
    }
}

/// What the owner is told of an ended run; nothing when the task has none.
fn run_ended(task: &Task, execution: &Execution) -> Option<Notification> {
    // A run whose worker was lost for the last time has failed.
    let status = match execution.status {
        ExecutionStatus::Lost => ExecutionStatus::Failed,
        status => status,
    };
    let said = execution.result.as_ref().and_then(|result| result.get("message")).and_then(Value::as_str);
    let content = execution.error_message.as_deref().or(said);
    let ended = status.as_str().replace('_', " ");
    let key = format!("{}:ended", execution.run_id);
    let mut notification = notification(task, format!("Task {ended}: {}", task.name), key)?;
    notification.content = content.map_or_else(|| format!("{} was run", task.name), str::to_owned);
    notification.metadata["execution_id"] = json!(execution.execution_id);
    Some(notification)
}

/// A notification to the owner, over the channel that the task's config names in `notification` or
/// `notification_type`; `None` when the task has no owner.
pub(crate) fn notification(task: &Task, subject: String, idempotency_key: String) -> Option<Notification> {
    let channel = ["notification", "notification_type"].iter().find_map(|key| task.config.get(*key)?.as_str());
    let channel = channel.filter(|name| (1..=MAX_CHANNEL).contains(&name.len()));
    Some(Notification {
        recipient_id: task.user_id.clone()?,
        notification_type: channel.unwrap_or(DEFAULT_CHANNEL).to_owned(),
        subject,
        content: task.description.clone().unwrap_or_else(|| task.name.clone()),
        metadata: json!({"task_id": task.task_id, "execution_id": null, "task_type": task.task_type}),
        idempotency_key,
    })
}
