//! What outside workers ask for with an API key: the key's rights, then the use case.

use std::time::Duration;

use task_domain::decide::{Failure, Report};
use task_domain::{Handler, JsonObject, LeaseToken, Task, TaskId, TaskStatus};
use task_protocols::{ClaimRequest, ClaimTaskRequest, ClaimedTask, Heartbeat, ProgressAppended};

use crate::{Caller, ClaimDispatcher, CompletedExecution, KeyService, Scope, ServiceError, WorkerService};

/// What a worker claims, in its own words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClaimOrder {
    /// Not looked at when the task is named.
    pub task_types: Vec<String>,
    pub worker_id: String,
    /// 1–100.
    pub max_tasks: i64,
    pub lease_seconds: i64,
    pub wait: Duration,
    /// The caller's own name of this claim, so that it can be repeated.
    pub request_id: Option<String>,
}

/// The claim that a caller may make: outside work of its tenant, of types that its key may take.
///
/// # Errors
/// `Forbidden` without scope `tasks:work`, for a type that the key is not for, or for a key that acts
/// for a user: the next task of a type may be anybody's, so such a key names the task it claims.
pub fn authorised_claim(caller: &Caller, order: &ClaimOrder) -> Result<ClaimRequest, ServiceError> {
    caller.need(Scope::TasksWork, "claim")?;
    if caller.user_id().is_some() || !order.task_types.iter().all(|task_type| caller.may_use_type(task_type)) {
        return Err(ServiceError::Forbidden { action: "claim", required_level: None });
    }
    Ok(ClaimRequest {
        tenant_id: Some(caller.tenant_id.clone()),
        handler: Handler::Worker,
        task_types: order.task_types.clone(),
        worker_id: order.worker_id.clone(),
        max_tasks: order.max_tasks,
        lease_seconds: order.lease_seconds,
        origin: None,
        request_id: claim_name(caller, order),
    })
}

/// What a claim is known by when its caller repeats it. Keys may use the same names of workers and of
/// claims: a repeat gives out lease tokens, so each has names of its own.
fn claim_name(caller: &Caller, order: &ClaimOrder) -> Option<String> {
    order.request_id.as_ref().map(|id| format!("{}:{id}", caller.actor()))
}

impl ClaimDispatcher {
    /// Claims on behalf of a caller.
    ///
    /// # Errors
    /// As [`authorised_claim`] and [`Self::claim_authorised`].
    pub async fn claim_for(
        &self,
        caller: &Caller,
        order: ClaimOrder,
        keys: &KeyService,
    ) -> Result<Vec<Task>, ServiceError> {
        self.claim_authorised(caller, authorised_claim(caller, &order)?, order.wait, keys).await
    }
}

/// Each needs scope `tasks:work`. The lease token is any text; one that no claim has is not current.
impl WorkerService {
    /// Whether the caller may work at all.
    ///
    /// # Errors
    /// `Forbidden`.
    pub fn allow(&self, caller: &Caller) -> Result<(), ServiceError> {
        caller.need(Scope::TasksWork, "work")
    }

    /// Claims a task that the caller names.
    ///
    /// # Errors
    /// `Forbidden`; `TaskNotFound`; `NotClaimable`.
    pub async fn claim_task_for(
        &self,
        caller: &Caller,
        task_id: TaskId,
        order: ClaimOrder,
    ) -> Result<Task, ServiceError> {
        caller.need(Scope::TasksWork, "claim")?;
        let task = self.load(&caller.tenant_id, &task_id).await?;
        if !caller.owns(&task) {
            return Err(ServiceError::Forbidden { action: "claim", required_level: None });
        }
        let request_id = claim_name(caller, &order);
        let request = ClaimTaskRequest {
            tenant_id: caller.tenant_id.clone(),
            task_id: task_id.clone(),
            handler: Handler::Worker,
            origin: None,
            worker_id: order.worker_id,
            lease_seconds: order.lease_seconds,
            request_id,
        };
        match self.claim_task(&request).await? {
            ClaimedTask::Claimed(task) => Ok(*task),
            ClaimedTask::NotClaimable(task) => {
                let why = match (task.handler, task.status) {
                    (Handler::Builtin, _) => "its type is executed by the service itself",
                    (_, TaskStatus::Queued) => "its delay is not over yet",
                    (_, TaskStatus::Running) => "another worker holds its lease",
                    _ => "only queued tasks can be claimed",
                };
                Err(ServiceError::NotClaimable { status: task.status, why })
            }
            ClaimedTask::NotFound => Err(ServiceError::TaskNotFound { task_id: task_id.to_string() }),
        }
    }

    pub async fn heartbeat_for(
        &self,
        caller: &Caller,
        task_id: &TaskId,
        token: &str,
        lease_seconds: Option<i64>,
    ) -> Result<Heartbeat, ServiceError> {
        self.allow(caller)?;
        self.heartbeat(&caller.tenant_id, task_id, LeaseToken::read(token), lease_seconds).await
    }

    pub async fn progress_for(
        &self,
        caller: &Caller,
        task_id: &TaskId,
        token: &str,
        entries: &[JsonObject],
    ) -> Result<ProgressAppended, ServiceError> {
        self.allow(caller)?;
        self.progress(&caller.tenant_id, task_id, LeaseToken::read(token), entries).await
    }

    pub async fn complete_for(
        &self,
        caller: &Caller,
        task_id: &TaskId,
        token: &str,
        report: Report,
    ) -> Result<CompletedExecution, ServiceError> {
        self.allow(caller)?;
        self.complete(&caller.tenant_id, task_id, LeaseToken::read(token), report).await
    }

    pub async fn fail_for(
        &self,
        caller: &Caller,
        task_id: &TaskId,
        token: &str,
        failure: Failure,
    ) -> Result<CompletedExecution, ServiceError> {
        self.allow(caller)?;
        self.fail(&caller.tenant_id, task_id, LeaseToken::read(token), failure).await
    }

    pub async fn release_for(
        &self,
        caller: &Caller,
        task_id: &TaskId,
        token: &str,
        reason: Option<String>,
        delay: chrono::Duration,
    ) -> Result<CompletedExecution, ServiceError> {
        self.allow(caller)?;
        self.release(&caller.tenant_id, task_id, LeaseToken::read(token), reason, delay).await
    }
}
