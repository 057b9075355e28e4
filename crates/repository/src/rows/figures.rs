//! Counted figures, by position.

use task_domain::{ExecutionStatus, TaskStatus};
use task_protocols::HourOfExecutions;

use crate::columns::{Stamp, Word};

pub(crate) type TaskCount = (Word<TaskStatus>, String, i64);

/// Hour, status, count, duration and those that have one, credits, tokens, API calls.
pub(crate) type HourRow = (Stamp, Word<ExecutionStatus>, i64, i64, i64, f64, i64, i64);

pub(crate) fn hour((hour, status, count, duration_ms, timed, credits, tokens, api_calls): HourRow) -> HourOfExecutions {
    HourOfExecutions { hour: hour.0, status: status.0, count, duration_ms, timed, credits, tokens, api_calls }
}
