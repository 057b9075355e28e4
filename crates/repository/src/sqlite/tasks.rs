//! Tasks.

use std::collections::HashMap;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::dsl::{count_star, sql};
use diesel::prelude::*;
use diesel::sql_types::Text;
use serde_json::Value;
use task_domain::decide::Change;
use task_domain::{Execution, Origin, Task, TaskId, TaskStatus, TenantId};
use task_protocols::{Loaded, SaveOutcome, StoreResult, TaskFilter, TaskPage, TaskStore};

use super::schema::{execution_no, task_conversations, task_executions, task_states, user_tasks};
use super::{SqliteEngine, damaged, executions, list, save};
use crate::columns::{Json, Word};
use crate::rows::{StateRow, TaskRow, task_from_rows};

/// A task by its bigint id, without `last_result`.
pub(super) fn by_id(conn: &mut SqliteConnection, tenant_id: &str, id: i64) -> QueryResult<Option<Task>> {
    Ok(with_state(conn, tenant_id, id)?.map(|(task, _)| task))
}

/// The same, and whether a claim may take it.
pub(super) fn found(conn: &mut SqliteConnection, tenant_id: &str, id: i64) -> QueryResult<Option<(Task, bool)>> {
    Ok(with_state(conn, tenant_id, id)?.map(|(task, state)| (task, state.claimable)))
}

/// The same and its state's row.
pub(super) fn with_state(
    conn: &mut SqliteConnection,
    tenant_id: &str,
    id: i64,
) -> QueryResult<Option<(Task, StateRow)>> {
    let rows: Option<(TaskRow, StateRow)> = user_tasks::table
        .inner_join(
            task_states::table
                .on(task_states::tenant_id.eq(user_tasks::tenant_id).and(task_states::id.eq(user_tasks::id))),
        )
        .filter(user_tasks::tenant_id.eq(tenant_id).and(user_tasks::id.eq(id)))
        .select((user_tasks::all_columns, task_states::all_columns))
        .get_result(conn)
        .optional()?;
    let Some((task, state)) = rows else { return Ok(None) };
    Ok(Some((task_from_rows(task, state.clone(), None).map_err(damaged)?, state)))
}

/// The bigint id of a live task.
pub(super) fn live_id(conn: &mut SqliteConnection, tenant_id: &TenantId, task_id: &TaskId) -> QueryResult<Option<i64>> {
    user_tasks::table
        .filter(user_tasks::tenant_id.eq(tenant_id.as_str()).and(user_tasks::task_id.eq(task_id.as_str())))
        .filter(user_tasks::deleted_at.is_null())
        .select(user_tasks::id)
        .get_result(conn)
        .optional()
}

/// The key of a task, deleted or not.
pub(super) fn any_id(conn: &mut SqliteConnection, tenant_id: &TenantId, task_id: &TaskId) -> QueryResult<Option<i64>> {
    user_tasks::table
        .filter(user_tasks::tenant_id.eq(tenant_id.as_str()).and(user_tasks::task_id.eq(task_id.as_str())))
        .select(user_tasks::id)
        .get_result(conn)
        .optional()
}

type Counts = Vec<(Word<TaskStatus>, String, i64)>;

/// What there is, read from an index only, without what was deleted and is not swept yet.
pub(super) fn count_by_status(
    conn: &mut SqliteConnection,
    tenant_id: &TenantId,
    origin: Origin,
) -> QueryResult<Vec<(TaskStatus, String, i64)>> {
    let all: Counts = task_states::table
        .filter(task_states::tenant_id.eq(tenant_id.as_str()).and(task_states::origin.eq(Word(origin))))
        // Literally, so that the index of drop-in tasks is used.
        .filter(task_states::origin.ne(sql::<Text>("'task_service'")))
        .group_by((task_states::status, task_states::task_type))
        .select((task_states::status, task_states::task_type, count_star()))
        .load(conn)?;
    let gone: Counts = user_tasks::table
        .inner_join(
            task_states::table
                .on(task_states::tenant_id.eq(user_tasks::tenant_id).and(task_states::id.eq(user_tasks::id))),
        )
        .filter(user_tasks::tenant_id.eq(tenant_id.as_str()).and(user_tasks::origin.eq(Word(origin))))
        .filter(user_tasks::deleted_at.is_not_null())
        .group_by((task_states::status, task_states::task_type))
        .select((task_states::status, task_states::task_type, count_star()))
        .load(conn)?;
    let mut counts: HashMap<(TaskStatus, String), i64> = HashMap::new();
    let gone = gone.into_iter().map(|(status, task_type, count)| (status, task_type, -count));
    for (status, task_type, count) in all.into_iter().chain(gone) {
        *counts.entry((status.0, task_type)).or_default() += count;
    }
    let counts = counts.into_iter().filter(|(_, count)| *count > 0);
    Ok(counts.map(|((status, task_type), count)| (status, task_type, count)).collect())
}

#[async_trait]
impl TaskStore for SqliteEngine {
    async fn now(&self) -> StoreResult<DateTime<Utc>> {
        Ok(SqliteEngine::now(self))
    }

    async fn ping(&self) -> StoreResult<()> {
        // Through the writer: a reader would answer from its snapshot while nothing can be written.
        self.write(|conn, _| {
            let sequence = diesel::update(execution_no::table).set(execution_no::last.eq(execution_no::last));
            sequence.execute(conn).map(drop)
        })
        .await
    }

    async fn find(&self, tenant_id: &TenantId, task_id: &TaskId) -> StoreResult<Option<Loaded>> {
        let (tenant_id, task_id) = (tenant_id.clone(), task_id.clone());
        let found = self
            .read(move |conn| {
                let Some(id) = live_id(conn, &tenant_id, &task_id)? else { return Ok(None) };
                let Some((mut task, claimable)) = found(conn, tenant_id.as_str(), id)? else { return Ok(None) };
                task.last_result = last_result(conn, tenant_id.as_str(), id)?;
                Ok(Some((task, claimable)))
            })
            .await?;
        Ok(found.map(|(task, claimable)| Loaded { task, now: SqliteEngine::now(self), claimable }))
    }

    async fn made_under(&self, tenant_id: &TenantId, caller: &str, key: &str) -> StoreResult<Option<(TaskId, String)>> {
        let (tenant_id, caller, key) = (tenant_id.clone(), caller.to_owned(), key.to_owned());
        self.read(move |conn| save::made_under(conn, &tenant_id, &caller, &key)).await
    }

    async fn find_with_last(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
    ) -> StoreResult<Option<(Loaded, Option<Execution>)>> {
        let (tenant_id, task_id) = (tenant_id.clone(), task_id.clone());
        let found = self
            .read(move |conn| {
                let Some(id) = live_id(conn, &tenant_id, &task_id)? else { return Ok(None) };
                let Some((mut task, claimable)) = found(conn, tenant_id.as_str(), id)? else { return Ok(None) };
                task.last_result = last_result(conn, tenant_id.as_str(), id)?;
                let last = match task.current {
                    Some(_) => None,
                    None => executions::last_of(conn, &tenant_id, id, task_id)?,
                };
                Ok(Some((task, claimable, last)))
            })
            .await?;
        Ok(found.map(|(task, claimable, last)| (Loaded { task, now: SqliteEngine::now(self), claimable }, last)))
    }

    async fn find_by_number(&self, tenant_id: &TenantId, number: i64) -> StoreResult<Option<(Loaded, i64)>> {
        let tenant_id = tenant_id.clone();
        let found = self
            .read(move |conn| {
                let found = found(conn, tenant_id.as_str(), number)?;
                let live = found.filter(|(task, _)| task.deleted_at.is_none());
                let Some((mut task, claimable)) = live else { return Ok(None) };
                task.last_result = last_result(conn, tenant_id.as_str(), number)?;
                let entries = task_conversations::table
                    .filter(task_conversations::tenant_id.eq(tenant_id.as_str()))
                    .filter(task_conversations::task_id.eq(number));
                Ok(Some((task, claimable, entries.select(count_star()).get_result(conn)?)))
            })
            .await?;
        Ok(found.map(|(task, claimable, entries)| (Loaded { task, now: SqliteEngine::now(self), claimable }, entries)))
    }

    async fn count_by_status(
        &self,
        tenant_id: &TenantId,
        origin: Origin,
    ) -> StoreResult<Vec<(TaskStatus, String, i64)>> {
        let tenant_id = tenant_id.clone();
        self.read(move |conn| count_by_status(conn, &tenant_id, origin)).await
    }

    async fn list(&self, filter: &TaskFilter) -> StoreResult<TaskPage> {
        let filter = filter.clone();
        self.read(move |conn| list::list(conn, &filter)).await
    }

    async fn save(&self, change: &Change) -> StoreResult<SaveOutcome> {
        let (change, engine) = (change.clone(), self.clone());
        self.write(move |conn, now| save::save(conn, &change, &engine, now)).await
    }
}

fn last_result(conn: &mut SqliteConnection, tenant_id: &str, id: i64) -> QueryResult<Option<Value>> {
    let result: Option<Option<Json<Value>>> = task_states::table
        .inner_join(
            task_executions::table.on(task_executions::tenant_id
                .eq(task_states::tenant_id)
                .and(task_executions::task_id.eq(task_states::id))
                .and(task_executions::id.nullable().eq(task_states::last_result_execution))),
        )
        .filter(task_states::tenant_id.eq(tenant_id).and(task_states::id.eq(id)))
        .select(task_executions::result)
        .get_result(conn)
        .optional()?;
    Ok(result.flatten().map(|json| json.0))
}
