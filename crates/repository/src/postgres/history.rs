//! The audit trail.

use async_trait::async_trait;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use task_domain::{TaskId, TenantId};
use task_protocols::{HistoryRecord, HistoryStore, StoreResult};

use super::schema::{task_history, user_tasks};
use super::{PostgresEngine, errors};
use crate::rows::HistoryRecordRow;

#[async_trait]
impl HistoryStore for PostgresEngine {
    async fn list_history(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
        after: i64,
        limit: i64,
    ) -> StoreResult<Vec<HistoryRecord>> {
        let same_task = task_history::tenant_id.eq(user_tasks::tenant_id).and(task_history::task_id.eq(user_tasks::id));
        let mut connection = self.pools.main().await?;
        let rows: Vec<HistoryRecordRow> = user_tasks::table
            .inner_join(task_history::table.on(same_task))
            .filter(user_tasks::tenant_id.eq(tenant_id.as_str()))
            .filter(user_tasks::task_id.eq(task_id.as_str()))
            .filter(user_tasks::deleted_at.is_null())
            .filter(task_history::id.gt(after))
            .order(task_history::id)
            .limit(limit)
            .select(task_history::all_columns)
            .load(&mut connection)
            .await
            .map_err(errors::failed)?;
        Ok(rows.into_iter().map(|row| row.into_record(task_id.clone())).collect())
    }

    async fn latest_history(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
        limit: i64,
    ) -> StoreResult<Vec<HistoryRecord>> {
        let same_task = task_history::tenant_id.eq(user_tasks::tenant_id).and(task_history::task_id.eq(user_tasks::id));
        let mut connection = self.pools.main().await?;
        let rows: Vec<HistoryRecordRow> = user_tasks::table
            .inner_join(task_history::table.on(same_task))
            .filter(user_tasks::tenant_id.eq(tenant_id.as_str()))
            .filter(user_tasks::task_id.eq(task_id.as_str()))
            .filter(user_tasks::deleted_at.is_null())
            .order(task_history::id.desc())
            .limit(limit)
            .select(task_history::all_columns)
            .load(&mut connection)
            .await
            .map_err(errors::failed)?;
        Ok(rows.into_iter().map(|row| row.into_record(task_id.clone())).collect())
    }
}
