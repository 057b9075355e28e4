//! The use cases of those who do the work: claim, keep, report, give back.

use std::sync::Arc;

use chrono::Duration;
use serde_json::Value;
use task_domain::decide::{self, Failure, Rejection, Report};
use task_domain::{
    Actor, Execution, ExecutionStatus, JsonObject, LeaseLost, LeaseToken, Task, TaskId, TenantId, same_json,
};
use task_protocols::{
    ClaimRequest, ClaimTaskRequest, ClaimedTask, ExecutionStore, Heartbeat, Hint, Loaded, ProgressAppended,
    ProgressStore, Seat,
};

use crate::change::{Saver, moment};
use crate::leased::LeasedTasks;
use crate::{SeenTypes, ServiceError};

/// What an accepted outcome did.
#[derive(Debug, Clone, PartialEq)]
pub struct CompletedExecution {
    /// The attempt with its outcome.
    pub execution: Execution,
    /// The task afterwards: queued again, done, or back on its schedule.
    pub task: Task,
}

/// Claims and everything that carries a lease token. A token that is not current changes nothing
/// and is answered with [`Rejection::LeaseLost`] and the reason.
#[derive(Clone)]
pub struct WorkerService {
    saver: Saver,
    executions: Arc<dyn ExecutionStore>,
    progress: Arc<dyn ProgressStore>,
    seen: SeenTypes,
    leased: LeasedTasks,
}

impl WorkerService {
    pub fn new(saver: Saver, executions: Arc<dyn ExecutionStore>, progress: Arc<dyn ProgressStore>) -> Self {
        Self { saver, executions, progress, seen: SeenTypes::default(), leased: LeasedTasks::default() }
    }

    /// Which types this instance was asked for.
    pub fn seen(&self) -> &SeenTypes {
        &self.seen
    }

    /// Leases queued work; each task carries its lease in `current`.
    pub async fn claim(&self, request: &ClaimRequest) -> Result<Vec<Task>, ServiceError> {
        self.seen.note(request);
        Ok(self.announced(self.executions.claim(request).await?))
    }

    /// The same for several workers at once.
    pub(crate) async fn claim_seats(&self, request: &ClaimRequest, seats: &[Seat]) -> Result<Vec<Task>, ServiceError> {
        self.seen.note(request);
        Ok(self.announced(self.executions.claim_seats(request, seats).await?))
    }

    /// Leases a task that is named, or says why not.
    pub async fn claim_task(&self, request: &ClaimTaskRequest) -> Result<ClaimedTask, ServiceError> {
        let claimed = self.executions.claim_task(request).await?;
        if let ClaimedTask::Claimed(task) = &claimed {
            self.claimed(task);
        }
        Ok(claimed)
    }

    fn announced(&self, tasks: Vec<Task>) -> Vec<Task> {
        tasks.iter().for_each(|task| self.claimed(task));
        tasks
    }

    fn claimed(&self, task: &Task) {
        self.saver.announce(task);
        self.leased.keep(task);
    }

    /// Which of these types have outside work.
    pub(crate) async fn claimable(
        &self,
        types: &[(TenantId, String)],
    ) -> Result<Vec<(TenantId, String)>, ServiceError> {
        Ok(self.executions.claimable_types(types).await?)
    }

    pub(crate) async fn load(&self, tenant_id: &TenantId, task_id: &TaskId) -> Result<Task, ServiceError> {
        Ok(self.saver.load(tenant_id, task_id).await?.task)
    }

    /// Releases a task whose claimer never learned of it.
    pub(crate) async fn give_back(&self, task: &Task) -> Result<(), ServiceError> {
        let Some(lease) = task.current.as_ref().and_then(|execution| execution.lease) else { return Ok(()) };
        let reason = Some("its claimer had gone away".to_owned());
        self.release(&task.tenant_id, &task.task_id, lease.token, reason, Duration::zero()).await.map(drop)
    }

    /// Extends a lease.
    pub async fn heartbeat(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
        token: LeaseToken,
        lease_seconds: Option<i64>,
    ) -> Result<Heartbeat, ServiceError> {
        match self.executions.heartbeat(tenant_id, task_id, token, lease_seconds).await? {
            Some(heartbeat) => {
                self.leased.renew(token, heartbeat.expires_at);
                Ok(heartbeat)
            }
            None => Err(self.lost(tenant_id, task_id, token).await?),
        }
    }

    /// Stores progress entries and extends the lease.
    pub async fn progress(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
        token: LeaseToken,
        entries: &[JsonObject],
    ) -> Result<ProgressAppended, ServiceError> {
        match self.progress.append(tenant_id, task_id, token, entries).await? {
            Some(appended) => {
                self.leased.renew(token, appended.lease.expires_at);
                self.saver
                    .hints()
                    .send(Hint::ProgressAppended { tenant_id: tenant_id.clone(), task_id: task_id.clone() });
                Ok(appended)
            }
            None => Err(self.lost(tenant_id, task_id, token).await?),
        }
    }

    /// Reports success. Repeating the accepted report with the same token and result is answered
    /// as it was the first time.
    pub async fn complete(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
        token: LeaseToken,
        report: Report,
    ) -> Result<CompletedExecution, ServiceError> {
        if let Some(completed) = self.complete_remembered(tenant_id, task_id, token, &report).await? {
            return Ok(completed);
        }
        let decide = |loaded: &Loaded| Ok(decide::complete(&loaded.task, token, report.clone(), &holder(loaded))?);
        let lost = match self.end(tenant_id, task_id, token, decide).await {
            Err(error @ ServiceError::Rejected(Rejection::LeaseLost(LeaseLost::Finished))) => error,
            other => return other,
        };
        let ended = self.executions.find_ended_by_token(tenant_id, task_id, token).await?;
        let same = |e: &Execution| {
            let result = e.result.as_ref().unwrap_or(&Value::Null);
            e.status == ExecutionStatus::Completed && same_json(result, &report.result)
        };
        match ended.filter(same) {
            Some(execution) => {
                Ok(CompletedExecution { execution, task: self.saver.load(tenant_id, task_id).await?.task })
            }
            None => Err(lost),
        }
    }

    /// Success of a task that is remembered from its claim, without reading it; `None` when it must be
    /// read to know more.
    async fn complete_remembered(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
        token: LeaseToken,
        report: &Report,
    ) -> Result<Option<CompletedExecution>, ServiceError> {
        let remembered = self.leased.take(token);
        let Some(task) = remembered.filter(|task| task.tenant_id == *tenant_id && task.task_id == *task_id) else {
            return Ok(None);
        };
        let loaded = Loaded { task, now: self.saver.store().now().await?, claimable: false };
        let Ok(change) = decide::complete(&loaded.task, token, report.clone(), &holder(&loaded)) else {
            return Ok(None);
        };
        let saved = self.saver.save(&change).await?;
        Ok(saved.zip(change.finished).map(|(task, execution)| CompletedExecution { execution, task }))
    }

    /// Reports failure: the run is queued again, or has failed.
    pub async fn fail(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
        token: LeaseToken,
        failure: Failure,
    ) -> Result<CompletedExecution, ServiceError> {
        let decide = |loaded: &Loaded| Ok(decide::fail(&loaded.task, token, failure.clone(), &holder(loaded))?);
        self.end(tenant_id, task_id, token, decide).await
    }

    /// Gives the work back untried, claimable again after `delay`.
    pub async fn release(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
        token: LeaseToken,
        reason: Option<String>,
        delay: Duration,
    ) -> Result<CompletedExecution, ServiceError> {
        let decide =
            |loaded: &Loaded| Ok(decide::release(&loaded.task, token, reason.clone(), delay, &holder(loaded))?);
        self.end(tenant_id, task_id, token, decide).await
    }

    async fn end<F>(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
        token: LeaseToken,
        decide: F,
    ) -> Result<CompletedExecution, ServiceError>
    where
        F: Fn(&Loaded) -> Result<decide::Change, ServiceError> + Send + Sync,
    {
        let applied = self.saver.apply(tenant_id, task_id, decide).await;
        match applied {
            Ok((task, Some(decide::Change { finished: Some(execution), .. }))) => {
                Ok(CompletedExecution { execution, task })
            }
            Ok(_) => Err(self.lost(tenant_id, task_id, token).await?),
            Err(ServiceError::Rejected(Rejection::LeaseLost(_))) => Err(self.lost(tenant_id, task_id, token).await?),
            Err(error) => Err(error),
        }
    }

    /// Why the token is not current, as the error to answer.
    async fn lost(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
        token: LeaseToken,
    ) -> Result<ServiceError, ServiceError> {
        let ended = self.executions.find_ended_by_token(tenant_id, task_id, token).await?;
        let reason = match self.saver.store().find(tenant_id, task_id).await? {
            Some(loaded) => decide::lost_reason(&loaded.task, token, ended.as_ref()),
            // Deleted under its worker.
            None if ended.as_ref().is_some_and(|e| e.status == ExecutionStatus::Cancelled) => LeaseLost::Cancelled,
            None if ended.is_some() => LeaseLost::Finished,
            None => return Ok(ServiceError::TaskNotFound { task_id: task_id.to_string() }),
        };
        Ok(ServiceError::Rejected(Rejection::LeaseLost(reason)))
    }
}

/// The moment of a report by whoever holds the lease.
fn holder(loaded: &Loaded) -> decide::Moment<'static> {
    let worker = loaded.task.current.as_ref().and_then(|e| e.worker_id.clone()).unwrap_or_default();
    moment(loaded, Actor::Worker(worker))
}
