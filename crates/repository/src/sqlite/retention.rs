//! The sweep.

use std::time::Duration;

use async_trait::async_trait;
use diesel::prelude::*;
use task_protocols::{RetentionStore, StoreResult, Swept};

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
                Swept::TerminalTasks => {
                    let has_history = task_history::table.filter(task_history::task_id.eq(task_states::id));
                    let old: Vec<i64> = task_states::table
                        .filter(task_states::completed_at.lt(before))
                        .filter(diesel::dsl::exists(has_history))
                        .limit(limit)
                        .select(task_states::id)
                        .load(conn)?;
                    remove_records(conn, &old, true)?;
                    old.len()
                }
            };
            Ok(swept as u64)
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
