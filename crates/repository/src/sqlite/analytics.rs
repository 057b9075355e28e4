//! Figures of one user.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::dsl::count_star;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Double, Text};
use task_domain::{ExecutionStatus, TenantId, UserId};
use task_protocols::{AnalyticsStore, Figures, HourOfExecutions, StoreError, StoreResult};

use super::SqliteEngine;
use super::schema::{task_states, user_tasks};
use crate::columns::{Stamp, Word};
use crate::rows::TaskCount;

/// Longer than this nobody waits for figures.
const TIMEOUT: std::time::Duration = std::time::Duration::from_secs(5);

#[derive(QueryableByName)]
struct Hour {
    #[diesel(sql_type = BigInt)]
    hour: Stamp,
    #[diesel(sql_type = Text)]
    status: Word<ExecutionStatus>,
    #[diesel(sql_type = BigInt)]
    count: i64,
    #[diesel(sql_type = BigInt)]
    duration_ms: i64,
    #[diesel(sql_type = BigInt)]
    timed: i64,
    #[diesel(sql_type = Double)]
    credits: f64,
    #[diesel(sql_type = BigInt)]
    tokens: i64,
    #[diesel(sql_type = BigInt)]
    api_calls: i64,
}

impl From<Hour> for HourOfExecutions {
    fn from(row: Hour) -> Self {
        Self {
            hour: row.hour.0,
            status: row.status.0,
            count: row.count,
            duration_ms: row.duration_ms,
            timed: row.timed,
            credits: row.credits,
            tokens: row.tokens,
            api_calls: row.api_calls,
        }
    }
}

#[async_trait]
impl AnalyticsStore for SqliteEngine {
    async fn figures(&self, tenant_id: &TenantId, user_id: &UserId, since: DateTime<Utc>) -> StoreResult<Figures> {
        let (tenant_id, user_id) = (tenant_id.clone(), user_id.clone());
        let count = self.analytics.run(move |conn| {
            let tasks = tasks(conn, tenant_id.as_str(), user_id.as_str())?;
            let executions: Vec<Hour> = sql_query(include_str!("sql/figures.sql"))
                .bind::<Text, _>(tenant_id.as_str())
                .bind::<Text, _>(user_id.as_str())
                .bind::<BigInt, _>(Stamp(since))
                .load(conn)?;
            Ok(Figures {
                tasks: tasks.into_iter().map(|(status, kind, count)| (status.0, kind, count)).collect(),
                executions: executions.into_iter().map(HourOfExecutions::from).collect(),
            })
        });
        tokio::time::timeout(TIMEOUT, count).await.map_err(StoreError::unavailable)?
    }
}

/// Live tasks of one user, by status and type.
pub(super) fn tasks(conn: &mut SqliteConnection, tenant_id: &str, user_id: &str) -> QueryResult<Vec<TaskCount>> {
    let same_task = task_states::tenant_id.eq(user_tasks::tenant_id).and(task_states::id.eq(user_tasks::id));
    user_tasks::table
        .inner_join(task_states::table.on(same_task))
        .filter(user_tasks::tenant_id.eq(tenant_id).and(user_tasks::user_id.eq(user_id)))
        .filter(user_tasks::deleted_at.is_null())
        .group_by((task_states::status, task_states::task_type))
        .select((task_states::status, task_states::task_type, count_star()))
        .load(conn)
}
