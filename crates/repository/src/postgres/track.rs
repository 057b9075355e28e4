//! Tasks as their streams read them.

use async_trait::async_trait;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Nullable, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use task_domain::{JsonObject, TaskStatus};
use task_protocols::{
    ProgressEntry, StatusChange, StoreResult, TaskKey, TrackFrom, TrackHead, TrackPage, TrackPosition, TrackStore,
};

use super::schema::{task_executions, task_history, task_progress};
use super::statement::{Sql, Statement};
use super::{PostgresEngine, errors};
use crate::columns::{Id, Json, Stamp, Word};
use crate::rows::{HistoryRecordRow, OutcomeRow};

/// Place in the list, bigint id, status, event_seq, newest and oldest numbers, last error, time.
type HeadRow = (i64, i64, Word<TaskStatus>, i64, i64, i64, i64, Option<String>, Stamp);
type HeadSql = (BigInt, BigInt, Text, BigInt, BigInt, BigInt, BigInt, Nullable<Text>, Timestamptz);

#[async_trait]
impl TrackStore for PostgresEngine {
    async fn heads(&self, tasks: &[TaskKey]) -> StoreResult<Vec<Option<TrackHead>>> {
        let mut connection = self.pools.main().await?;
        let mut heads = vec![None; tasks.len()];
        for (n, _, head) in read_heads(&mut connection, tasks).await.map_err(errors::failed)? {
            if let Some(place) = heads.get_mut(n) {
                *place = Some(head);
            }
        }
        Ok(heads)
    }

    async fn position_after(&self, task: &TaskKey, progress: i64) -> StoreResult<Option<TrackPosition>> {
        let mut connection = self.pools.main().await?;
        let found = read_heads(&mut connection, std::slice::from_ref(task)).await.map_err(errors::failed)?;
        let Some((_, id, head)) = found.into_iter().next() else { return Ok(None) };
        let before: Option<i64> = task_history::table
            .filter(task_history::tenant_id.eq(task.tenant_id.as_str()).and(task_history::task_id.eq(id)))
            .filter(task_history::progress_seq.lt(progress.min(head.position.progress)))
            .select(diesel::dsl::max(task_history::id))
            .get_result(&mut connection)
            .await
            .map_err(errors::failed)?;
        Ok(Some(TrackPosition { progress, status: before.unwrap_or_default() }))
    }

    async fn track(&self, task: &TaskKey, from: TrackFrom) -> StoreResult<Option<TrackPage>> {
        let mut connection = self.pools.main().await?;
        page(&mut connection, task, from).await.map_err(errors::failed)
    }
}

/// Place in `tasks`, bigint id, and head of those that are there.
async fn read_heads(
    connection: &mut AsyncPgConnection,
    tasks: &[TaskKey],
) -> QueryResult<Vec<(usize, i64, TrackHead)>> {
    let tenants: Vec<&str> = tasks.iter().map(|task| task.tenant_id.as_str()).collect();
    let ids: Vec<&str> = tasks.iter().map(|task| task.task_id.as_str()).collect();
    let rows: Vec<HeadRow> = Sql(include_str!("sql/track_heads.sql"))
        .bind::<Array<Text>, _>(tenants)
        .bind::<Array<Text>, _>(ids)
        .reading::<HeadSql>()
        .load(connection)
        .await?;
    let head = |(n, id, status, event_seq, progress, last, first_seq_id, last_error, at): HeadRow| {
        let head = TrackHead {
            status: status.0,
            event_seq,
            position: TrackPosition { progress, status: last },
            first_seq_id,
            last_error,
            updated_at: at.0,
        };
        (usize::try_from(n - 1).unwrap_or(usize::MAX), id, head)
    };
    Ok(rows.into_iter().map(head).collect())
}

/// The head is one snapshot and the rest is read up to it, so the page is of that moment.
async fn page(connection: &mut AsyncPgConnection, task: &TaskKey, from: TrackFrom) -> QueryResult<Option<TrackPage>> {
    let found = read_heads(connection, std::slice::from_ref(task)).await?;
    let Some((_, id, head)) = found.into_iter().next() else { return Ok(None) };
    let tenant_id = task.tenant_id.as_str();
    let changes = if head.position.status > from.position.status {
        read_changes(connection, tenant_id, id, &head, from).await?
    } else {
        Vec::new()
    };
    let progress = if head.position.progress > from.position.progress {
        let rows: Vec<(i64, Id, Json<JsonObject>, Stamp)> = task_progress::table
            .filter(task_progress::tenant_id.eq(tenant_id).and(task_progress::task_id.eq(id)))
            .filter(task_progress::seq_id.gt(from.position.progress))
            .filter(task_progress::seq_id.le(head.position.progress))
            .order(task_progress::seq_id)
            .limit(from.progress_limit)
            .select((
                task_progress::seq_id,
                task_progress::execution_id,
                task_progress::data,
                task_progress::occurred_at,
            ))
            .load(connection)
            .await?;
        let entry = |(seq_id, execution_id, data, at): (i64, Id, Json<JsonObject>, Stamp)| ProgressEntry {
            seq_id,
            execution_id: execution_id.0,
            data: data.0,
            timestamp: at.0,
        };
        rows.into_iter().map(entry).collect()
    } else {
        Vec::new()
    };
    Ok(Some(TrackPage { head, progress, changes }))
}

async fn read_changes(
    connection: &mut AsyncPgConnection,
    tenant_id: &str,
    id: i64,
    head: &TrackHead,
    from: TrackFrom,
) -> QueryResult<Vec<StatusChange>> {
    let moved = task_history::from_status
        .is_null()
        .or(task_history::from_status.ne(task_history::to_status.nullable()))
        .or(task_history::ended.is_not_null());
    let rows: Vec<HistoryRecordRow> = task_history::table
        .filter(task_history::tenant_id.eq(tenant_id).and(task_history::task_id.eq(id)))
        .filter(task_history::id.gt(from.position.status).and(task_history::id.le(head.position.status)))
        .filter(moved.assume_not_null())
        .order(task_history::id)
        .limit(from.changes_limit)
        .load(connection)
        .await?;
    let ended: Vec<Id> = rows.iter().filter_map(HistoryRecordRow::ended_execution).collect();
    let outcomes: Vec<OutcomeRow> = if ended.is_empty() {
        Vec::new()
    } else {
        task_executions::table
            .filter(task_executions::tenant_id.eq(tenant_id))
            .filter(task_executions::execution_id.eq_any(ended.iter().map(|id| id.0)))
            .select((
                task_executions::execution_id,
                task_executions::result,
                task_executions::error_message,
                task_executions::error_details,
            ))
            .load(connection)
            .await?
    };
    Ok(rows.into_iter().map(|row| row.into_change(&outcomes)).collect())
}
