//! Progress entries, numbered without holes per task.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Jsonb, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use task_domain::{JsonObject, LeaseToken, TaskId, TenantId};
use task_protocols::{ProgressAppended, ProgressEntry, ProgressStore, StoreResult};

use super::executions::heartbeat;
use super::schema::{task_progress, user_tasks};
use super::statement::{Sql, Statement};
use super::{PostgresEngine, errors};
use crate::columns::{Id, Json, Stamp};

#[async_trait]
impl ProgressStore for PostgresEngine {
    async fn append(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
        token: LeaseToken,
        entries: &[JsonObject],
    ) -> StoreResult<Option<ProgressAppended>> {
        let mut connection = self.pools.main().await?;
        let appended: Option<(i64, DateTime<Utc>, DateTime<Utc>)> = Sql(include_str!("sql/progress.sql"))
            .bind::<Text, _>(tenant_id.as_str())
            .bind::<Text, _>(task_id.as_str())
            .bind::<SqlUuid, _>(token.as_uuid())
            .bind::<Jsonb, _>(Json(entries))
            .bind::<BigInt, _>(self.max_progress_entries)
            .reading::<(BigInt, Timestamptz, Timestamptz)>()
            .get_result(&mut connection)
            .await
            .optional()
            .map_err(errors::failed)?;
        Ok(appended.map(|(seq_id, timestamp, expires_at)| ProgressAppended {
            seq_id,
            timestamp,
            lease: heartbeat(expires_at, timestamp),
        }))
    }

    async fn list_progress(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
        after_seq_id: i64,
        limit: i64,
    ) -> StoreResult<Vec<ProgressEntry>> {
        let same_task =
            task_progress::tenant_id.eq(user_tasks::tenant_id).and(task_progress::task_id.eq(user_tasks::id));
        let mut connection = self.pools.main().await?;
        let rows: Vec<(i64, Id, Json<JsonObject>, Stamp)> = user_tasks::table
            .inner_join(task_progress::table.on(same_task))
            .filter(user_tasks::tenant_id.eq(tenant_id.as_str()))
            .filter(user_tasks::task_id.eq(task_id.as_str()))
            .filter(user_tasks::deleted_at.is_null())
            .filter(task_progress::seq_id.gt(after_seq_id))
            .order(task_progress::seq_id)
            .limit(limit)
            .select((
                task_progress::seq_id,
                task_progress::execution_id,
                task_progress::data,
                task_progress::occurred_at,
            ))
            .load(&mut connection)
            .await
            .map_err(errors::failed)?;
        let entry = |(seq_id, execution_id, data, at): (i64, Id, Json<JsonObject>, Stamp)| ProgressEntry {
            seq_id,
            execution_id: execution_id.0,
            data: data.0,
            timestamp: at.0,
        };
        Ok(rows.into_iter().map(entry).collect())
    }
}
