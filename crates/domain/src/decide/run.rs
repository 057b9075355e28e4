//! A run begins: queued by hand, by a schedule or at creation; then claimed.

use chrono::{DateTime, Duration, Utc};
use serde_json::Value;

use super::change::{Change, Draft, Moment, Rejection};
use crate::{Execution, ExecutionStatus, Lease, LeaseToken, Task, TaskStatus, TriggerType};

impl Draft<'_> {
    /// Starts a new run: its first execution is queued, claimable at once.
    pub(super) fn queue_run(
        &mut self,
        trigger_type: TriggerType,
        trigger_data: Option<Value>,
        return_to: Option<TaskStatus>,
    ) {
        let now = self.now();
        let execution = Execution {
            id: 0,
            execution_id: self.moment.ids.id(),
            run_id: self.moment.ids.id(),
            attempt: 0,
            failures: 0,
            lost_leases: 0,
            tenant_id: self.task.tenant_id.clone(),
            task_id: self.task.task_id.clone(),
            user_id: self.task.user_id.clone(),
            status: ExecutionStatus::Queued,
            trigger_type,
            trigger_data,
            worker_id: None,
            lease: None,
            result: None,
            error_message: None,
            error_details: None,
            credits_consumed: 0.0,
            tokens_used: 0,
            api_calls_made: 0,
            duration_ms: None,
            run_at: now,
            queued_at: now,
            started_at: None,
            completed_at: None,
            timeout_at: self.task.timeout_seconds.and_then(|s| now.checked_add_signed(Duration::seconds(s))),
            created_at: now,
        };
        self.task.current = Some(execution);
        self.task.return_to = return_to;
        self.task.status = TaskStatus::Queued;
        self.task.completed_at = None;
        self.demand.run = true;
        self.demand.manual_run = trigger_type == TriggerType::Manual;
    }

    /// Queues the next attempt of the same run, claimable at `run_at`.
    pub(super) fn queue_again(&mut self, ended: &Execution, run_at: DateTime<Utc>, failures: i32, lost_leases: i32) {
        self.task.current = Some(Execution {
            id: 0,
            execution_id: self.moment.ids.id(),
            failures,
            lost_leases,
            status: ExecutionStatus::Queued,
            worker_id: None,
            lease: None,
            result: None,
            error_message: None,
            error_details: None,
            credits_consumed: 0.0,
            tokens_used: 0,
            api_calls_made: 0,
            duration_ms: None,
            run_at,
            started_at: None,
            completed_at: None,
            created_at: self.now(),
            ..ended.clone()
        });
        if self.task.status != TaskStatus::Paused {
            self.task.status = TaskStatus::Queued;
        }
    }
}

/// Starts a run by hand. A paused or scheduled task returns to that when the run ends.
pub fn execute(task: &Task, trigger_data: Option<Value>, moment: &Moment<'_>) -> Result<Change, Rejection> {
    use TaskStatus::{Completed, Failed, Paused, Pending, Scheduled, TimedOut};
    let allowed = matches!(task.status, Pending | Scheduled | Paused | Completed | Failed | TimedOut);
    // A paused task may still have a run that is held back or finishing.
    if !allowed || task.current.is_some() {
        return Err(Rejection::InvalidTransition {
            action: "execute",
            from: task.status,
            to: Some(TaskStatus::Queued),
        });
    }
    let mut draft = Draft::of(task, moment);
    draft.demand.active_task = task.status.is_terminal();
    let return_to = matches!(task.status, Paused | Scheduled).then_some(task.status);
    draft.queue_run(TriggerType::Manual, trigger_data, return_to);
    Ok(draft.finish("execute"))
}

/// The tasks it waited for are all finished.
pub fn unblock(task: &Task, moment: &Moment<'_>) -> Result<Change, Rejection> {
    if task.status != TaskStatus::Blocked {
        return Err(Rejection::InvalidTransition {
            action: "unblock",
            from: task.status,
            to: Some(TaskStatus::Queued),
        });
    }
    let mut draft = Draft::of(task, moment);
    let return_to = task.next_run_time.map(|_| TaskStatus::Scheduled);
    draft.queue_run(TriggerType::Created, None, return_to);
    Ok(draft.finish("unblock"))
}

/// Who claims, for how long.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimer {
    pub worker_id: String,
    pub lease_seconds: i64,
}

/// Leases the queued execution to a worker, under a fresh secret token.
pub fn claim(task: &Task, claimer: &Claimer, moment: &Moment<'_>) -> Result<Change, Rejection> {
    let refused = Rejection::InvalidTransition { action: "claim", from: task.status, to: Some(TaskStatus::Running) };
    if task.status != TaskStatus::Queued {
        return Err(refused);
    }
    let mut draft = Draft::of(task, moment);
    let Some(execution) = draft.task.current.as_mut().filter(|e| e.run_at <= moment.now) else {
        return Err(refused);
    };
    execution.status = ExecutionStatus::Running;
    execution.attempt += 1;
    execution.worker_id = Some(claimer.worker_id.clone());
    execution.started_at = Some(moment.now);
    execution.lease = Some(Lease {
        token: LeaseToken::new(moment.ids.secret()),
        expires_at: moment.now + Duration::seconds(claimer.lease_seconds),
    });
    draft.task.status = TaskStatus::Running;
    Ok(draft.finish("claim"))
}
