//! Work under a name instead of a lease token, for clients that know none: whoever calls itself
//! what the claimer called itself is the holder.
//!
//! The current lease's token is looked up and used, so the store's guard still holds: of two
//! reports of one attempt only one is accepted. What a name cannot tell apart are two claims of the
//! same worker, one after the other.

use serde_json::Value;
use task_domain::decide::{self, Change, Failure, Moment, Rejection, Report};
use task_domain::{Actor, Handler, JsonObject, LeaseToken, Task, TaskId, TaskStatus};
use task_protocols::{ClaimRequest, ClaimTaskRequest, ClaimedTask, Hint, Loaded, ProgressAppended};

use crate::change::moment;
use crate::tasks::authorise;
use crate::{Caller, OriginService, ServiceError};

/// How often a report is tried again whose lease changed hands while it was made.
const TRIES: usize = 5;

/// Who claims a task by its id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedClaim {
    pub worker_id: String,
    pub lease_seconds: i64,
    /// An attribute of the task with the text that it must have.
    pub attribute: Option<(&'static str, String)>,
}

impl OriginService {
    /// Leases a queued task; the lease is in `current`.
    ///
    /// # Errors
    /// `OtherTask`; `Rejected(InvalidTransition)` with the status the task has.
    pub async fn claim(&self, caller: &Caller, task_id: &TaskId, claim: &NamedClaim) -> Result<Task, ServiceError> {
        Self::need_work(caller, "claim")?;
        let task = self.get(caller, task_id).await?;
        if let Some((attribute, text)) = &claim.attribute
            && task.attributes.get(*attribute).and_then(Value::as_str) != Some(text.as_str())
        {
            return Err(ServiceError::OtherTask { task_id: task_id.to_string(), attribute });
        }
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
            ClaimedTask::NotClaimable(task) => Err(refused("claim", &task, Some(TaskStatus::Running)).into()),
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

    /// Reports success. `holder`: `None` = whoever holds it, and a holder that named itself nothing is
    /// anybody.
    ///
    /// # Errors
    /// `Rejected(InvalidTransition)` unless the task is running; then `NotHolder`.
    pub async fn complete(
        &self,
        caller: &Caller,
        task_id: &TaskId,
        holder: Option<&str>,
        report: Report,
    ) -> Result<Task, ServiceError> {
        self.end(caller, task_id, holder, "complete", |task, token, moment| {
            decide::complete(task, token, report.clone(), moment)
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
    ) -> Result<Task, ServiceError> {
        self.end(caller, task_id, holder, "fail", |task, token, moment| {
            decide::fail(task, token, failure.clone(), moment)
        })
        .await
    }

    /// Gives the work back untried; it is claimable at once. How many progress entries are kept, too.
    pub async fn release(
        &self,
        caller: &Caller,
        task_id: &TaskId,
        holder: Option<&str>,
    ) -> Result<(Task, i64), ServiceError> {
        let release = |task: &Task, token, moment: &Moment<'_>| {
            decide::release(task, token, None, chrono::Duration::zero(), moment)
        };
        let task = self.end(caller, task_id, holder, "release", release).await?;
        let kept = self.tasks.progress.count_progress(&caller.tenant_id, task_id).await?;
        Ok((task, kept))
    }

    /// Stores progress entries and extends the lease.
    pub async fn progress(
        &self,
        caller: &Caller,
        task_id: &TaskId,
        holder: Option<&str>,
        entries: &[JsonObject],
    ) -> Result<ProgressAppended, ServiceError> {
        let action = "update the progress of";
        Self::need_work(caller, action)?;
        for _ in 0..TRIES {
            let loaded = self.tasks.load_owned(caller, task_id, action).await?;
            let token = self.token(&loaded, holder, action)?;
            match self.workers.progress(&caller.tenant_id, task_id, token, entries).await {
                // Between the look and the report: look again.
                Err(ServiceError::Rejected(Rejection::LeaseLost(_))) => {}
                other => return other,
            }
        }
        Err(ServiceError::Contended)
    }

    /// Ends the attempt of the current lease as `decide` says, under that lease's token.
    async fn end<F>(
        &self,
        caller: &Caller,
        task_id: &TaskId,
        holder: Option<&str>,
        action: &'static str,
        decide: F,
    ) -> Result<Task, ServiceError>
    where
        F: Fn(&Task, LeaseToken, &Moment<'_>) -> Result<Change, Rejection> + Send + Sync,
    {
        Self::need_work(caller, action)?;
        let decide = |loaded: &Loaded| {
            authorise(caller, &loaded.task, action)?;
            let token = self.token(loaded, holder, action)?;
            let worker = held(loaded).map(|(name, _)| name.to_owned()).unwrap_or_default();
            Ok(decide(&loaded.task, token, &moment(loaded, Actor::Worker(worker)))?)
        };
        let (task, _) = self.tasks.saver.apply(&caller.tenant_id, task_id, decide).await?;
        Ok(task)
    }

    /// The current lease's token. The state is checked before the holder.
    fn token(&self, loaded: &Loaded, holder: Option<&str>, action: &'static str) -> Result<LeaseToken, ServiceError> {
        self.check(&loaded.task)?;
        let (name, token) = held(loaded).ok_or_else(|| refused(action, &loaded.task, None))?;
        match holder {
            Some(holder) if !name.is_empty() && holder != name => {
                let task_id = loaded.task.task_id.to_string();
                Err(ServiceError::NotHolder { task_id, worker_id: holder.to_owned() })
            }
            _ => Ok(token),
        }
    }
}

/// Who holds a running task, by the name it gave, and the token of its lease.
pub(crate) fn held(loaded: &Loaded) -> Option<(&str, LeaseToken)> {
    let task = &loaded.task;
    let current = task.current.as_ref().filter(|_| task.status == TaskStatus::Running)?;
    let lease = current.lease.filter(|lease| lease.expires_at > loaded.now)?;
    Some((current.worker_id.as_deref().unwrap_or_default(), lease.token))
}

pub(crate) fn refused(action: &'static str, task: &Task, to: Option<TaskStatus>) -> Rejection {
    Rejection::InvalidTransition { action, from: task.status, to }
}
