//! Progress entries.

use async_trait::async_trait;
use diesel::dsl::count_star;
use diesel::prelude::*;
use task_domain::{JsonObject, LeaseToken, TaskId, TenantId};
use task_protocols::{ProgressAppended, ProgressEntry, ProgressStore, StoreResult};

use super::schema::{task_progress, task_states};
use super::{SqliteEngine, executions, tasks};
use crate::columns::{Id, Json, Stamp};
use crate::rows::{ProgressRow, progress_entry};

#[async_trait]
impl ProgressStore for SqliteEngine {
    async fn append(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
        token: LeaseToken,
        entries: &[JsonObject],
    ) -> StoreResult<Option<ProgressAppended>> {
        let (tenant_id, task_id, entries) = (tenant_id.clone(), task_id.clone(), entries.to_vec());
        let keep = self.max_progress_entries;
        self.write(move |conn, now| {
            let Some(id) = tasks::live_id(conn, &tenant_id, &task_id)? else { return Ok(None) };
            let Some(lease) = executions::extend(conn, &tenant_id, id, token, None, now)? else { return Ok(None) };
            let row =
                task_states::table.filter(task_states::tenant_id.eq(tenant_id.as_str()).and(task_states::id.eq(id)));
            let (mut seq_id, execution_id): (i64, Option<Id>) =
                row.select((task_states::progress_seq, task_states::execution_id)).get_result(conn)?;
            for entry in &entries {
                seq_id += 1;
                diesel::insert_into(task_progress::table)
                    .values((
                        task_progress::tenant_id.eq(tenant_id.as_str()),
                        task_progress::task_id.eq(id),
                        task_progress::seq_id.eq(seq_id),
                        task_progress::execution_id.eq(execution_id.unwrap_or(Id(uuid::Uuid::nil()))),
                        task_progress::data.eq(Json(entry.clone())),
                        task_progress::occurred_at.eq(Stamp(now)),
                    ))
                    .execute(conn)?;
            }
            diesel::update(row).set(task_states::progress_seq.eq(seq_id)).execute(conn)?;
            if seq_id > keep {
                let oldest = task_progress::table
                    .filter(task_progress::tenant_id.eq(tenant_id.as_str()).and(task_progress::task_id.eq(id)))
                    .filter(task_progress::seq_id.le(seq_id - keep));
                diesel::delete(oldest).execute(conn)?;
            }
            Ok(Some(ProgressAppended { seq_id, timestamp: now, lease }))
        })
        .await
    }

    async fn count_progress(&self, tenant_id: &TenantId, task_id: &TaskId) -> StoreResult<i64> {
        let (tenant_id, task_id) = (tenant_id.clone(), task_id.clone());
        self.read(move |conn| {
            let Some(id) = tasks::live_id(conn, &tenant_id, &task_id)? else { return Ok(0) };
            let kept = task_progress::table
                .filter(task_progress::tenant_id.eq(tenant_id.as_str()).and(task_progress::task_id.eq(id)));
            kept.select(count_star()).get_result(conn)
        })
        .await
    }

    async fn list_progress(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
        after_seq_id: i64,
        limit: i64,
    ) -> StoreResult<Vec<ProgressEntry>> {
        let (tenant_id, task_id) = (tenant_id.clone(), task_id.clone());
        self.read(move |conn| {
            let Some(id) = tasks::live_id(conn, &tenant_id, &task_id)? else { return Ok(Vec::new()) };
            let rows: Vec<ProgressRow> = task_progress::table
                .filter(task_progress::tenant_id.eq(tenant_id.as_str()).and(task_progress::task_id.eq(id)))
                .filter(task_progress::seq_id.gt(after_seq_id))
                .order(task_progress::seq_id)
                .limit(limit)
                .select((
                    task_progress::seq_id,
                    task_progress::execution_id,
                    task_progress::data,
                    task_progress::occurred_at,
                ))
                .load(conn)?;
            Ok(rows.into_iter().map(progress_entry).collect())
        })
        .await
    }
}
