//! `task_states`: where the task stands and who holds it.

use diesel::prelude::*;
use serde_json::Value;
use task_domain::{
    Execution, ExecutionStatus, Handler, Lease, LeaseToken, Origin, Task, TaskId, TaskStatus, TenantId, TriggerType,
    UserId,
};

use crate::columns::{Id, Json, Stamp, Word};
use crate::fair_share::Queued;
use crate::sqlite::schema::task_states;

#[derive(Debug, Clone, PartialEq, Queryable, AsChangeset)]
#[diesel(table_name = task_states, treat_none_as_null = true)]
pub(crate) struct StateRow {
    pub(crate) tenant_id: String,
    pub(crate) id: i64,
    pub(crate) user_id: Option<String>,
    pub(crate) handler: Word<Handler>,
    /// What claims ask for: [`Task::claimed_as`].
    pub(crate) task_type: String,
    pub(crate) priority: i16,
    pub(crate) status: Word<TaskStatus>,
    pub(crate) return_to: Option<Word<TaskStatus>>,
    pub(crate) claimable: bool,
    pub(crate) is_active: bool,
    /// Claim order within a priority. Here microseconds of run_at; what is queued gets its own (`fair_share`).
    pub(crate) turn: i64,
    pub(crate) event_seq: i64,
    pub(crate) progress_seq: i64,
    pub(crate) next_run_time: Option<Stamp>,
    pub(crate) schedule_runs: i64,
    pub(crate) total_credits: f64,
    pub(crate) run_count: i64,
    pub(crate) success_count: i64,
    pub(crate) failure_count: i64,
    pub(crate) last_run_time: Option<Stamp>,
    pub(crate) last_success_time: Option<Stamp>,
    pub(crate) last_error: Option<String>,
    pub(crate) last_result_execution: Option<i64>,
    pub(crate) completed_at: Option<Stamp>,
    pub(crate) updated_at: Stamp,
    pub(crate) execution_no: Option<i64>,
    pub(crate) execution_id: Option<Id>,
    pub(crate) run_id: Option<Id>,
    pub(crate) attempt: Option<i32>,
    pub(crate) failures: Option<i32>,
    pub(crate) lost_leases: Option<i32>,
    pub(crate) trigger_type: Option<Word<TriggerType>>,
    pub(crate) trigger_data: Option<Json<Value>>,
    pub(crate) worker_id: Option<String>,
    pub(crate) lease_token: Option<Id>,
    pub(crate) lease_expires_at: Option<Stamp>,
    pub(crate) lease_seconds: Option<i64>,
    pub(crate) run_at: Option<Stamp>,
    pub(crate) queued_at: Option<Stamp>,
    pub(crate) started_at: Option<Stamp>,
    pub(crate) timeout_at: Option<Stamp>,
    pub(crate) attempt_created_at: Option<Stamp>,
    pub(crate) origin: Word<Origin>,
    pub(crate) claim_request: Option<String>,
    pub(crate) key_id: Option<String>,
    pub(crate) concurrency_key: Option<String>,
    pub(crate) max_concurrent: Option<i32>,
    pub(crate) limited: bool,
    pub(crate) parked: bool,
}

impl From<&Task> for StateRow {
    /// `progress_seq`, `last_result_execution` and, while its lease stands, `claim_request` are the
    /// store's own: a save keeps what stands there (0 and `None` for a new task).
    fn from(task: &Task) -> Self {
        let current = task.current.as_ref();
        let lease = current.and_then(|e| e.lease);
        let due = task.is_due();
        // The store lets it through when there is room under its limit.
        let limited = task.concurrency_key.is_some();
        Self {
            tenant_id: task.tenant_id.as_str().to_owned(),
            id: task.id,
            user_id: task.user_id.as_ref().map(|id| id.as_str().to_owned()),
            handler: Word(task.handler),
            task_type: task.claimed_as().to_owned(),
            priority: task.priority.number(),
            status: Word(task.status),
            return_to: task.return_to.map(Word),
            claimable: due && !limited,
            is_active: task.is_active(),
            turn: current.map_or(0, |e| e.run_at.timestamp_micros()),
            event_seq: task.event_seq,
            progress_seq: 0,
            next_run_time: task.next_run_time.map(Stamp),
            schedule_runs: task.schedule_runs,
            total_credits: task.total_credits_consumed,
            run_count: task.run_count,
            success_count: task.success_count,
            failure_count: task.failure_count,
            last_run_time: task.last_run_time.map(Stamp),
            last_success_time: task.last_success_time.map(Stamp),
            last_error: task.last_error.clone(),
            last_result_execution: None,
            completed_at: task.completed_at.map(Stamp),
            updated_at: Stamp(task.updated_at),
            execution_no: current.map(|e| e.id),
            execution_id: current.map(|e| Id(e.execution_id)),
            run_id: current.map(|e| Id(e.run_id)),
            attempt: current.map(|e| e.attempt),
            failures: current.map(|e| e.failures),
            lost_leases: current.map(|e| e.lost_leases),
            trigger_type: current.map(|e| Word(e.trigger_type)),
            trigger_data: current.and_then(|e| e.trigger_data.clone()).map(Json),
            worker_id: current.and_then(|e| e.worker_id.clone()),
            lease_token: lease.map(|l| Id(l.token.as_uuid())),
            lease_expires_at: lease.map(|l| Stamp(l.expires_at)),
            lease_seconds: lease
                .zip(current.and_then(|e| e.started_at))
                .map(|(l, at)| (l.expires_at - at).num_seconds()),
            run_at: current.map(|e| Stamp(e.run_at)),
            queued_at: current.map(|e| Stamp(e.queued_at)),
            started_at: current.and_then(|e| e.started_at).map(Stamp),
            timeout_at: current.and_then(|e| e.timeout_at).map(Stamp),
            attempt_created_at: current.map(|e| Stamp(e.created_at)),
            origin: Word(task.origin),
            claim_request: None,
            key_id: task.key_id.clone(),
            concurrency_key: task.concurrency_key.clone(),
            max_concurrent: task.max_concurrent,
            limited,
            parked: due && limited,
        }
    }
}

impl StateRow {
    pub(crate) fn queued(&self) -> Queued<'_> {
        Queued {
            handler: self.handler.0,
            tenant_id: &self.tenant_id,
            task_type: &self.task_type,
            priority: self.priority,
            owner: self.user_id.as_deref().or(self.key_id.as_deref()).unwrap_or_default(),
            run_at: self.run_at.map_or(self.turn, |at| at.0.timestamp_micros()),
            weight: None,
        }
    }

    /// The attempt that is queued, held back or running.
    pub(crate) fn current(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
        user_id: &Option<UserId>,
    ) -> Option<Execution> {
        let lease = self
            .lease_token
            .zip(self.lease_expires_at)
            .map(|(token, at)| Lease { token: LeaseToken::new(token.0), expires_at: at.0 });
        Some(Execution {
            id: self.execution_no?,
            execution_id: self.execution_id?.0,
            run_id: self.run_id?.0,
            attempt: self.attempt?,
            failures: self.failures?,
            lost_leases: self.lost_leases?,
            tenant_id: tenant_id.clone(),
            task_id: task_id.clone(),
            user_id: user_id.clone(),
            status: if lease.is_some() { ExecutionStatus::Running } else { ExecutionStatus::Queued },
            trigger_type: self.trigger_type?.0,
            trigger_data: self.trigger_data.clone().map(|d| d.0),
            worker_id: self.worker_id.clone(),
            lease,
            result: None,
            error_message: None,
            error_details: None,
            credits_consumed: 0.0,
            tokens_used: 0,
            api_calls_made: 0,
            duration_ms: None,
            run_at: self.run_at?.0,
            queued_at: self.queued_at?.0,
            started_at: self.started_at.map(|s| s.0),
            completed_at: None,
            timeout_at: self.timeout_at.map(|s| s.0),
            created_at: self.attempt_created_at?.0,
        })
    }
}
