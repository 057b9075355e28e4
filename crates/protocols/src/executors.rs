//! Built-in task types.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::Value;
use task_domain::{Execution, JsonObject, Task};
use tokio_util::sync::CancellationToken;

/// What a built-in executor is given: everything about the run, nothing about the queue.
pub struct ExecutionContext {
    pub task: Task,
    pub execution: Execution,
    pub progress: Arc<dyn ProgressSink>,
    /// Fires when the outcome is not wanted any more: cancelled, deadline passed, lease lost, shutdown.
    pub cancelled: CancellationToken,
}

/// Where an executor reports progress.
#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait ProgressSink: Send + Sync {
    /// Stores one entry. Best effort: failures are logged by the implementation.
    async fn report(&self, data: JsonObject);
}

/// A success.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Outcome {
    pub result: Value,
    pub api_calls_made: i64,
    pub tokens_used: i64,
    /// Keys to set in the task's metadata: what the next run must know.
    pub metadata: JsonObject,
}

/// A failure of the work (not of the queue).
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct ExecutorError {
    /// Stable, snake_case.
    pub code: &'static str,
    pub message: String,
    pub details: Option<Value>,
    /// Whether another attempt may help.
    pub retryable: bool,
}

/// A problem of a task's `config`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfigProblem {
    /// Path below `config`, dots between the parts.
    pub field: String,
    pub message: String,
}

#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait TaskExecutor: Send + Sync {
    /// The task types this executor handles.
    fn task_types(&self) -> &'static [&'static str];

    /// Every problem of `config`; empty when it is valid. Pure; called at create and update.
    fn validate_config(&self, config: &JsonObject) -> Vec<ConfigProblem>;

    /// Does the work once. MUST stop soon after `context.cancelled` fires.
    async fn execute(&self, context: ExecutionContext) -> Result<Outcome, ExecutorError>;
}

/// The built-in executors by task type.
#[cfg_attr(feature = "mock", mockall::automock)]
pub trait ExecutorRegistry: Send + Sync {
    fn find(&self, task_type: &str) -> Option<Arc<dyn TaskExecutor>>;
}
