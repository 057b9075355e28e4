//! `conversation`: works for a while, then every entry of the task's conversation is processed.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use task_domain::{Conversation as Entry, JsonObject};
use task_protocols::{ConfigProblem, ConversationStore, ExecutionContext, ExecutorError, Outcome, TaskExecutor};

use crate::echo::cancelled;
use crate::fields::{Fields, invalid_config};
use crate::shared::{failure, progress, unless_cancelled};

const MAX_SECONDS: f64 = 3600.0;
const STEPS: u32 = 10;

/// Config: `processing_seconds` (0–3600, default as configured).
#[derive(Clone)]
pub struct Conversation {
    conversations: Arc<dyn ConversationStore>,
    /// Seconds.
    default_seconds: f64,
}

impl Conversation {
    /// `default_seconds` is how long a task works that does not say so itself.
    pub fn new(conversations: Arc<dyn ConversationStore>, default_seconds: f64) -> Self {
        Self { conversations, default_seconds }
    }

    fn read(&self, config: &JsonObject) -> Result<f64, Vec<ConfigProblem>> {
        let mut fields = Fields::of(config);
        let seconds = match fields.present("processing_seconds").map(Value::as_f64) {
            None => self.default_seconds,
            Some(Some(seconds)) if (0.0..=MAX_SECONDS).contains(&seconds) => seconds,
            Some(_) => {
                fields.problem("processing_seconds", format!("must be a number from 0 to {MAX_SECONDS}"));
                self.default_seconds
            }
        };
        fields.finish(seconds)
    }

    async fn run(&self, context: &ExecutionContext) -> Result<Outcome, ExecutorError> {
        let task = &context.task;
        let seconds = self.read(&task.config).map_err(invalid_config)?;
        let step = Duration::try_from_secs_f64(seconds / f64::from(STEPS)).unwrap_or_default();
        for done in 1..=STEPS {
            tokio::time::sleep(step).await;
            let percent = u8::try_from(done * 100 / STEPS).unwrap_or(100);
            progress(context, percent, "Processing the conversation").await;
        }
        // Whoever was paused past its lease has nothing to mark: the task is another's by now, or ended.
        let token = context.execution.lease.ok_or_else(cancelled)?.token;
        let marked = self.conversations.mark_conversations(&task.tenant_id, &task.task_id, token, Entry::PROCESSED);
        let processed = marked.await.map_err(|error| {
            tracing::warn!(task_id = %task.task_id, error = &error as &dyn std::error::Error, "conversations were not marked");
            failure("store_unavailable", "The conversations could not be marked as processed", true)
        })?;
        let processed = processed.ok_or_else(cancelled)?;
        let data = json!({"processed": processed, "processing_seconds": seconds});
        let message = format!("{processed} conversation entries were processed");
        let result = json!({"status": "success", "message": message, "conversation_data": data});
        Ok(Outcome { result, ..Outcome::default() })
    }
}

#[async_trait]
impl TaskExecutor for Conversation {
    fn task_types(&self) -> &'static [&'static str] {
        &["conversation"]
    }

    fn validate_config(&self, config: &JsonObject) -> Vec<ConfigProblem> {
        self.read(config).err().unwrap_or_default()
    }

    async fn execute(&self, context: ExecutionContext) -> Result<Outcome, ExecutorError> {
        unless_cancelled(&context, self.run(&context)).await
    }
}
