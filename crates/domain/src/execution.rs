//! One attempt within a run.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::{ExecutionStatus, Lease, TaskId, TenantId, TriggerType, UserId};

/// One attempt: the thing that is queued, leased, heartbeaten and finished.
#[derive(Debug, Clone, PartialEq)]
pub struct Execution {
    /// Per database; 0 until the store assigned it.
    pub id: i64,
    pub execution_id: Uuid,
    /// Ties the attempts of one run together; sent outside as `Idempotency-Key`.
    pub run_id: Uuid,
    /// Claims of this run so far, this one included; 0 before the first claim.
    pub attempt: i32,
    /// Failed attempts of this run before this one.
    pub failures: i32,
    /// Lost leases of this run before this one.
    pub lost_leases: i32,
    pub tenant_id: TenantId,
    pub task_id: TaskId,
    pub user_id: Option<UserId>,
    pub status: ExecutionStatus,
    pub trigger_type: TriggerType,
    pub trigger_data: Option<Value>,
    pub worker_id: Option<String>,
    /// The current lease; on a finished execution the last one, so that a repeated complete is recognised.
    pub lease: Option<Lease>,
    pub result: Option<Value>,
    pub error_message: Option<String>,
    pub error_details: Option<Value>,
    pub credits_consumed: f64,
    pub tokens_used: i64,
    pub api_calls_made: i64,
    /// From the claim to the outcome.
    pub duration_ms: Option<i64>,
    /// Not claimable before.
    pub run_at: DateTime<Utc>,
    /// When its *run* was queued.
    pub queued_at: DateTime<Utc>,
    pub started_at: Option<DateTime<Utc>>,
    pub completed_at: Option<DateTime<Utc>>,
    /// The run's deadline; claims, releases and further attempts never move it.
    pub timeout_at: Option<DateTime<Utc>>,
    /// When this attempt was queued.
    pub created_at: DateTime<Utc>,
}
