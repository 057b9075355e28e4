//! Overviews of queues and leases, on a reader of their own.

use async_trait::async_trait;
use chrono::Duration;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Nullable, Text};
use task_domain::TenantId;
use task_protocols::{LiveLease, OverviewStore, QueueFigures, StoreResult};

use super::SqliteEngine;
use super::schema::{task_states, user_tasks};
use crate::columns::Stamp;
use crate::rows::{CountedRow, LeaseRow, lease, queue_figures};

#[async_trait]
impl OverviewStore for SqliteEngine {
    async fn queues(&self, tenant_id: Option<TenantId>) -> StoreResult<Vec<QueueFigures>> {
        let now = self.now();
        let rows = self.analytics.run(move |conn| {
            sql_query(include_str!("sql/queues.sql"))
                .bind::<Nullable<Text>, _>(tenant_id.as_ref().map(TenantId::as_str))
                .bind::<BigInt, _>(Stamp(now - Duration::minutes(5)))
                .bind::<BigInt, _>(Stamp(now - Duration::minutes(1)))
                .load::<CountedRow>(conn)
        });
        Ok(queue_figures(rows.await?))
    }

    async fn live_leases(&self, tenant_id: &TenantId, limit: i64) -> StoreResult<Vec<LiveLease>> {
        let (tenant_id, now) = (tenant_id.clone(), self.now());
        let rows: Vec<LeaseRow> = self
            .analytics
            .run(move |conn| {
                let same_task =
                    task_states::tenant_id.eq(user_tasks::tenant_id).and(task_states::id.eq(user_tasks::id));
                user_tasks::table
                    .inner_join(task_states::table.on(same_task))
                    .filter(task_states::tenant_id.eq(tenant_id.as_str()).and(task_states::lease_token.is_not_null()))
                    .filter(task_states::lease_expires_at.gt(Stamp(now)).and(user_tasks::deleted_at.is_null()))
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
                    .load(conn)
            })
            .await?;
        Ok(rows.into_iter().filter_map(lease).collect())
    }
}
