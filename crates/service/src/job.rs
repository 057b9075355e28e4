//! One built-in execution: the work, its heartbeats, its outcome.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::FutureExt;
use task_domain::decide::{Failure, Report};
use task_domain::{JsonObject, LeaseToken, MAX_JSON_DEPTH, Task, TaskId, TenantId, is_within_depth};
use task_protocols::{ExecutionContext, ExecutorError, Hint, Outcome, ProgressSink};
use tokio::sync::broadcast;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{CompletedExecution, PoolConfig, PoolParts, ServiceError, WorkerService};

/// How long a cancelled executor may take to stop before it is dropped.
const STOP_GRACE: Duration = Duration::from_secs(2);
/// How often an outcome is reported while the store is away; the lease may well outlive that.
const REPORT_TRIES: u32 = 10;

pub(crate) struct Job {
    parts: PoolParts,
    hints: broadcast::Receiver<Hint>,
    config: PoolConfig,
}

/// How the work ended.
enum End {
    Done(Result<Outcome, ExecutorError>),
    /// The outcome is not ours to report any more.
    LeaseLost,
    /// Shutdown: give the work back.
    Stopped,
}

impl Job {
    pub(crate) fn new(parts: PoolParts, config: PoolConfig) -> Self {
        Self { hints: parts.hints.subscribe(), parts, config }
    }

    /// Runs a claimed task to its outcome.
    pub(crate) async fn run(mut self, task: Task, stop: CancellationToken) {
        let Some((execution, token)) = task.current.clone().and_then(|e| e.lease.map(|l| (e, l.token))) else { return };
        let (tenant_id, task_id) = (task.tenant_id.clone(), task.task_id.clone());
        let span = tracing::info_span!("execution", task_id = %task_id, execution_id = %execution.execution_id, task_type = %task.task_type);
        let cancelled = CancellationToken::new();
        let progress = Arc::new(Progress {
            workers: self.parts.workers.clone(),
            tenant_id: tenant_id.clone(),
            task_id: task_id.clone(),
            token,
        });
        let context = ExecutionContext { task, execution, progress, cancelled: cancelled.clone() };
        let end = storable(self.watch(context, token, &cancelled, stop).await);
        if let Err(error) = self.report(&tenant_id, &task_id, token, end).await {
            tracing::warn!(parent: &span, error = &error as &dyn std::error::Error, "the outcome was not accepted");
        }
    }

    /// The work beside its heartbeats, until one of them ends it.
    async fn watch(
        &mut self,
        context: ExecutionContext,
        token: LeaseToken,
        cancelled: &CancellationToken,
        stop: CancellationToken,
    ) -> End {
        let (tenant_id, task_id) = (context.task.tenant_id.clone(), context.task.task_id.clone());
        let Some(executor) = self.parts.executors.find(context.task.claimed_as()) else {
            return End::Done(Err(failure(
                "no_executor",
                format!("No executor for task type `{}` in this instance", context.task.task_type),
                false,
            )));
        };
        let mut work = std::pin::pin!(AssertUnwindSafe(executor.execute(context)).catch_unwind());
        let beat = self.config.lease / 3;
        let mut next_beat = Instant::now() + beat;
        let mut lease_until = Instant::now() + self.config.lease;
        let deadline = Instant::now() + self.config.timeout;
        let drain = self.config.drain;
        let stopped = async move {
            stop.cancelled().await;
            tokio::time::sleep(drain).await;
        };
        let mut stopped = std::pin::pin!(stopped);
        loop {
            tokio::select! {
                ended = &mut work => {
                    return End::Done(ended.unwrap_or_else(|_| Err(failure("panic", "The executor panicked; see the log".into(), true))));
                }
                () = touched(&mut self.hints, &tenant_id, &task_id) => {}
                () = tokio::time::sleep_until(next_beat) => {}
                () = tokio::time::sleep_until(deadline) => {
                    cancelled.cancel();
                    let _ = tokio::time::timeout(STOP_GRACE, &mut work).await;
                    return End::Done(Err(failure("timeout", format!("Stopped after {} s", self.config.timeout.as_secs()), true)));
                }
                () = &mut stopped => {
                    cancelled.cancel();
                    let _ = tokio::time::timeout(STOP_GRACE, &mut work).await;
                    return End::Stopped;
                }
            }
            // Somebody changed the task, or it is time: the heartbeat tells whether it is still ours.
            match self.parts.workers.heartbeat(&tenant_id, &task_id, token, None).await {
                Ok(_) => {
                    next_beat = Instant::now() + beat;
                    lease_until = Instant::now() + self.config.lease;
                }
                Err(ServiceError::Store(_)) if Instant::now() < lease_until => {
                    next_beat = Instant::now() + beat.min(Duration::from_secs(1))
                }
                Err(_) => {
                    cancelled.cancel();
                    let _ = tokio::time::timeout(STOP_GRACE, &mut work).await;
                    return End::LeaseLost;
                }
            }
        }
    }

    /// Reports the outcome; again while the store is away. A lost lease refuses it, as it should.
    async fn report(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
        token: LeaseToken,
        end: End,
    ) -> Result<Option<CompletedExecution>, ServiceError> {
        let mut wait = Duration::from_millis(200);
        for _ in 1..REPORT_TRIES {
            match self.report_once(tenant_id, task_id, token, &end).await {
                Err(ServiceError::Store(_) | ServiceError::Contended) => {}
                other => return other,
            }
            tokio::time::sleep(wait).await;
            wait = (wait * 2).min(Duration::from_secs(5));
        }
        self.report_once(tenant_id, task_id, token, &end).await
    }

    async fn report_once(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
        token: LeaseToken,
        end: &End,
    ) -> Result<Option<CompletedExecution>, ServiceError> {
        let reported = match end {
            End::LeaseLost => return Ok(None),
            End::Stopped => {
                self.parts
                    .workers
                    .release(
                        tenant_id,
                        task_id,
                        token,
                        Some("the instance is shutting down".into()),
                        chrono::Duration::zero(),
                    )
                    .await
            }
            End::Done(Ok(outcome)) => {
                let report = Report {
                    result: outcome.result.clone(),
                    credits_consumed: None,
                    tokens_used: outcome.tokens_used,
                    api_calls_made: outcome.api_calls_made,
                    metadata: outcome.metadata.clone(),
                };
                self.parts.workers.complete(tenant_id, task_id, token, report).await
            }
            End::Done(Err(error)) => {
                let failure = Failure {
                    message: error.message.clone(),
                    code: Some(error.code.to_owned()),
                    details: error.details.clone(),
                    retryable: error.retryable,
                };
                self.parts.workers.fail(tenant_id, task_id, token, failure).await
            }
        };
        reported.map(Some)
    }
}

/// An outcome that could not be read again is not stored.
fn storable(end: End) -> End {
    match end {
        End::Done(Ok(outcome)) if !is_within_depth(&outcome.result, MAX_JSON_DEPTH) => {
            let message = format!("The result is nested deeper than {MAX_JSON_DEPTH} levels");
            End::Done(Err(failure("result_too_deep", message, false)))
        }
        End::Done(Err(mut error)) => {
            error.details = error.details.filter(|details| is_within_depth(details, MAX_JSON_DEPTH));
            End::Done(Err(error))
        }
        end => end,
    }
}

fn failure(code: &'static str, message: String, retryable: bool) -> ExecutorError {
    ExecutorError { code, message, details: None, retryable }
}

/// Waits until somebody changed this task.
async fn touched(hints: &mut broadcast::Receiver<Hint>, tenant_id: &TenantId, task_id: &TaskId) {
    loop {
        match hints.recv().await {
            Ok(Hint::TaskChanged { tenant_id: tenant, task_id: task }) if tenant == *tenant_id && task == *task_id => {
                return;
            }
            Ok(_) => {}
            Err(broadcast::error::RecvError::Lagged(_)) => return,
            Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
        }
    }
}

/// Progress of a built-in execution: the same path as an outside worker's.
struct Progress {
    workers: WorkerService,
    tenant_id: TenantId,
    task_id: TaskId,
    token: LeaseToken,
}

#[async_trait]
impl ProgressSink for Progress {
    async fn report(&self, data: JsonObject) {
        if let Err(error) = self.workers.progress(&self.tenant_id, &self.task_id, self.token, &[data]).await {
            tracing::debug!(task_id = %self.task_id, error = &error as &dyn std::error::Error, "progress entry not stored");
        }
    }
}
