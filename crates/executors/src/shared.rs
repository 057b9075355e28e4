//! What the executors that read something from the outside have in common.

use std::future::Future;
use std::time::Duration;

use http::Method;
use http::header::{ACCEPT, HeaderMap, HeaderValue};
use serde_json::{Value, json};
use task_domain::JsonObject;
use task_protocols::{ExecutionContext, ExecutorError, NeighbourError, Notification, NotificationClient, Outcome};

use crate::echo::cancelled;
use crate::guard::{Fetched, GuardedClient, Outbound};
use crate::http::{refused, unexpected};

pub(crate) fn failure(code: &'static str, message: impl Into<String>, retryable: bool) -> ExecutorError {
    ExecutorError { code, message: message.into(), details: None, retryable }
}

/// Does the work unless, or until, its outcome is not wanted any more. Texts in the result are free of NUL.
///
/// # Errors
/// Those of the work, or `cancelled`.
pub(crate) async fn unless_cancelled<F>(context: &ExecutionContext, work: F) -> Result<Outcome, ExecutorError>
where
    F: Future<Output = Result<Outcome, ExecutorError>> + Send,
{
    tokio::select! {
        biased;
        () = context.cancelled.cancelled() => Err(cancelled()),
        outcome = work => match outcome {
            Ok(mut outcome) => {
                without_nul(&mut outcome.result);
                outcome.metadata.values_mut().for_each(without_nul);
                Ok(outcome)
            }
            Err(mut error) => {
                error.message.retain(|c| c != '\0');
                error.details.iter_mut().for_each(without_nul);
                Err(error)
            }
        },
    }
}

/// Fetches with GET; `timeout` `None` is the client's own.
///
/// # Errors
/// The guard's codes; `http_status` for an answer that is not 2xx.
pub(crate) async fn fetch(
    client: &GuardedClient,
    url: String,
    accept: &'static str,
    timeout: Option<Duration>,
) -> Result<Fetched, ExecutorError> {
    let mut headers = HeaderMap::new();
    headers.insert(ACCEPT, HeaderValue::from_static(accept));
    let call = Outbound { method: Method::GET, url, headers, body: None, timeout };
    let fetched = client.call(call).await.map_err(|error| refused(&error))?;
    if fetched.status.is_success() { Ok(fetched) } else { Err(unexpected(&fetched)) }
}

/// Reports how far the work is.
pub(crate) async fn progress(context: &ExecutionContext, percent: u8, message: &str) {
    let mut entry = JsonObject::new();
    entry.insert("percent".into(), json!(percent));
    entry.insert("message".into(), json!(message));
    context.progress.report(entry).await;
}

/// Tells the task's owner, if it has one, over the channel that the config's `notification` names
/// (default `in_app`). Best effort: a failure is logged.
pub(crate) async fn notify(
    notifications: &dyn NotificationClient,
    context: &ExecutionContext,
    subject: &str,
    content: &str,
) {
    let task = &context.task;
    let Some(recipient_id) = task.user_id.clone() else { return };
    let channel = task.config.get("notification").and_then(Value::as_str).unwrap_or("in_app");
    let notification = Notification {
        recipient_id,
        notification_type: channel.to_owned(),
        subject: subject.replace('\0', ""),
        content: content.replace('\0', ""),
        metadata: notification_metadata(context),
        idempotency_key: context.execution.run_id.to_string(),
    };
    if let Err(error) = notifications.send(&notification).await {
        tracing::warn!(task_id = %task.task_id, error = &error as &dyn std::error::Error, "the owner was not notified");
    }
}

/// What a notification says of where it comes from.
pub(crate) fn notification_metadata(context: &ExecutionContext) -> Value {
    let (task, execution) = (&context.task, &context.execution);
    json!({"task_id": task.task_id, "execution_id": execution.execution_id, "task_type": task.task_type})
}

/// The failure of a run that could not do without a neighbour. What the neighbour said is logged and
/// not shown.
pub(crate) fn neighbour(code: &'static str, error: &NeighbourError) -> ExecutorError {
    tracing::warn!(error = error as &dyn std::error::Error, "a neighbour did not do its part");
    failure(code, error.to_string(), error.retryable)
}

/// Takes NUL, which no text column keeps, out of every text and key.
fn without_nul(value: &mut Value) {
    match value {
        Value::String(text) => text.retain(|c| c != '\0'),
        Value::Array(items) => items.iter_mut().for_each(without_nul),
        Value::Object(map) => {
            if map.keys().any(|key| key.contains('\0')) {
                *map = std::mem::take(map).into_iter().map(|(key, value)| (key.replace('\0', ""), value)).collect();
            }
            map.values_mut().for_each(without_nul);
        }
        _ => {}
    }
}

/// The text with runs of white space as one space, at most `max_chars` characters; an ellipsis
/// stands for what was cut off.
pub(crate) fn shortened(text: &str, max_chars: usize) -> String {
    let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
    if text.chars().count() <= max_chars {
        return text;
    }
    let kept: String = text.chars().take(max_chars.saturating_sub(1)).collect();
    format!("{}…", kept.trim_end())
}
