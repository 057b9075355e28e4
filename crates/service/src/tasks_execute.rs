//! A run by hand, and the wait for its outcome.

use std::time::Duration;

use serde_json::Value;
use task_domain::{Execution, Handler, Task, TaskId, decide};
use task_protocols::{ExecutionQuery, Hint, Loaded};
use tokio::sync::broadcast;
use tokio::time::Instant;

use crate::change::moment;
use crate::{Caller, ServiceError, TaskService};

/// Hints may be lost: so often a waiting execute looks by itself.
const LOOK_EVERY: Duration = Duration::from_millis(500);

/// A run that was started by hand.
#[derive(Debug, Clone, PartialEq)]
pub struct Executed {
    /// Its newest attempt.
    pub execution: Execution,
    /// Whether the run has ended.
    pub finished: bool,
}

impl TaskService {
    /// Starts a run, and waits for its outcome, at most `wait`; not at all for a type that only
    /// outside workers handle.
    ///
    /// # Errors
    /// `Rejected(InvalidTransition)` when the task's state does not allow it; `Limited`.
    pub async fn execute(
        &self,
        caller: &Caller,
        task_id: &TaskId,
        trigger_data: Option<Value>,
        wait: Duration,
    ) -> Result<Executed, ServiceError> {
        // Listen first: the run may end before the save returns.
        let hints = self.saver.hints().subscribe();
        let decide =
            |loaded: &Loaded| Ok(decide::execute(&loaded.task, trigger_data.clone(), &moment(loaded, caller.actor()))?);
        let task = self.change_owned(caller, task_id, "execute", decide).await?;
        let Some(queued) = task.current.clone() else { return Err(ServiceError::Contended) };
        if task.handler == Handler::Worker || wait.is_zero() {
            return self.executed(&task, queued).await;
        }
        self.wait_for_run(&task, queued, hints, Instant::now() + wait).await
    }

    async fn wait_for_run(
        &self,
        task: &Task,
        queued: Execution,
        mut hints: broadcast::Receiver<Hint>,
        until: Instant,
    ) -> Result<Executed, ServiceError> {
        let mine = |hint: &Hint| matches!(hint, Hint::TaskChanged { tenant_id, task_id } if *tenant_id == task.tenant_id && *task_id == task.task_id);
        loop {
            let wake = (Instant::now() + LOOK_EVERY).min(until);
            let told = async {
                loop {
                    match hints.recv().await {
                        Ok(hint) if mine(&hint) => return,
                        Ok(_) => {}
                        Err(broadcast::error::RecvError::Lagged(_)) => return,
                        // The bus is gone: the clock alone wakes us.
                        Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
                    }
                }
            };
            tokio::select! {
                _ = tokio::time::timeout_at(wake, told) => {}
                // The run goes on in another instance, or later: its caller can follow it.
                () = self.stopping.cancelled() => return self.executed(task, queued).await,
            }
            let executed = self.executed(task, queued.clone()).await?;
            if executed.finished || Instant::now() >= until {
                return Ok(executed);
            }
        }
    }

    /// The newest attempt of the run that began with `queued`, and whether the run has ended.
    async fn executed(&self, task: &Task, queued: Execution) -> Result<Executed, ServiceError> {
        let query = ExecutionQuery {
            tenant_id: task.tenant_id.clone(),
            task_id: task.task_id.clone(),
            status: None,
            limit: 10,
            offset: 0,
        };
        let newest = self.executions.list_executions(&query).await?.into_iter().find(|e| e.run_id == queued.run_id);
        // While the run goes on its newest attempt is the current one, which is not terminal.
        let execution = newest.unwrap_or(queued);
        Ok(Executed { finished: execution.status.is_terminal(), execution })
    }
}
