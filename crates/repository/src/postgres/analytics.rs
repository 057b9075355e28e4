//! Figures of one user, on connections of their own.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::dsl::count_star;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Double, Text, Timestamptz};
use diesel_async::RunQueryDsl;
use task_domain::{TenantId, UserId};
use task_protocols::{AnalyticsStore, Figures, StoreResult};

use super::schema::{task_states, user_tasks};
use super::statement::{Sql, Statement};
use super::{PostgresEngine, errors};
use crate::rows::{HourRow, TaskCount, hour};

type HourSql = (Timestamptz, Text, BigInt, BigInt, BigInt, Double, BigInt, BigInt);

#[async_trait]
impl AnalyticsStore for PostgresEngine {
    async fn figures(&self, tenant_id: &TenantId, user_id: &UserId, since: DateTime<Utc>) -> StoreResult<Figures> {
        let mut connection = self.pools.analytics().await?;
        let same_task = task_states::tenant_id.eq(user_tasks::tenant_id).and(task_states::id.eq(user_tasks::id));
        let tasks: Vec<TaskCount> = user_tasks::table
            .inner_join(task_states::table.on(same_task))
            .filter(user_tasks::tenant_id.eq(tenant_id.as_str()).and(user_tasks::user_id.eq(user_id.as_str())))
            .filter(user_tasks::deleted_at.is_null())
            .group_by((task_states::status, task_states::task_type))
            .select((task_states::status, task_states::task_type, count_star()))
            .load(&mut connection)
            .await
            .map_err(errors::failed)?;
        let executions: Vec<HourRow> = Sql(include_str!("sql/figures.sql"))
            .bind::<Text, _>(tenant_id.as_str())
            .bind::<Text, _>(user_id.as_str())
            .bind::<Timestamptz, _>(since)
            .reading::<HourSql>()
            .load(&mut connection)
            .await
            .map_err(errors::failed)?;
        Ok(Figures {
            tasks: tasks.into_iter().map(|(status, kind, count)| (status.0, kind, count)).collect(),
            executions: executions.into_iter().map(hour).collect(),
        })
    }
}
