//! `echo`: gives its config back; what a newcomer runs first.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use task_domain::JsonObject;
use task_protocols::{ConfigProblem, ExecutionContext, ExecutorError, Outcome, TaskExecutor};

const MAX_STEPS: u64 = 1000;
const MAX_STEP_MS: u64 = 60_000;

/// Config: `value` (anything), `steps` (0–1000) progress entries, `step_ms` (0–60,000) before each.
#[derive(Debug, Clone, Copy, Default)]
pub struct Echo;

fn number(config: &JsonObject, key: &str) -> u64 {
    config.get(key).and_then(Value::as_u64).unwrap_or_default()
}

#[async_trait]
impl TaskExecutor for Echo {
    fn task_types(&self) -> &'static [&'static str] {
        &["echo"]
    }

    fn validate_config(&self, config: &JsonObject) -> Vec<ConfigProblem> {
        let within = |key: &str, max: u64| match config.get(key) {
            Some(value) if value.as_u64().is_none_or(|n| n > max) => {
                Some(ConfigProblem { field: key.into(), message: format!("must be a whole number from 0 to {max}") })
            }
            _ => None,
        };
        [within("steps", MAX_STEPS), within("step_ms", MAX_STEP_MS)].into_iter().flatten().collect()
    }

    async fn execute(&self, context: ExecutionContext) -> Result<Outcome, ExecutorError> {
        let config = &context.task.config;
        let (steps, wait) = (number(config, "steps"), Duration::from_millis(number(config, "step_ms")));
        for step in 1..=steps {
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = context.cancelled.cancelled() => return Err(cancelled()),
            }
            let mut entry = JsonObject::new();
            entry.insert("step".into(), json!(step));
            entry.insert("of".into(), json!(steps));
            entry.insert("percent".into(), json!(step * 100 / steps));
            context.progress.report(entry).await;
        }
        let result = json!({"status": "success", "message": "Echoed the config", "custom_data": {"config": config}});
        Ok(Outcome { result, ..Outcome::default() })
    }
}

pub(crate) fn cancelled() -> ExecutorError {
    ExecutorError { code: "cancelled", message: "Stopped before it was done".into(), details: None, retryable: true }
}
