//! The audit trail.

use async_trait::async_trait;
use diesel::prelude::*;
use task_domain::{TaskId, TenantId};
use task_protocols::{HistoryRecord, HistoryStore, StoreResult};

use super::schema::task_history;
use super::{SqliteEngine, tasks};
use crate::rows::HistoryRecordRow;

#[async_trait]
impl HistoryStore for SqliteEngine {
    async fn list_history(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
        after: i64,
        limit: i64,
    ) -> StoreResult<Vec<HistoryRecord>> {
        let (tenant_id, task_id) = (tenant_id.clone(), task_id.clone());
        self.read(move |conn| {
            let Some(id) = tasks::live_id(conn, &tenant_id, &task_id)? else { return Ok(Vec::new()) };
            let rows: Vec<HistoryRecordRow> = task_history::table
                .filter(task_history::tenant_id.eq(tenant_id.as_str()).and(task_history::task_id.eq(id)))
                .filter(task_history::id.gt(after))
                .order(task_history::id)
                .limit(limit)
                .load(conn)?;
            Ok(rows.into_iter().map(|row| row.into_record(task_id.clone())).collect())
        })
        .await
    }

    async fn latest_history(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
        limit: i64,
    ) -> StoreResult<Vec<HistoryRecord>> {
        let (tenant_id, task_id) = (tenant_id.clone(), task_id.clone());
        self.read(move |conn| {
            let Some(id) = tasks::live_id(conn, &tenant_id, &task_id)? else { return Ok(Vec::new()) };
            let rows: Vec<HistoryRecordRow> = task_history::table
                .filter(task_history::tenant_id.eq(tenant_id.as_str()).and(task_history::task_id.eq(id)))
                .order(task_history::id.desc())
                .limit(limit)
                .load(conn)?;
            Ok(rows.into_iter().map(|row| row.into_record(task_id.clone())).collect())
        })
        .await
    }
}
