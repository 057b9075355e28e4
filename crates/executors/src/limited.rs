//! How long one execution of a type may take, and how often it tries.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use task_domain::JsonObject;
use task_protocols::{ConfigProblem, ExecutionContext, ExecutorError, Outcome, TaskExecutor};

use crate::echo::cancelled;
use crate::shared::failure;

/// A stopped executor may take so long to end before it is dropped.
const STOP_GRACE: Duration = Duration::from_secs(2);
/// Between two tries; doubled each time.
const FIRST_WAIT: Duration = Duration::from_millis(500);

/// The bounds of one type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TypeLimits {
    /// For all tries of one execution.
    pub timeout: Duration,
    /// Tries of one execution while its failure may pass; at least 1. The task's own retry policy
    /// counts executions, and comes on top.
    pub attempts: u32,
}

impl Default for TypeLimits {
    /// Ten minutes, one try.
    fn default() -> Self {
        Self { timeout: Duration::from_secs(600), attempts: 1 }
    }
}

/// An executor within the bounds of one of its types.
pub(crate) struct Limited {
    pub(crate) executor: Arc<dyn TaskExecutor>,
    pub(crate) limits: TypeLimits,
}

impl Limited {
    async fn tries(&self, context: &ExecutionContext) -> Result<Outcome, ExecutorError> {
        let mut wait = FIRST_WAIT;
        for _ in 1..self.limits.attempts {
            match self.executor.execute(again(context)).await {
                Err(error) if error.retryable && !context.cancelled.is_cancelled() => {
                    tracing::debug!(task_id = %context.task.task_id, code = error.code, "failed; trying again");
                }
                ended => return ended,
            }
            tokio::select! {
                () = tokio::time::sleep(wait) => {}
                () = context.cancelled.cancelled() => return Err(cancelled()),
            }
            wait *= 2;
        }
        self.executor.execute(again(context)).await
    }
}

/// The same run, for another try.
fn again(context: &ExecutionContext) -> ExecutionContext {
    ExecutionContext {
        task: context.task.clone(),
        execution: context.execution.clone(),
        progress: Arc::clone(&context.progress),
        cancelled: context.cancelled.clone(),
    }
}

#[async_trait]
impl TaskExecutor for Limited {
    fn task_types(&self) -> &'static [&'static str] {
        self.executor.task_types()
    }

    fn validate_config(&self, config: &JsonObject) -> Vec<ConfigProblem> {
        self.executor.validate_config(config)
    }

    async fn execute(&self, mut context: ExecutionContext) -> Result<Outcome, ExecutorError> {
        // A token of its own: the time being up is not a cancellation of the task.
        context.cancelled = context.cancelled.child_token();
        let mut tries = std::pin::pin!(self.tries(&context));
        match tokio::time::timeout(self.limits.timeout, &mut tries).await {
            Ok(ended) => ended,
            Err(_) => {
                context.cancelled.cancel();
                let _ = tokio::time::timeout(STOP_GRACE, &mut tries).await;
                let message = format!("Stopped after {} s", self.limits.timeout.as_secs_f64());
                Err(failure("timeout", message, true))
            }
        }
    }
}
