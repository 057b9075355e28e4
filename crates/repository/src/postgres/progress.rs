//! Progress entries, numbered without holes per task.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::dsl::count_star;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Jsonb, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use task_domain::{JsonObject, LeaseToken, TaskId, TenantId};
use task_protocols::{ProgressAppended, ProgressEntry, ProgressStore, StoreResult};

use super::batcher::Key;
use super::heartbeats::heartbeat;
use super::pool::Pools;
use super::schema::{task_progress, user_tasks};
use super::statement::{Sql, Statement};
use super::together::{Together, by_place};
use super::{PostgresEngine, errors};
use crate::columns::Json;
use crate::rows::{ProgressRow, progress_entry};

/// An append on its way to the database.
pub(super) struct Append {
    key: Key,
    token: LeaseToken,
    entries: Vec<JsonObject>,
}

/// Its place, the number of its last entry, the clock, and the new end of the lease.
type AppendedRow = (i64, i64, DateTime<Utc>, DateTime<Utc>);

/// Appends, coalesced.
pub(super) struct Appends {
    pub(super) pools: Arc<Pools>,
    /// Entries kept of a task.
    pub(super) max_entries: i64,
}

impl Together for Appends {
    type Item = Append;
    /// `None`: the lease is not current.
    type Outcome = Option<ProgressAppended>;

    fn key(item: &Append) -> Key {
        item.key.clone()
    }

    async fn together(&self, items: &[&Append]) -> StoreResult<QueryResult<Vec<Option<Option<ProgressAppended>>>>> {
        let mut connection = self.pools.main().await?;
        let appended: QueryResult<Vec<AppendedRow>> = Sql(include_str!("sql/progress.sql"))
            .bind::<Array<Text>, _>(items.iter().map(|item| item.key.0.as_str()).collect::<Vec<_>>())
            .bind::<Array<Text>, _>(items.iter().map(|item| item.key.1.as_str()).collect::<Vec<_>>())
            .bind::<Array<SqlUuid>, _>(items.iter().map(|item| item.token.as_uuid()).collect::<Vec<_>>())
            .bind::<Array<Jsonb>, _>(items.iter().map(|item| Json(&item.entries)).collect::<Vec<_>>())
            .bind::<BigInt, _>(self.max_entries)
            .reading::<(BigInt, BigInt, Timestamptz, Timestamptz)>()
            .load(&mut connection)
            .await;
        let kept = |(n, seq_id, timestamp, expires_at)| {
            (n, ProgressAppended { seq_id, timestamp, lease: heartbeat(expires_at, timestamp) })
        };
        Ok(appended.map(|rows| by_place(items.len(), rows.into_iter().map(kept))))
    }
}

#[async_trait]
impl ProgressStore for PostgresEngine {
    async fn append(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
        token: LeaseToken,
        entries: &[JsonObject],
    ) -> StoreResult<Option<ProgressAppended>> {
        let key = (tenant_id.clone(), task_id.clone());
        self.appends.submit(Append { key, token, entries: entries.to_vec() }).await
    }

    async fn count_progress(&self, tenant_id: &TenantId, task_id: &TaskId) -> StoreResult<i64> {
        let same_task =
            task_progress::tenant_id.eq(user_tasks::tenant_id).and(task_progress::task_id.eq(user_tasks::id));
        let mut connection = self.pools.main().await?;
        user_tasks::table
            .inner_join(task_progress::table.on(same_task))
            .filter(user_tasks::tenant_id.eq(tenant_id.as_str()))
            .filter(user_tasks::task_id.eq(task_id.as_str()))
            .filter(user_tasks::deleted_at.is_null())
            .select(count_star())
            .get_result(&mut connection)
            .await
            .map_err(errors::failed)
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
        let rows: Vec<ProgressRow> = user_tasks::table
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
        Ok(rows.into_iter().map(progress_entry).collect())
    }
}
