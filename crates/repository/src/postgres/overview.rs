//! Overviews of queues and leases, on connections of their own.

use async_trait::async_trait;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use diesel_async::RunQueryDsl;
use task_domain::{Handler, TenantId};
use task_protocols::{LiveLease, OverviewStore, QueueFigures, StoreResult};

use super::clock::clock_timestamp;
use super::schema::{task_states, user_tasks};
use super::statement::{Sql, Statement};
use super::tasks::live_tasks;
use super::{PostgresEngine, errors};
use crate::columns::Word;
use crate::rows::{CountedRow, LeaseRow, lease, queue_figures};

type CountedSql = (Text, Text, Text, BigInt, BigInt, Nullable<BigInt>);

#[async_trait]
impl OverviewStore for PostgresEngine {
    async fn queues(&self, tenant_id: Option<TenantId>) -> StoreResult<Vec<QueueFigures>> {
        let mut connection = self.pools.analytics().await?;
        let rows: Vec<(String, Word<Handler>, String, i64, i64, Option<i64>)> = Sql(include_str!("sql/queues.sql"))
            .bind::<Nullable<Text>, _>(tenant_id.as_ref().map(TenantId::as_str))
            .reading::<CountedSql>()
            .load(&mut connection)
            .await
            .map_err(errors::failed)?;
        let rows = rows.into_iter().map(|(task_type, handler, kind, all_of_them, last_minute, oldest)| CountedRow {
            task_type,
            handler,
            kind,
            all_of_them,
            last_minute,
            oldest,
        });
        Ok(queue_figures(rows.collect()))
    }

    async fn live_leases(&self, tenant_id: &TenantId, limit: i64) -> StoreResult<Vec<LiveLease>> {
        let mut connection = self.pools.analytics().await?;
        let rows: Vec<LeaseRow> = live_tasks()
            .filter(task_states::tenant_id.eq(tenant_id.as_str()).and(task_states::lease_token.is_not_null()))
            .filter(task_states::lease_expires_at.gt(clock_timestamp().nullable()))
            .order((task_states::worker_id, task_states::id))
            .limit(limit)
            .select((
                task_states::worker_id,
                user_tasks::task_id,
                task_states::task_type,
                task_states::execution_id,
                task_states::attempt,
                task_states::started_at,
                task_states::lease_expires_at,
            ))
            .load(&mut connection)
            .await
            .map_err(errors::failed)?;
        Ok(rows.into_iter().filter_map(lease).collect())
    }
}
