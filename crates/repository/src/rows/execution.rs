//! `task_executions`: attempts that reached their outcome.

use diesel::prelude::*;
use serde_json::Value;
use task_domain::{Execution, ExecutionStatus, Lease, LeaseToken, TaskId, TenantId, TriggerType, UserId};

use crate::columns::{Id, Json, Stamp, Word};

#[derive(Debug, Clone, Queryable)]
pub(crate) struct ExecutionRow {
    pub(crate) tenant_id: String,
    /// The task's bigint id.
    pub(crate) task_id: i64,
    pub(crate) id: i64,
    pub(crate) execution_id: Id,
    pub(crate) run_id: Id,
    pub(crate) attempt: i32,
    pub(crate) failures: i32,
    pub(crate) lost_leases: i32,
    pub(crate) user_id: Option<String>,
    pub(crate) status: Word<ExecutionStatus>,
    pub(crate) trigger_type: Word<TriggerType>,
    pub(crate) trigger_data: Option<Json<Value>>,
    pub(crate) worker_id: Option<String>,
    pub(crate) lease_token: Option<Id>,
    pub(crate) lease_expires_at: Option<Stamp>,
    pub(crate) result: Option<Json<Value>>,
    pub(crate) error_message: Option<String>,
    pub(crate) error_details: Option<Json<Value>>,
    pub(crate) credits_consumed: f64,
    pub(crate) tokens_used: i64,
    pub(crate) api_calls_made: i64,
    pub(crate) duration_ms: Option<i64>,
    pub(crate) run_at: Stamp,
    pub(crate) queued_at: Stamp,
    pub(crate) started_at: Option<Stamp>,
    pub(crate) completed_at: Option<Stamp>,
    pub(crate) timeout_at: Option<Stamp>,
    pub(crate) created_at: Stamp,
}

impl ExecutionRow {
    pub(crate) fn new(task: i64, execution: &Execution) -> Self {
        Self {
            tenant_id: execution.tenant_id.as_str().to_owned(),
            task_id: task,
            id: execution.id,
            execution_id: Id(execution.execution_id),
            run_id: Id(execution.run_id),
            attempt: execution.attempt,
            failures: execution.failures,
            lost_leases: execution.lost_leases,
            user_id: execution.user_id.as_ref().map(|id| id.as_str().to_owned()),
            status: Word(execution.status),
            trigger_type: Word(execution.trigger_type),
            trigger_data: execution.trigger_data.clone().map(Json),
            worker_id: execution.worker_id.clone(),
            lease_token: execution.lease.map(|l| Id(l.token.as_uuid())),
            lease_expires_at: execution.lease.map(|l| Stamp(l.expires_at)),
            result: execution.result.clone().map(Json),
            error_message: execution.error_message.clone(),
            error_details: execution.error_details.clone().map(Json),
            credits_consumed: execution.credits_consumed,
            tokens_used: execution.tokens_used,
            api_calls_made: execution.api_calls_made,
            duration_ms: execution.duration_ms,
            run_at: Stamp(execution.run_at),
            queued_at: Stamp(execution.queued_at),
            started_at: execution.started_at.map(Stamp),
            completed_at: execution.completed_at.map(Stamp),
            timeout_at: execution.timeout_at.map(Stamp),
            created_at: Stamp(execution.created_at),
        }
    }

    pub(crate) fn into_execution(self, task_id: TaskId) -> Execution {
        let lease = self.lease_token.zip(self.lease_expires_at);
        Execution {
            id: self.id,
            execution_id: self.execution_id.0,
            run_id: self.run_id.0,
            attempt: self.attempt,
            failures: self.failures,
            lost_leases: self.lost_leases,
            tenant_id: TenantId::from_stored(self.tenant_id),
            task_id,
            user_id: self.user_id.map(UserId::from_stored),
            status: self.status.0,
            trigger_type: self.trigger_type.0,
            trigger_data: self.trigger_data.map(|d| d.0),
            worker_id: self.worker_id,
            lease: lease.map(|(token, at)| Lease { token: LeaseToken::new(token.0), expires_at: at.0 }),
            result: self.result.map(|r| r.0),
            error_message: self.error_message,
            error_details: self.error_details.map(|d| d.0),
            credits_consumed: self.credits_consumed,
            tokens_used: self.tokens_used,
            api_calls_made: self.api_calls_made,
            duration_ms: self.duration_ms,
            run_at: self.run_at.0,
            queued_at: self.queued_at.0,
            started_at: self.started_at.map(|s| s.0),
            completed_at: self.completed_at.map(|s| s.0),
            timeout_at: self.timeout_at.map(|s| s.0),
            created_at: self.created_at.0,
        }
    }
}
