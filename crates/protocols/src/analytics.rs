//! Figures of one user.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use task_domain::{ExecutionStatus, TaskStatus, TenantId, UserId};

use crate::StoreResult;

/// Executions of one hour with one status.
#[derive(Debug, Clone, PartialEq)]
pub struct HourOfExecutions {
    /// The full hour, UTC.
    pub hour: DateTime<Utc>,
    pub status: ExecutionStatus,
    pub count: i64,
    /// Of those that have a duration, and their number.
    pub duration_ms: i64,
    pub timed: i64,
    pub credits: f64,
    pub tokens: i64,
    pub api_calls: i64,
}

/// What is counted for one user.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Figures {
    /// Live tasks by status and type.
    pub tasks: Vec<(TaskStatus, String, i64)>,
    /// Ended executions whose run was queued in the window, by hour of that.
    pub executions: Vec<HourOfExecutions>,
}

#[cfg_attr(feature = "mock", mockall::automock)]
#[async_trait]
pub trait AnalyticsStore: Send + Sync {
    /// Counts for a user since a moment. Bounded: it gives up after a few seconds, and never takes
    /// a connection from claims and requests.
    async fn figures(&self, tenant_id: &TenantId, user_id: &UserId, since: DateTime<Utc>) -> StoreResult<Figures>;
}
