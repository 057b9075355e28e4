//! Who holds the lease.

use chrono::{DateTime, Utc};

use crate::{Execution, ExecutionStatus, LeaseLost, LeaseToken, Task};

/// The running execution, when `token` is its current lease and has not run out. A cheap early
/// answer: the store checks the same again in the statement that makes the change.
pub fn check_lease(task: &Task, token: LeaseToken, now: DateTime<Utc>) -> Option<&Execution> {
    task.current.as_ref().filter(|execution| {
        execution.status == ExecutionStatus::Running
            && execution.lease.is_some_and(|lease| lease.token == token && lease.expires_at > now)
    })
}

/// Why `token` is not the current one. `ended` is the finished execution that had it, if any.
pub fn lost_reason(task: &Task, token: LeaseToken, ended: Option<&Execution>) -> LeaseLost {
    let current = task.current.as_ref().and_then(|e| e.lease);
    if current.is_some_and(|lease| lease.token == token) {
        return LeaseLost::Expired;
    }
    match ended.map(|e| e.status) {
        None => LeaseLost::Unknown,
        Some(ExecutionStatus::Cancelled) => LeaseLost::Cancelled,
        Some(ExecutionStatus::Released) => LeaseLost::Released,
        Some(ExecutionStatus::Lost) if current.is_some() => LeaseLost::Reclaimed,
        Some(ExecutionStatus::Lost | ExecutionStatus::TimedOut) => LeaseLost::Expired,
        Some(_) => LeaseLost::Finished,
    }
}
