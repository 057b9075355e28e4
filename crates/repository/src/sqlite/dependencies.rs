//! Who waits for whom.

use async_trait::async_trait;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Bool, Text};
use task_domain::{TaskId, TenantId};
use task_protocols::{BlockedTask, Dependency, DependencyStore, StoreResult};

use super::schema::{task_dependencies, task_states, user_tasks};
use super::{SqliteEngine, retention};
use crate::rows::{BlockedRow, DependencyRow, blocked, dependency, texts};

#[async_trait]
impl DependencyStore for SqliteEngine {
    async fn dependencies(&self, tenant_id: &TenantId, task_ids: &[TaskId]) -> StoreResult<Vec<Dependency>> {
        let (tenant_id, ids) = (tenant_id.as_str().to_owned(), texts(task_ids));
        let rows: Vec<DependencyRow> = self
            .read(move |conn| {
                let same_task =
                    task_states::tenant_id.eq(user_tasks::tenant_id).and(task_states::id.eq(user_tasks::id));
                user_tasks::table
                    .inner_join(task_states::table.on(same_task))
                    .filter(user_tasks::tenant_id.eq(tenant_id))
                    .filter(user_tasks::task_id.eq_any(ids))
                    .select((
                        user_tasks::task_id,
                        user_tasks::user_id,
                        user_tasks::task_type,
                        task_states::status,
                        user_tasks::deleted_at,
                        user_tasks::schedule.is_not_null(),
                        task_states::success_count,
                    ))
                    .load(conn)
            })
            .await?;
        Ok(rows.into_iter().map(dependency).collect())
    }

    async fn waiting_for(&self, tenant_id: &TenantId, ended: &[TaskId]) -> StoreResult<Vec<TaskId>> {
        let (tenant_id, ids) = (tenant_id.as_str().to_owned(), texts(ended));
        let found: Vec<String> = self
            .read(move |conn| {
                task_dependencies::table
                    .filter(task_dependencies::tenant_id.eq(tenant_id))
                    .filter(task_dependencies::depends_on.eq_any(ids))
                    .select(task_dependencies::task_id)
                    .distinct()
                    .load(conn)
            })
            .await?;
        Ok(found.into_iter().map(TaskId::from_stored).collect())
    }

    async fn forget(&self, tenant_id: &TenantId, task_id: &TaskId) -> StoreResult<()> {
        let (tenant_id, task_id) = (tenant_id.clone(), task_id.clone());
        self.write(move |conn, _| retention::forget(conn, tenant_id.as_str(), task_id.as_str())).await
    }

    async fn blocked_after(&self, after: Option<(TenantId, i64)>, limit: i64) -> StoreResult<Vec<BlockedTask>> {
        let rows = self.read(move |conn| blocked_after(conn, after, limit)).await?;
        Ok(rows.into_iter().map(blocked).collect())
    }
}

/// One walk of the index of blocked tasks, from the place on.
pub(super) fn blocked_after(
    conn: &mut SqliteConnection,
    after: Option<(TenantId, i64)>,
    limit: i64,
) -> QueryResult<Vec<BlockedRow>> {
    let same_task = user_tasks::tenant_id.eq(task_states::tenant_id).and(user_tasks::id.eq(task_states::id));
    // Before every place.
    let (tenant_id, id) = after.map_or_else(|| (String::new(), 0), |(tenant_id, id)| (tenant_id.to_string(), id));
    let place = sql::<Bool>("(task_states.tenant_id, task_states.id) > (").bind::<Text, _>(tenant_id);
    task_states::table
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
        ))
        .load(conn)
}
