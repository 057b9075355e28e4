//! What workers send and are answered.

use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::Value;
use task_domain::Task;
use task_service::CompletedExecution;
use utoipa::ToSchema;

use crate::routes::executions::ExecutionDto;
use crate::routes::tasks::dto::TaskDto;

/// Work that was leased to its claimer.
#[derive(Serialize, ToSchema)]
pub(crate) struct ClaimDto {
    task: TaskDto,
    execution_id: String,
    /// Claims of this run so far, this one included.
    attempt: i32,
    /// Shown with every report; whoever shows it holds the lease.
    #[schema(example = "4f0c0e6f7d0b4f7a9f8e2d1c0b3a4958")]
    lease_token: String,
    /// Renew it by a heartbeat or a progress entry before.
    lease_expires_in_ms: i64,
}

impl ClaimDto {
    /// `now` is the store's clock. `None` when the task is not leased.
    pub(super) fn of(task: Task, now: DateTime<Utc>) -> Option<Self> {
        let execution = task.current.as_ref()?;
        let lease = execution.lease?;
        Some(Self {
            execution_id: execution.execution_id.to_string(),
            attempt: execution.attempt,
            lease_token: lease.token.reveal(),
            lease_expires_in_ms: (lease.expires_at - now).num_milliseconds().max(0),
            task: TaskDto::item(task),
        })
    }
}

/// Work that was leased to its claimer, most urgent first; empty when there was none.
#[derive(Serialize, ToSchema)]
pub(crate) struct ClaimsDto {
    pub(super) claims: Vec<ClaimDto>,
}

/// What a worker claims.
#[derive(Serialize, ToSchema)]
pub(crate) struct Claim {
    /// Only tasks of these types are given.
    #[schema(min_items = 1, max_items = 100)]
    task_types: Vec<String>,
    /// The worker's name, of its own choice.
    #[schema(min_length = 1, max_length = 255)]
    worker_id: String,
    #[schema(minimum = 1, maximum = 100, default = 1)]
    max_tasks: Option<i64>,
    #[schema(minimum = 5, maximum = 86400, default = 60)]
    lease_seconds: Option<i64>,
    /// How long to wait for work when there is none.
    #[schema(minimum = 0, maximum = 30, default = 0)]
    wait_seconds: Option<i64>,
    /// Makes the claim safe to repeat: the same worker and id get the same claims while they live.
    #[schema(min_length = 1, max_length = 128)]
    request_id: Option<String>,
}

/// A claim of a task that the path names. `max_tasks` and `wait_seconds` change nothing here.
#[derive(Serialize, ToSchema)]
pub(crate) struct ClaimTask {
    #[schema(min_length = 1, max_length = 255)]
    worker_id: String,
    #[schema(minimum = 5, maximum = 86400, default = 60)]
    lease_seconds: Option<i64>,
    #[schema(min_length = 1, max_length = 128)]
    request_id: Option<String>,
    #[schema(minimum = 1, maximum = 100)]
    max_tasks: Option<i64>,
    #[schema(minimum = 0, maximum = 30)]
    wait_seconds: Option<i64>,
}

/// Extends a lease.
#[derive(Serialize, ToSchema)]
pub(crate) struct Heartbeat {
    lease_token: String,
    /// From now on; the lease's current length when absent.
    #[schema(minimum = 5, maximum = 86400)]
    lease_seconds: Option<i64>,
}

/// A renewed lease.
#[derive(Serialize, ToSchema)]
pub(crate) struct HeartbeatDto {
    pub(super) lease_expires_in_ms: i64,
}

/// Progress: one entry, or a list of up to 100, each an object of at most 16 KiB.
#[derive(Serialize, ToSchema)]
pub(crate) struct Progress {
    lease_token: String,
    #[schema(value_type = Value)]
    progress: Value,
}

/// Progress that was kept; the lease was extended by its length.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeptProgressDto {
    pub(super) task_id: String,
    /// Of the last entry.
    pub(super) seq_id: i64,
    pub(super) timestamp: DateTime<Utc>,
    pub(super) lease_expires_in_ms: i64,
}

/// A success.
#[derive(Serialize, ToSchema)]
pub(crate) struct Complete {
    lease_token: String,
    /// Any JSON, at most 1 MiB.
    #[schema(value_type = Option<Value>)]
    result: Option<Value>,
    /// The task's `credits_per_run` when absent.
    #[schema(minimum = 0)]
    credits_consumed: Option<f64>,
    #[schema(minimum = 0)]
    tokens_used: Option<i64>,
    #[schema(minimum = 0)]
    api_calls_made: Option<i64>,
    /// Claims further work in the same round trip.
    claim_next: Option<Claim>,
}

/// A failure.
#[derive(Serialize, ToSchema)]
pub(crate) struct Fail {
    lease_token: String,
    /// A text, or `{"message", "code"?, "details"?}`.
    #[schema(value_type = Value)]
    error: Value,
    /// `false` ends the run even while attempts are left.
    #[schema(default = true)]
    retryable: Option<bool>,
}

/// Gives the work back untried.
#[derive(Serialize, ToSchema)]
pub(crate) struct Release {
    lease_token: String,
    #[schema(max_length = 1000)]
    reason: Option<String>,
    /// It is claimable again after so long.
    #[schema(minimum = 0, maximum = 86400, default = 0)]
    delay_seconds: Option<i64>,
}

/// A finished execution; with `claim_next` the further claims.
#[derive(Serialize, ToSchema)]
pub(crate) struct CompletedDto {
    #[serde(flatten)]
    pub(super) execution: ExecutionDto,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) claims: Option<Vec<ClaimDto>>,
}

/// A failed execution and what becomes of its task.
#[derive(Serialize, ToSchema)]
pub(crate) struct FailedDto {
    #[serde(flatten)]
    execution: ExecutionDto,
    next: NextDto,
}

/// What happens after a failed attempt.
#[derive(Serialize, ToSchema)]
struct NextDto {
    /// Where the task stands: `queued` again, `failed`, or back on `scheduled` or `paused`.
    #[schema(example = "queued")]
    task_status: &'static str,
    /// When the run's next attempt may be claimed; null when the run has failed.
    retry_at: Option<DateTime<Utc>>,
}

impl From<CompletedExecution> for FailedDto {
    fn from(failed: CompletedExecution) -> Self {
        let CompletedExecution { execution, task } = failed;
        let again = task.current.filter(|current| current.run_id == execution.run_id);
        let next = NextDto { task_status: task.status.as_str(), retry_at: again.map(|e| e.run_at) };
        Self { execution: execution.into(), next }
    }
}

/// Work that was given back.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReleasedDto {
    pub(super) task_id: String,
    #[schema(example = "queued")]
    pub(super) status: &'static str,
    pub(super) message: &'static str,
}

/// A report of a batch: a [`Complete`] or [`Heartbeat`] with its `task_id`.
#[derive(Serialize, ToSchema)]
pub(crate) struct CompleteBatch {
    #[schema(min_items = 1, max_items = 500)]
    items: Vec<CompleteItem>,
}

#[derive(Serialize, ToSchema)]
struct CompleteItem {
    task_id: String,
    lease_token: String,
    #[schema(value_type = Option<Value>)]
    result: Option<Value>,
    #[schema(minimum = 0)]
    credits_consumed: Option<f64>,
    #[schema(minimum = 0)]
    tokens_used: Option<i64>,
    #[schema(minimum = 0)]
    api_calls_made: Option<i64>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct HeartbeatBatch {
    #[schema(min_items = 1, max_items = 500)]
    items: Vec<HeartbeatItem>,
}

#[derive(Serialize, ToSchema)]
struct HeartbeatItem {
    task_id: String,
    lease_token: String,
    #[schema(minimum = 5, maximum = 86400)]
    lease_seconds: Option<i64>,
}

/// One result an item, in their order: what the single call answers, or `error`.
#[derive(Serialize, ToSchema)]
pub(crate) struct ReportsDto {
    /// `{"execution"}`, `{"lease_expires_in_ms"}`, or `{"error"}`: the body of the single call's error.
    #[schema(value_type = Vec<Object>)]
    pub(super) results: Vec<ReportDto>,
}

#[derive(Serialize)]
#[serde(untagged)]
pub(super) enum ReportDto {
    Done { execution: Box<ExecutionDto> },
    Renewed(HeartbeatDto),
    Refused { error: Value },
}

/// How many leases and deadlines that had run out were handled.
#[derive(Serialize, ToSchema)]
pub(crate) struct ProcessedDto {
    pub(super) processed_count: u64,
}
