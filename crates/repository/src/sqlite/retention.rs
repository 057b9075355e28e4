//! The sweep. Each step is one short job of the one writer, and every statement of it a search by an
//! index (`plans.rs` checks).

use std::time::Duration;

use async_trait::async_trait;
use chrono::DateTime;
use diesel::dsl::{exists, not};
use diesel::prelude::*;
use task_protocols::{RetentionStore, StoreResult, SweepCursor, Swept};

use super::SqliteEngine;
use super::schema::{
    idempotency_keys, inbox_events, task_conversations, task_dependencies, task_executions, task_history,
    task_progress, task_states, user_tasks,
};
use crate::columns::Stamp;

#[async_trait]
impl RetentionStore for SqliteEngine {
    async fn sweep(&self, what: Swept, age: Duration, limit: i64) -> StoreResult<u64> {
        self.write(move |conn, now| {
            let before = Stamp(now - age);
            let removed = match what {
                Swept::IdempotencyKeys => idempotency_keys(conn, before, limit),
                Swept::InboxIds => inbox_ids(conn, before, limit),
                Swept::History => history(conn, before, limit),
                Swept::DeletedTasks => deleted_tasks(conn, before, limit),
            };
            removed.map(|removed| removed as u64)
        })
        .await
    }

    async fn sweep_executions(
        &self,
        age: Duration,
        after: Option<SweepCursor>,
        limit: i64,
    ) -> StoreResult<Option<SweepCursor>> {
        self.write(move |conn, now| executions(conn, Stamp(now - age), after, limit)).await
    }

    async fn sweep_terminal(
        &self,
        age: Duration,
        after: Option<SweepCursor>,
        limit: i64,
    ) -> StoreResult<Option<SweepCursor>> {
        self.write(move |conn, now| terminal(conn, Stamp(now - age), after, limit)).await
    }
}

pub(super) fn idempotency_keys(conn: &mut SqliteConnection, before: Stamp, limit: i64) -> QueryResult<usize> {
    let old: Vec<(String, String, String)> = idempotency_keys::table
        .filter(idempotency_keys::created_at.lt(before))
        .order(idempotency_keys::created_at)
        .limit(limit)
        .select((idempotency_keys::tenant_id, idempotency_keys::caller, idempotency_keys::key))
        .load(conn)?;
    for (tenant_id, caller, key) in &old {
        diesel::delete(idempotency_keys::table.find((tenant_id, caller, key))).execute(conn)?;
    }
    Ok(old.len())
}

pub(super) fn inbox_ids(conn: &mut SqliteConnection, before: Stamp, limit: i64) -> QueryResult<usize> {
    let old: Vec<String> = inbox_events::table
        .filter(inbox_events::received_at.lt(before))
        .order(inbox_events::received_at)
        .limit(limit)
        .select(inbox_events::event_id)
        .load(conn)?;
    diesel::delete(inbox_events::table.filter(inbox_events::event_id.eq_any(old))).execute(conn)
}

pub(super) fn history(conn: &mut SqliteConnection, before: Stamp, limit: i64) -> QueryResult<usize> {
    let old: Vec<i64> = task_history::table
        .filter(task_history::occurred_at.lt(before))
        .order(task_history::occurred_at)
        .limit(limit)
        .select(task_history::id)
        .load(conn)?;
    diesel::delete(task_history::table.filter(task_history::id.eq_any(old))).execute(conn)
}

/// Removes up to `limit` rows of a task, those with the lowest numbers; how many.
macro_rules! remove_first {
    ($conn:expr, $table:ident.$number:ident, $task:expr, $limit:expr) => {{
        let (tenant_id, id): (&str, i64) = $task;
        let of_task = || $table::table.filter($table::tenant_id.eq(tenant_id).and($table::task_id.eq(id)));
        let first = of_task().order($table::$number).limit($limit).select($table::$number);
        match first.load::<i64>($conn)?.last() {
            Some(last) => diesel::delete(of_task().filter($table::$number.le(*last))).execute($conn)?,
            None => 0,
        }
    }};
}

/// Task by task: the records, and when none of them is left the task.
pub(super) fn deleted_tasks(conn: &mut SqliteConnection, before: Stamp, limit: i64) -> QueryResult<usize> {
    let most = usize::try_from(limit).unwrap_or_default();
    let awaited = task_dependencies::table.filter(
        task_dependencies::tenant_id
            .eq(user_tasks::tenant_id)
            .and(task_dependencies::depends_on.eq(user_tasks::task_id)),
    );
    let old: Vec<(String, i64, String)> = user_tasks::table
        .filter(user_tasks::deleted_at.lt(before).and(not(exists(awaited))))
        .order(user_tasks::deleted_at)
        .limit(limit)
        .select((user_tasks::tenant_id, user_tasks::id, user_tasks::task_id))
        .load(conn)?;
    let mut removed = 0;
    for (tenant_id, id, task_id) in &old {
        let task = (tenant_id.as_str(), *id);
        let left = |removed: usize| limit - i64::try_from(removed).unwrap_or(limit);
        removed += remove_first!(conn, task_progress.seq_id, task, left(removed));
        removed += remove_first!(conn, task_executions.id, task, left(removed));
        removed += remove_first!(conn, task_history.id, task, left(removed));
        removed += remove_first!(conn, task_conversations.id, task, left(removed));
        if removed >= most {
            break;
        }
        diesel::delete(task_states::table.find(task)).execute(conn)?;
        forget(conn, tenant_id, task_id)?;
        removed += diesel::delete(user_tasks::table.find(id)).execute(conn)?;
    }
    Ok(removed)
}

pub(super) fn executions(
    conn: &mut SqliteConnection,
    before: Stamp,
    after: Option<SweepCursor>,
    limit: i64,
) -> QueryResult<Option<SweepCursor>> {
    let after = after.unwrap_or(BEGINNING);
    let (ended_at, from) = (task_executions::completed_at.assume_not_null(), Stamp(after.ended_at));
    let old: Vec<(String, i64, i64, Stamp)> = task_executions::table
        .filter(task_executions::completed_at.lt(before).and(ended_at.ge(from)))
        .filter(ended_at.gt(from).or(task_executions::id.gt(after.id)))
        .order((task_executions::completed_at, task_executions::id))
        .limit(limit)
        .select((task_executions::tenant_id, task_executions::task_id, task_executions::id, ended_at))
        .load(conn)?;
    for (tenant_id, task_id, id, _) in &old {
        let last_result: Option<Option<i64>> = task_states::table
            .find((tenant_id, task_id))
            .select(task_states::last_result_execution)
            .get_result(conn)
            .optional()?;
        if last_result.flatten() != Some(*id) {
            diesel::delete(task_executions::table.find((tenant_id, task_id, id))).execute(conn)?;
        }
    }
    Ok(old.last().map(|(_, _, id, ended_at)| SweepCursor { ended_at: ended_at.0, id: *id }))
}

pub(super) fn terminal(
    conn: &mut SqliteConnection,
    before: Stamp,
    after: Option<SweepCursor>,
    limit: i64,
) -> QueryResult<Option<SweepCursor>> {
    let after = after.unwrap_or(BEGINNING);
    let (ended_at, from) = (task_states::completed_at.assume_not_null(), Stamp(after.ended_at));
    let old: Vec<(String, i64, Stamp, i64)> = task_states::table
        .filter(task_states::completed_at.lt(before).and(ended_at.ge(from)))
        .filter(ended_at.gt(from).or(task_states::id.gt(after.id)))
        .order((task_states::completed_at, task_states::id))
        .limit(limit)
        .select((task_states::tenant_id, task_states::id, ended_at, task_states::progress_seq))
        .load(conn)?;
    if old.is_empty() {
        return Ok(None);
    }
    let (mut place, mut left) = (after, limit);
    for (tenant_id, id, ended_at, progress_seq) in &old {
        if *progress_seq > 0 {
            let removed = remove_first!(conn, task_progress.seq_id, (tenant_id.as_str(), *id), left);
            left -= i64::try_from(removed).unwrap_or(left);
            if left <= 0 {
                break;
            }
        }
        let task_id: Option<String> =
            user_tasks::table.find(id).select(user_tasks::task_id).get_result(conn).optional()?;
        if let Some(task_id) = task_id {
            forget(conn, tenant_id, &task_id)?;
        }
        place = SweepCursor { ended_at: ended_at.0, id: *id };
    }
    Ok(Some(place))
}

const BEGINNING: SweepCursor = SweepCursor { ended_at: DateTime::UNIX_EPOCH, id: 0 };

/// The task waits for nothing any more.
pub(super) fn forget(conn: &mut SqliteConnection, tenant_id: &str, task_id: &str) -> QueryResult<()> {
    let edges = task_dependencies::table
        .filter(task_dependencies::tenant_id.eq(tenant_id).and(task_dependencies::task_id.eq(task_id)));
    diesel::delete(edges).execute(conn).map(drop)
}
