//! The sweep.

use std::time::Duration;

use async_trait::async_trait;
use chrono::DateTime;
use diesel::prelude::*;
use task_protocols::{RetentionStore, StoreResult, SweepCursor, Swept};

use super::SqliteEngine;
use super::schema::{
    idempotency_keys, inbox_events, task_conversations, task_executions, task_history, task_progress, task_states,
    user_tasks,
};
use crate::columns::Stamp;

#[async_trait]
impl RetentionStore for SqliteEngine {
    async fn sweep(&self, what: Swept, age: Duration, limit: i64) -> StoreResult<u64> {
        self.write(move |conn, now| {
            let before = Stamp(now - age);
            let swept = match what {
                Swept::IdempotencyKeys => {
                    let old = idempotency_keys::table
                        .filter(idempotency_keys::created_at.lt(before))
                        .limit(limit)
                        .select((idempotency_keys::tenant_id, idempotency_keys::caller, idempotency_keys::key))
                        .load::<(String, String, String)>(conn)?;
                    for (tenant_id, caller, key) in &old {
                        diesel::delete(idempotency_keys::table.find((tenant_id, caller, key))).execute(conn)?;
                    }
                    old.len()
                }
                Swept::InboxIds => {
                    let old: Vec<String> = inbox_events::table
                        .filter(inbox_events::received_at.lt(before))
                        .limit(limit)
                        .select(inbox_events::event_id)
                        .load(conn)?;
                    diesel::delete(inbox_events::table.filter(inbox_events::event_id.eq_any(old))).execute(conn)?
                }
                Swept::DeletedTasks => {
                    let old: Vec<i64> = user_tasks::table
                        .filter(user_tasks::deleted_at.lt(before))
                        .limit(limit)
                        .select(user_tasks::id)
                        .load(conn)?;
                    remove_records(conn, &old, false)?;
                    diesel::delete(task_conversations::table.filter(task_conversations::task_id.eq_any(&old)))
                        .execute(conn)?;
                    diesel::delete(task_states::table.filter(task_states::id.eq_any(&old))).execute(conn)?;
                    diesel::delete(user_tasks::table.filter(user_tasks::id.eq_any(&old))).execute(conn)?
                }
            };
            Ok(swept as u64)
        })
        .await
    }

    async fn sweep_terminal(
        &self,
        age: Duration,
        after: Option<SweepCursor>,
        limit: i64,
    ) -> StoreResult<Option<SweepCursor>> {
        let after = after.unwrap_or(SweepCursor { ended_at: DateTime::UNIX_EPOCH, id: 0 });
        self.write(move |conn, now| {
            let ended_at = task_states::completed_at.assume_not_null();
            let from = Stamp(after.ended_at);
            let old: Vec<(i64, Option<Stamp>)> = task_states::table
                .filter(task_states::completed_at.lt(Stamp(now - age)).and(ended_at.ge(from)))
                .filter(ended_at.gt(from).or(task_states::id.gt(after.id)))
                .order((task_states::completed_at, task_states::id))
                .limit(limit)
                .select((task_states::id, task_states::completed_at))
                .load(conn)?;
            let ids: Vec<i64> = old.iter().map(|(id, _)| *id).collect();
            remove_records(conn, &ids, true)?;
            let last = old.last().and_then(|(id, ended_at)| Some((*id, (*ended_at)?)));
            Ok(last.map(|(id, ended_at)| SweepCursor { ended_at: ended_at.0, id }))
        })
        .await
    }
}

/// Removes what is recorded of tasks; of living ones the last result stays.
fn remove_records(conn: &mut SqliteConnection, tasks: &[i64], keep_last_result: bool) -> QueryResult<()> {
    diesel::delete(task_history::table.filter(task_history::task_id.eq_any(tasks))).execute(conn)?;
    diesel::delete(task_progress::table.filter(task_progress::task_id.eq_any(tasks))).execute(conn)?;
    let kept: Vec<Option<i64>> = if keep_last_result {
        task_states::table
            .filter(task_states::id.eq_any(tasks))
            .select(task_states::last_result_execution)
            .load(conn)?
    } else {
        Vec::new()
    };
    let kept: Vec<i64> = kept.into_iter().flatten().collect();
    let ended =
        task_executions::table.filter(task_executions::task_id.eq_any(tasks)).filter(task_executions::id.ne_all(kept));
    diesel::delete(ended).execute(conn).map(drop)
}
