//! Tasks as their streams read them.

use async_trait::async_trait;
use diesel::prelude::*;
use task_domain::{JsonObject, TaskStatus};
use task_protocols::{
    ProgressEntry, StatusChange, StoreResult, TaskKey, TrackFrom, TrackHead, TrackPage, TrackPosition, TrackStore,
};

use super::schema::{task_executions, task_history, task_progress, task_states};
use super::{SqliteEngine, tasks};
use crate::columns::{Id, Json, Stamp, Word};
use crate::rows::{HistoryRecordRow, OutcomeRow};

#[async_trait]
impl TrackStore for SqliteEngine {
    async fn heads(&self, tasks: &[TaskKey]) -> StoreResult<Vec<Option<TrackHead>>> {
        let tasks = tasks.to_vec();
        self.read(move |conn| tasks.iter().map(|task| Ok(head(conn, task)?.map(|(_, head)| head))).collect()).await
    }

    async fn position_after(&self, task: &TaskKey, progress: i64) -> StoreResult<Option<TrackPosition>> {
        let task = task.clone();
        self.read(move |conn| {
            let Some((id, head)) = head(conn, &task)? else { return Ok(None) };
            let before: Option<i64> = task_history::table
                .filter(task_history::tenant_id.eq(task.tenant_id.as_str()).and(task_history::task_id.eq(id)))
                .filter(task_history::progress_seq.lt(progress.min(head.position.progress)))
                .select(diesel::dsl::max(task_history::id))
                .get_result(conn)?;
            Ok(Some(TrackPosition { progress, status: before.unwrap_or_default() }))
        })
        .await
    }

    async fn track(&self, task: &TaskKey, from: TrackFrom) -> StoreResult<Option<TrackPage>> {
        let task = task.clone();
        self.read(move |conn| {
            let Some((id, head)) = head(conn, &task)? else { return Ok(None) };
            let tenant_id = task.tenant_id.as_str();
            let changes = changes(conn, tenant_id, id, &head, from)?;
            let progress = progress(conn, tenant_id, id, &head, from)?;
            Ok(Some(TrackPage { head, progress, changes }))
        })
        .await
    }
}

fn head(conn: &mut SqliteConnection, task: &TaskKey) -> QueryResult<Option<(i64, TrackHead)>> {
    let Some(id) = tasks::live_id(conn, &task.tenant_id, &task.task_id)? else { return Ok(None) };
    let tenant_id = task.tenant_id.as_str();
    let (status, event_seq, progress, last_error, updated_at): (Word<TaskStatus>, i64, i64, Option<String>, Stamp) =
        task_states::table
            .filter(task_states::tenant_id.eq(tenant_id).and(task_states::id.eq(id)))
            .select((
                task_states::status,
                task_states::event_seq,
                task_states::progress_seq,
                task_states::last_error,
                task_states::updated_at,
            ))
            .get_result(conn)?;
    let last: Option<i64> = task_history::table
        .filter(task_history::tenant_id.eq(tenant_id).and(task_history::task_id.eq(id)))
        .select(diesel::dsl::max(task_history::id))
        .get_result(conn)?;
    let first: Option<i64> = task_progress::table
        .filter(task_progress::tenant_id.eq(tenant_id).and(task_progress::task_id.eq(id)))
        .select(diesel::dsl::min(task_progress::seq_id))
        .get_result(conn)?;
    let head = TrackHead {
        status: status.0,
        event_seq,
        position: TrackPosition { progress, status: last.unwrap_or_default() },
        first_seq_id: first.unwrap_or(progress + 1),
        last_error,
        updated_at: updated_at.0,
    };
    Ok(Some((id, head)))
}

fn progress(
    conn: &mut SqliteConnection,
    tenant_id: &str,
    id: i64,
    head: &TrackHead,
    from: TrackFrom,
) -> QueryResult<Vec<ProgressEntry>> {
    let rows: Vec<(i64, Id, Json<JsonObject>, Stamp)> = task_progress::table
        .filter(task_progress::tenant_id.eq(tenant_id).and(task_progress::task_id.eq(id)))
        .filter(task_progress::seq_id.gt(from.position.progress))
        .filter(task_progress::seq_id.le(head.position.progress))
        .order(task_progress::seq_id)
        .limit(from.progress_limit)
        .select((task_progress::seq_id, task_progress::execution_id, task_progress::data, task_progress::occurred_at))
        .load(conn)?;
    let entry = |(seq_id, execution_id, data, at): (i64, Id, Json<JsonObject>, Stamp)| ProgressEntry {
        seq_id,
        execution_id: execution_id.0,
        data: data.0,
        timestamp: at.0,
    };
    Ok(rows.into_iter().map(entry).collect())
}

fn changes(
    conn: &mut SqliteConnection,
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
        .load(conn)?;
    let ended: Vec<Id> = rows.iter().filter_map(HistoryRecordRow::ended_execution).collect();
    let outcomes: Vec<OutcomeRow> = task_executions::table
        .filter(task_executions::tenant_id.eq(tenant_id).and(task_executions::execution_id.eq_any(ended)))
        .select((
            task_executions::execution_id,
            task_executions::result,
            task_executions::error_message,
            task_executions::error_details,
        ))
        .load(conn)?;
    Ok(rows.into_iter().map(|row| row.into_change(&outcomes)).collect())
}
