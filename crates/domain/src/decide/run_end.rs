//! An attempt ends: completed, failed, released, lost or timed out; and what then becomes of the task.

use chrono::{DateTime, Duration, Utc};
use serde_json::Value;

use super::change::{Change, Draft, LeaseGuard, Moment, Rejection};
use super::lease::check_lease;
use crate::event::executed_data;
use crate::{
    EventType, Execution, ExecutionStatus, JsonObject, LeaseLost, LeaseToken, MAX_LOST_LEASES, Task, TaskStatus,
};

/// A success, as its worker reports it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Report {
    pub result: Value,
    /// `None`: the task's `credits_per_run`.
    pub credits_consumed: Option<f64>,
    pub tokens_used: i64,
    pub api_calls_made: i64,
    /// Keys to set in the task's metadata: what the next run must know. Not an edit of the owner's,
    /// so the version stays.
    pub metadata: JsonObject,
}

/// A failure, as its worker reports it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Failure {
    pub message: String,
    pub code: Option<String>,
    pub details: Option<Value>,
    /// `false` ends the run even while attempts are left.
    pub retryable: bool,
}

impl<'a> Draft<'a> {
    /// A draft for the holder of `token`, with the running execution taken out.
    fn of_holder(task: &Task, token: LeaseToken, moment: &'a Moment<'a>) -> Result<(Self, Execution), Rejection> {
        let Some(execution) = check_lease(task, token, moment.now) else {
            return Err(Rejection::LeaseLost(super::lost_reason(task, token, None)));
        };
        let execution = execution.clone();
        let mut draft = Self::of(task, moment);
        draft.lease = LeaseGuard::Held(token);
        Ok((draft, execution))
    }

    /// Gives the attempt its outcome.
    pub(super) fn end_execution(&mut self, mut execution: Execution, status: ExecutionStatus) {
        let now = self.now();
        execution.status = status;
        execution.completed_at = Some(now);
        execution.duration_ms = execution.started_at.map(|at| (now - at).num_milliseconds().max(0));
        self.task.current = None;
        self.finished = Some(execution);
    }

    /// Ends the run with its last attempt's outcome and sends the task where it belongs.
    pub(super) fn end_run(&mut self, execution: Execution, status: ExecutionStatus, outcome: TaskStatus) {
        self.end_execution(execution, status);
        let now = self.now();
        let Some(execution) = self.finished.as_ref() else { return };
        let task = &mut self.task;
        task.run_count += 1;
        task.last_run_time = Some(now);
        if status == ExecutionStatus::Completed {
            task.success_count += 1;
            task.last_success_time = Some(now);
            task.last_error = None;
            task.last_result = execution.result.clone();
            task.total_credits_consumed += execution.credits_consumed;
        } else {
            if status != ExecutionStatus::Cancelled {
                task.failure_count += 1;
            }
            task.last_error = execution.error_message.clone();
        }
        // A run whose worker was lost for the last time has failed.
        let run = if status == ExecutionStatus::Lost { ExecutionStatus::Failed } else { status };
        let (data, queued_at) = (executed_data(execution, run), execution.queued_at);
        self.emit(EventType::Executed, data);
        self.settle(outcome, queued_at);
    }

    /// Where a task without a run goes: back to paused or scheduled, else to `outcome`.
    /// `queued_at` is when that run was queued.
    fn settle(&mut self, outcome: TaskStatus, queued_at: DateTime<Utc>) {
        let now = self.now();
        let task = &mut self.task;
        let paused = task.status == TaskStatus::Paused || task.return_to == Some(TaskStatus::Paused);
        task.return_to = None;
        if let (Some(next), Some(schedule)) = (task.next_run_time, &task.schedule) {
            task.next_run_time = schedule.after_run(next, queued_at, now, count(task.schedule_runs));
        }
        task.status = if outcome == TaskStatus::Cancelled {
            outcome
        } else if paused {
            TaskStatus::Paused
        } else if task.next_run_time.is_some() {
            TaskStatus::Scheduled
        } else {
            outcome
        };
        if task.status.is_terminal() {
            task.completed_at = Some(now);
            task.next_run_time = None;
        }
    }
}

pub(super) fn count(runs: i64) -> u32 {
    u32::try_from(runs).unwrap_or(u32::MAX)
}

/// The holder reports success.
pub fn complete(task: &Task, token: LeaseToken, report: Report, moment: &Moment<'_>) -> Result<Change, Rejection> {
    let (mut draft, mut execution) = Draft::of_holder(task, token, moment)?;
    execution.result = Some(report.result);
    execution.credits_consumed = report.credits_consumed.unwrap_or(task.credits_per_run);
    execution.tokens_used = report.tokens_used;
    execution.api_calls_made = report.api_calls_made;
    if !report.metadata.is_empty() {
        draft.task.metadata.get_or_insert_default().extend(report.metadata);
        draft.definition_changed = true;
    }
    draft.end_run(execution, ExecutionStatus::Completed, TaskStatus::Completed);
    Ok(draft.finish("complete"))
}

/// The holder reports failure: queued again after the backoff while the run has attempts left and
/// the failure is retryable, else the run has failed.
pub fn fail(task: &Task, token: LeaseToken, failure: Failure, moment: &Moment<'_>) -> Result<Change, Rejection> {
    let (mut draft, mut execution) = Draft::of_holder(task, token, moment)?;
    draft.reason = Some(failure.message.clone());
    execution.error_message = Some(failure.message.clone());
    execution.error_details = match (failure.code, failure.details) {
        (None, None) => None,
        (code, details) => Some(serde_json::json!({"code": code, "details": details})),
    };
    let failures = execution.failures + 1;
    if failure.retryable && failures < task.retry.max_attempts {
        let run_at = moment.now + task.retry.delay(failures);
        draft.end_execution(execution.clone(), ExecutionStatus::Failed);
        draft.task.last_error = Some(failure.message);
        draft.queue_again(&execution, run_at, failures, execution.lost_leases);
    } else {
        draft.end_run(execution, ExecutionStatus::Failed, TaskStatus::Failed);
    }
    Ok(draft.finish("fail"))
}

/// The holder gives the work back, untried: it costs no attempt, and progress is kept.
pub fn release(
    task: &Task,
    token: LeaseToken,
    reason: Option<String>,
    delay: Duration,
    moment: &Moment<'_>,
) -> Result<Change, Rejection> {
    let (mut draft, execution) = Draft::of_holder(task, token, moment)?;
    draft.reason = reason;
    // Without a delay it keeps its place: it has waited its turn already.
    let run_at = if delay > Duration::zero() { moment.now + delay } else { execution.run_at };
    draft.end_execution(execution.clone(), ExecutionStatus::Released);
    draft.queue_again(&execution, run_at, execution.failures, execution.lost_leases);
    Ok(draft.finish("release"))
}

/// The lease ran out (the store checks that again when it saves): queued again, or failed after
/// [`MAX_LOST_LEASES`] of one run, so that a task that kills its workers does not go round for ever.
pub fn lease_lost(task: &Task, moment: &Moment<'_>) -> Result<Change, Rejection> {
    let running = task.current.as_ref().filter(|e| e.status == ExecutionStatus::Running);
    let Some((execution, lease)) = running.and_then(|e| e.lease.map(|lease| (e, lease))) else {
        return Err(Rejection::LeaseLost(LeaseLost::Finished));
    };
    if lease.expires_at > moment.now {
        return Err(Rejection::Unchanged);
    }
    let mut draft = Draft::of(task, moment);
    draft.lease = LeaseGuard::Expired(lease.token);
    let lost = execution.lost_leases + 1;
    let mut execution = execution.clone();
    let worker = execution.worker_id.as_deref().unwrap_or("its worker");
    draft.reason = Some(format!("lease of {worker} ran out"));
    execution.error_message = Some(format!("Lease lost: {worker} sent no heartbeat in time"));
    if lost < MAX_LOST_LEASES {
        draft.end_execution(execution.clone(), ExecutionStatus::Lost);
        draft.queue_again(&execution, execution.run_at, execution.failures, lost);
    } else {
        execution.error_message =
            Some(format!("Lease lost {lost} times in one run; the task may be what stops its workers"));
        draft.end_run(execution, ExecutionStatus::Lost, TaskStatus::Failed);
    }
    Ok(draft.finish("lease_lost"))
}

/// The run passed its `timeout_at`, queued or running; a live lease is fenced.
pub fn deadline(task: &Task, moment: &Moment<'_>) -> Result<Change, Rejection> {
    let refused =
        Rejection::InvalidTransition { action: "time out", from: task.status, to: Some(TaskStatus::TimedOut) };
    let Some(execution) = &task.current else { return Err(refused) };
    if execution.timeout_at.is_none_or(|at| at > moment.now) {
        return Err(Rejection::Unchanged);
    }
    let mut draft = Draft::of(task, moment);
    let mut execution = execution.clone();
    execution.error_message = Some("Deadline passed: the run took longer than timeout_seconds".into());
    draft.reason = execution.error_message.clone();
    draft.end_run(execution, ExecutionStatus::TimedOut, TaskStatus::TimedOut);
    Ok(draft.finish("timeout"))
}
