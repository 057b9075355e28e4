//! Work under a name instead of a lease token, for clients that know none: whoever calls itself
//! what the claimer called itself is the holder.
//!
//! The current lease's token is looked up and used, so the store's guard still holds: of two
//! reports of one attempt only one is accepted. What a name cannot tell apart are two claims of the
//! same worker, one after the other.

use serde_json::Value;
use task_domain::decide::{Failure, Rejection, Report};
use task_domain::{Handler, JsonObject, LeaseToken, Task, TaskId, TaskStatus};
use task_protocols::{ClaimRequest, ClaimTaskRequest, ClaimedTask, Hint, ProgressAppended};

use crate::{Caller, CompletedExecution, OriginService, ServiceError};

/// How often a report is tried again whose lease changed hands while it was made.
const TRIES: usize = 5;

/// Who claims a task by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedClaim {
    pub worker_id: String,
    pub lease_seconds: i64,
}

/// Where an older client says that a task stands, in one call with what came of it.
#[derive(Debug, Clone, PartialEq)]
pub struct StatusReport {
    pub status: TaskStatus,
    /// Who it says it is.
    pub worker_id: Option<String>,
    pub result: Option<Value>,
    pub error: Option<String>,
    /// Of the lease, when it is to run.
    pub lease_seconds: i64,
}

impl OriginService {
    /// Brings a task to a status. A running one ends by its holder's report, one that is to run is
    /// claimed; else the status is [set](Self::set_status).
    ///
    /// # Errors
    /// `NotHolder`; `Rejected(InvalidTransition)` when it is to run and cannot be claimed.
    pub async fn report(&self, caller: &Caller, task_id: &TaskId, report: StatusReport) -> Result<(), ServiceError> {
        let task = self.get(caller, task_id).await?;
        let holder = report.worker_id.as_deref();
        let is_running = task.status == TaskStatus::Running;
        match report.status {
            TaskStatus::Running if is_running => {}
            TaskStatus::Running => {
                let worker_id = report.worker_id.unwrap_or_else(|| caller.actor().to_string());
                let claim = NamedClaim { worker_id, lease_seconds: report.lease_seconds };
                self.claim(caller, task_id, &claim).await?;
            }
            TaskStatus::Completed if is_running => {
                let report = Report { result: report.result.unwrap_or_default(), ..Report::default() };
                self.complete(caller, task_id, holder, report).await?;
            }
            TaskStatus::Failed if is_running => {
                let message = report.error.unwrap_or_else(|| "Failed".to_owned());
                self.fail(caller, task_id, holder, Failure { message, ..Failure::default() }).await?;
            }
            status => drop(self.set_status(caller, task_id, status).await?),
        }
        Ok(())
    }

    /// Leases a queued task; the lease is in `current`.
    ///
    /// # Errors
    /// `Rejected(InvalidTransition)` with the status the task has.
    pub async fn claim(&self, caller: &Caller, task_id: &TaskId, claim: &NamedClaim) -> Result<Task, ServiceError> {
        Self::need_work(caller, "claim")?;
        let task = self.get(caller, task_id).await?;
        let request = ClaimTaskRequest {
            tenant_id: caller.tenant_id.clone(),
            task_id: task_id.clone(),
            handler: task.handler,
            origin: Some(self.origin),
            worker_id: claim.worker_id.clone(),
            lease_seconds: claim.lease_seconds,
            request_id: None,
        };
        match self.tasks.executions.claim_task(&request).await? {
            ClaimedTask::Claimed(task) => {
                let (tenant_id, task_id) = (task.tenant_id.clone(), task.task_id.clone());
                self.tasks.saver.hints().send(Hint::TaskChanged { tenant_id, task_id });
                Ok(*task)
            }
            ClaimedTask::NotClaimable(task) => Err(refused("claim", &task, Some(TaskStatus::Running))),
            ClaimedTask::NotFound => Err(ServiceError::TaskNotFound { task_id: task_id.to_string() }),
        }
    }

    /// Leases the oldest queued task of these types; none when none is queued.
    pub async fn claim_next(
        &self,
        caller: &Caller,
        task_types: Vec<String>,
        claim: &NamedClaim,
    ) -> Result<Option<Task>, ServiceError> {
        Self::need_work(caller, "claim")?;
        let request = ClaimRequest {
            tenant_id: Some(caller.tenant_id.clone()),
            handler: Handler::Worker,
            task_types,
            worker_id: claim.worker_id.clone(),
            max_tasks: 1,
            lease_seconds: claim.lease_seconds,
            origin: Some(self.origin),
            request_id: None,
        };
        Ok(self.workers.claim(&request).await?.pop())
    }

    /// Reports success. `holder`: `None` = whoever holds it.
    ///
    /// # Errors
    /// `Rejected(InvalidTransition)` unless the task is running; then `NotHolder`.
    pub async fn complete(
        &self,
        caller: &Caller,
        task_id: &TaskId,
        holder: Option<&str>,
        report: Report,
    ) -> Result<CompletedExecution, ServiceError> {
        let tenant_id = &caller.tenant_id;
        self.under_lease(caller, task_id, holder, "complete", |token| {
            self.workers.complete(tenant_id, task_id, token, report.clone())
        })
        .await
    }

    /// Reports failure, as [`Self::complete`] does success.
    pub async fn fail(
        &self,
        caller: &Caller,
        task_id: &TaskId,
        holder: Option<&str>,
        failure: Failure,
    ) -> Result<CompletedExecution, ServiceError> {
        let tenant_id = &caller.tenant_id;
        self.under_lease(caller, task_id, holder, "fail", |token| {
            self.workers.fail(tenant_id, task_id, token, failure.clone())
        })
        .await
    }

    /// Gives the work back untried; it is claimable at once.
    pub async fn release(
        &self,
        caller: &Caller,
        task_id: &TaskId,
        holder: Option<&str>,
    ) -> Result<CompletedExecution, ServiceError> {
        let tenant_id = &caller.tenant_id;
        self.under_lease(caller, task_id, holder, "release", |token| {
            self.workers.release(tenant_id, task_id, token, None, chrono::Duration::zero())
        })
        .await
    }

    /// Stores progress entries and extends the lease.
    pub async fn progress(
        &self,
        caller: &Caller,
        task_id: &TaskId,
        holder: Option<&str>,
        entries: &[JsonObject],
    ) -> Result<ProgressAppended, ServiceError> {
        let tenant_id = &caller.tenant_id;
        self.under_lease(caller, task_id, holder, "update the progress of", |token| {
            self.workers.progress(tenant_id, task_id, token, entries)
        })
        .await
    }

    async fn under_lease<T, Fut>(
        &self,
        caller: &Caller,
        task_id: &TaskId,
        holder: Option<&str>,
        action: &'static str,
        report: impl Fn(LeaseToken) -> Fut,
    ) -> Result<T, ServiceError>
    where
        Fut: Future<Output = Result<T, ServiceError>>,
    {
        Self::need_work(caller, action)?;
        for _ in 0..TRIES {
            let token = self.token(caller, task_id, holder, action).await?;
            match report(token).await {
                // Between the look and the report: look again.
                Err(ServiceError::Rejected(Rejection::LeaseLost(_))) => {}
                other => return other,
            }
        }
        Err(ServiceError::Contended)
    }

    /// The current lease's token. The state is checked before the holder.
    async fn token(
        &self,
        caller: &Caller,
        task_id: &TaskId,
        holder: Option<&str>,
        action: &'static str,
    ) -> Result<LeaseToken, ServiceError> {
        let loaded = self.tasks.load_owned(caller, task_id, action).await?;
        self.check(&loaded.task)?;
        let task = &loaded.task;
        let current = task.current.as_ref().filter(|_| task.status == TaskStatus::Running);
        let lease = current.and_then(|execution| execution.lease).filter(|lease| lease.expires_at > loaded.now);
        let (Some(current), Some(lease)) = (current, lease) else {
            return Err(refused(action, task, None));
        };
        match holder {
            Some(name) if current.worker_id.as_deref() != Some(name) => {
                Err(ServiceError::NotHolder { task_id: task_id.to_string(), worker_id: name.to_owned() })
            }
            _ => Ok(lease.token),
        }
    }
}

fn refused(action: &'static str, task: &Task, to: Option<TaskStatus>) -> ServiceError {
    ServiceError::Rejected(Rejection::InvalidTransition { action, from: task.status, to })
}
