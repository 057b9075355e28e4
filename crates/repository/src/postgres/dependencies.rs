//! Who waits for whom.

use async_trait::async_trait;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};
use diesel_async::RunQueryDsl;
use task_domain::{TaskId, TenantId};
use task_protocols::{BlockedTask, Dependency, DependencyStore, StoreResult};

use super::schema::{task_dependencies, task_states, user_tasks};
use super::{PostgresEngine, errors};
use crate::rows::{BlockedRow, DependencyRow, blocked, dependency, texts};

#[async_trait]
impl DependencyStore for PostgresEngine {
    async fn dependencies(&self, tenant_id: &TenantId, task_ids: &[TaskId]) -> StoreResult<Vec<Dependency>> {
        let same_task = task_states::tenant_id.eq(user_tasks::tenant_id).and(task_states::id.eq(user_tasks::id));
        let query = user_tasks::table
            .inner_join(task_states::table.on(same_task))
            .filter(user_tasks::tenant_id.eq(tenant_id.as_str()))
            .filter(user_tasks::task_id.eq_any(texts(task_ids)))
            .select((
                user_tasks::task_id,
                user_tasks::user_id,
                user_tasks::task_type,
                task_states::status,
                user_tasks::deleted_at,
                user_tasks::schedule.is_not_null(),
                task_states::success_count,
            ));
        let mut connection = self.pools.main().await?;
        let rows: Vec<DependencyRow> = query.load(&mut connection).await.map_err(errors::failed)?;
        Ok(rows.into_iter().map(dependency).collect())
    }

    async fn waiting_for(&self, tenant_id: &TenantId, ended: &[TaskId]) -> StoreResult<Vec<TaskId>> {
        let query = task_dependencies::table
            .filter(task_dependencies::tenant_id.eq(tenant_id.as_str()))
            .filter(task_dependencies::depends_on.eq_any(texts(ended)))
            .select(task_dependencies::task_id)
            .distinct();
        let mut connection = self.pools.main().await?;
        let ids: Vec<String> = query.load(&mut connection).await.map_err(errors::failed)?;
        Ok(ids.into_iter().map(TaskId::from_stored).collect())
    }

    async fn forget(&self, tenant_id: &TenantId, task_id: &TaskId) -> StoreResult<()> {
        let edges = task_dependencies::table
            .filter(task_dependencies::tenant_id.eq(tenant_id.as_str()))
            .filter(task_dependencies::task_id.eq(task_id.as_str()));
        let mut connection = self.pools.main().await?;
        diesel::delete(edges).execute(&mut connection).await.map_err(errors::failed)?;
        Ok(())
    }

    async fn blocked_after(&self, after: Option<(TenantId, i64)>, limit: i64) -> StoreResult<Vec<BlockedTask>> {
        let same_task = user_tasks::tenant_id.eq(task_states::tenant_id).and(user_tasks::id.eq(task_states::id));
        // Before every place.
        let (tenant_id, id) = after.map_or_else(|| (String::new(), 0), |(tenant_id, id)| (tenant_id.to_string(), id));
        // As a whole, so that the walk of the index begins at the place.
        let place = sql::<Bool>("(task_states.tenant_id, task_states.id) > (").bind::<Text, _>(tenant_id);
        let query = task_states::table
            .inner_join(user_tasks::table.on(same_task))
            // Literally what the index holds, so that it is used.
            .filter(sql::<Bool>("task_states.status = 'blocked'"))
            .filter(place.sql(", ").bind::<BigInt, _>(id).sql(")"))
            .filter(user_tasks::deleted_at.is_null())
            .order((task_states::tenant_id, task_states::id))
            .limit(limit)
            .select((
                task_states::tenant_id,
                task_states::id,
                user_tasks::task_id,
                user_tasks::user_id,
                user_tasks::depends_on,
            ));
        let mut connection = self.pools.main().await?;
        let rows: Vec<BlockedRow> = query.load(&mut connection).await.map_err(errors::failed)?;
        Ok(rows.into_iter().map(blocked).collect())
    }
}
