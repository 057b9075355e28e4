//! `todo` and `reminder`: tell the owner.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::SecondsFormat;
use serde_json::{Value, json};
use task_domain::{JsonObject, Task};
use task_protocols::{
    ConfigProblem, ExecutionContext, ExecutorError, Notification, NotificationClient, Outcome, TaskExecutor,
};

use crate::fields::{Fields, invalid_config};
use crate::shared::{neighbour, notification_metadata, progress, unless_cancelled};

const MAX_MESSAGE: usize = 2000;
const MAX_CHANNEL: usize = 50;
const DEFAULT_CHANNEL: &str = "in_app";

/// Tells the owner that a todo is due. Config: `notification_type`, default in_app; whatever else it
/// holds is the owner's.
#[derive(Clone)]
pub struct Todo {
    notifications: Arc<dyn NotificationClient>,
}

/// Config: `reminder_message` (1–2000 characters), `notification_type` in_app, email, … (default in_app).
#[derive(Clone)]
pub struct Reminder {
    notifications: Arc<dyn NotificationClient>,
}

impl Todo {
    pub fn new(notifications: Arc<dyn NotificationClient>) -> Self {
        Self { notifications }
    }

    async fn run(&self, context: &ExecutionContext) -> Result<Outcome, ExecutorError> {
        let task = &context.task;
        let channel = read_todo(&task.config).map_err(invalid_config)?;
        let due = task.due_date.map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true));
        let mut content = match &due {
            Some(at) => format!("{} is due at {at}", task.name),
            None => format!("{} is due", task.name),
        };
        if let Some(description) = task.description.as_deref().filter(|text| !text.is_empty()) {
            content = format!("{content}\n{description}");
        }
        let notified = tell(self.notifications.as_ref(), context, &channel, "Todo", &content).await?;
        let data = json!({
            "name": task.name, "description": task.description, "due_date": due, "priority": task.priority.name(),
            "notified": notified, "notification_type": channel,
        });
        Ok(told(task, notified, "todo_data", data))
    }
}

impl Reminder {
    pub fn new(notifications: Arc<dyn NotificationClient>) -> Self {
        Self { notifications }
    }

    async fn run(&self, context: &ExecutionContext) -> Result<Outcome, ExecutorError> {
        let (message, channel) = read_reminder(&context.task.config).map_err(invalid_config)?;
        let notified = tell(self.notifications.as_ref(), context, &channel, "Reminder", &message).await?;
        let data = json!({"reminder_message": message, "notified": notified, "notification_type": channel});
        Ok(told(&context.task, notified, "reminder_data", data))
    }
}

/// Hands the notification over; `false` when the task has no owner to notify.
async fn tell(
    notifications: &dyn NotificationClient,
    context: &ExecutionContext,
    channel: &str,
    what: &str,
    content: &str,
) -> Result<bool, ExecutorError> {
    progress(context, 0, "Telling the owner").await;
    let Some(recipient_id) = context.task.user_id.clone() else { return Ok(false) };
    let notification = Notification {
        recipient_id,
        notification_type: channel.to_owned(),
        subject: format!("{what}: {}", context.task.name),
        content: content.to_owned(),
        metadata: notification_metadata(context),
        idempotency_key: context.execution.run_id.to_string(),
    };
    notifications.send(&notification).await.map_err(|error| neighbour("notification_failed", &error))?;
    Ok(true)
}

fn told(task: &Task, notified: bool, kind: &str, data: Value) -> Outcome {
    let message = match &task.user_id {
        Some(user) if notified => format!("Told {user}"),
        _ => "The task has no owner, so there was nobody to tell".to_owned(),
    };
    let result = json!({"status": "success", "message": message, kind: data});
    Outcome { result, api_calls_made: i64::from(notified), ..Outcome::default() }
}

fn channel(fields: &mut Fields<'_>) -> String {
    fields.text("notification_type", MAX_CHANNEL).unwrap_or_else(|| DEFAULT_CHANNEL.to_owned())
}

fn read_todo(config: &JsonObject) -> Result<String, Vec<ConfigProblem>> {
    let mut fields = Fields::of(config);
    let channel = channel(&mut fields);
    fields.finish(channel)
}

fn read_reminder(config: &JsonObject) -> Result<(String, String), Vec<ConfigProblem>> {
    let mut fields = Fields::of(config);
    fields.required("reminder_message");
    let message = fields.lines("reminder_message", MAX_MESSAGE).unwrap_or_default();
    let channel = channel(&mut fields);
    fields.finish((message, channel))
}

#[async_trait]
impl TaskExecutor for Todo {
    fn task_types(&self) -> &'static [&'static str] {
        &["todo"]
    }

    fn validate_config(&self, config: &JsonObject) -> Vec<ConfigProblem> {
        read_todo(config).err().unwrap_or_default()
    }

    async fn execute(&self, context: ExecutionContext) -> Result<Outcome, ExecutorError> {
        unless_cancelled(&context, self.run(&context)).await
    }
}

#[async_trait]
impl TaskExecutor for Reminder {
    fn task_types(&self) -> &'static [&'static str] {
        &["reminder"]
    }

    fn validate_config(&self, config: &JsonObject) -> Vec<ConfigProblem> {
        read_reminder(config).err().unwrap_or_default()
    }

    async fn execute(&self, context: ExecutionContext) -> Result<Outcome, ExecutorError> {
        unless_cancelled(&context, self.run(&context)).await
    }
}
