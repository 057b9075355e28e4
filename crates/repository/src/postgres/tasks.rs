//! Reading tasks.

use std::sync::atomic::{AtomicI64, Ordering};

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::dsl::{auto_type, count_star};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Jsonb, Nullable, Text, Timestamptz};
use diesel_async::RunQueryDsl;
use serde_json::Value;
use task_domain::decide::Change;
use task_domain::{Execution, Origin, Task, TaskId, TaskStatus, TenantId};
use task_protocols::{Loaded, SaveOutcome, StoreError, StoreResult, TaskFilter, TaskPage, TaskStore};

use super::clock::clock_timestamp;
use super::pool::Connection;
use super::save::{self, Item, Kind};
use super::schema::{idempotency_keys, task_conversations, task_executions, task_states, user_tasks};
use super::statement::{Sql, Statement};
use super::{PostgresEngine, concurrency, errors, executions, list};
use crate::columns::{Json, Stamp, Word};
use crate::fair_share::Queued;
use crate::rows::{ExecutionRow, StateRow, TaskRow, task_from_rows};

/// A task with its state, the result of its last successful attempt, and the clock.
pub(super) type LoadedRow = (TaskRow, StateRow, Option<Json<Value>>, Stamp);

/// Live tasks; select [`columns`] of it for a [`LoadedRow`].
#[auto_type(no_type_alias)]
pub(super) fn live_tasks() -> _ {
    let same_task = task_states::tenant_id.eq(user_tasks::tenant_id).and(task_states::id.eq(user_tasks::id));
    user_tasks::table.inner_join(task_states::table.on(same_task)).filter(user_tasks::deleted_at.is_null())
}

#[auto_type(no_type_alias)]
pub(super) fn columns() -> _ {
    let task: <user_tasks::table as Table>::AllColumns = user_tasks::all_columns;
    let state: <task_states::table as Table>::AllColumns = task_states::all_columns;
    // A subquery, because of a join the planner may take only a part of the key for the index and
    // read every execution of the task.
    let last_result = task_executions::table
        .filter(task_executions::tenant_id.eq(task_states::tenant_id))
        .filter(task_executions::task_id.eq(task_states::id))
        .filter(task_executions::id.nullable().eq(task_states::last_result_execution))
        .select(task_executions::result)
        .single_value();
    (task, state, last_result, clock_timestamp())
}

pub(super) fn loaded((task, state, result, now): LoadedRow) -> StoreResult<Loaded> {
    // A successful attempt always has a result; SQL keeps a JSON null as NULL.
    let last_result = state.last_result_execution.map(|_| result.map_or(Value::Null, |json| json.0));
    let claimable = state.claimable;
    Ok(Loaded { task: task_of(task, state, last_result)?, now: now.0, claimable })
}

pub(super) fn task_of(task: TaskRow, state: StateRow, last_result: Option<Value>) -> StoreResult<Task> {
    task_from_rows(task, state, last_result).map_err(StoreError::internal)
}

/// A [`LoadedRow`] with the attempt that ended last.
type WithLastRow = (TaskRow, StateRow, Option<Json<Value>>, Stamp, Option<ExecutionRow>);
type WithLastSql =
    (user_tasks::SqlType, task_states::SqlType, Nullable<Jsonb>, Timestamptz, Nullable<task_executions::SqlType>);

pub(super) async fn count_by_status(
    connection: &mut Connection,
    tenant_id: &TenantId,
    origin: Origin,
) -> StoreResult<Vec<(TaskStatus, String, i64)>> {
    let counts: Vec<(Word<TaskStatus>, String, i64)> = Sql(include_str!("sql/count_by_status.sql"))
        .bind::<Text, _>(tenant_id.as_str())
        .bind::<Text, _>(origin.as_str())
        .reading::<(Text, Text, BigInt)>()
        .load(connection)
        .await
        .map_err(errors::failed)?;
    Ok(counts.into_iter().map(|(status, task_type, count)| (status.0, task_type, count)).collect())
}

#[async_trait]
impl TaskStore for PostgresEngine {
    async fn now(&self) -> StoreResult<DateTime<Utc>> {
        self.clock.now(&self.pools).await
    }

    async fn ping(&self) -> StoreResult<()> {
        self.clock.sample(&self.pools).await.map(drop)
    }

    async fn find(&self, tenant_id: &TenantId, task_id: &TaskId) -> StoreResult<Option<Loaded>> {
        let mut connection = self.pools.main().await?;
        let row: Option<LoadedRow> = live_tasks()
            .filter(user_tasks::tenant_id.eq(tenant_id.as_str()))
            .filter(user_tasks::task_id.eq(task_id.as_str()))
            .select(columns())
            // Not `first`: a LIMIT that is a parameter makes the server plan the statement at every call.
            .get_result(&mut connection)
            .await
            .optional()
            .map_err(errors::failed)?;
        row.map(loaded).transpose()
    }

    async fn made_under(&self, tenant_id: &TenantId, caller: &str, key: &str) -> StoreResult<Option<(TaskId, String)>> {
        let mut connection = self.pools.main().await?;
        let known: Option<(String, String)> = idempotency_keys::table
            .find((tenant_id.as_str(), caller, key))
            .select((idempotency_keys::task_id, idempotency_keys::fingerprint))
            .get_result(&mut connection)
            .await
            .optional()
            .map_err(errors::failed)?;
        Ok(known.map(|(task_id, fingerprint)| (TaskId::from_stored(task_id), fingerprint)))
    }

    async fn find_with_last(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
    ) -> StoreResult<Option<(Loaded, Option<Execution>)>> {
        let mut connection = self.pools.main().await?;
        let row: Option<WithLastRow> = Sql(include_str!("sql/find_with_last.sql"))
            .bind::<Text, _>(tenant_id.as_str())
            .bind::<Text, _>(task_id.as_str())
            .reading::<WithLastSql>()
            .get_result(&mut connection)
            .await
            .optional()
            .map_err(errors::failed)?;
        let with_last = |(task, state, result, now, last): WithLastRow| {
            let last = last.map(|row| executions::execution(row, task_id.clone()));
            Ok((loaded((task, state, result, now))?, last))
        };
        row.map(with_last).transpose()
    }

    async fn find_by_number(&self, tenant_id: &TenantId, number: i64) -> StoreResult<Option<(Loaded, i64)>> {
        let conversations = task_conversations::table
            .filter(task_conversations::tenant_id.eq(user_tasks::tenant_id))
            .filter(task_conversations::task_id.eq(user_tasks::id))
            .select(count_star())
            .single_value();
        let mut connection = self.pools.main().await?;
        let row: Option<(LoadedRow, Option<i64>)> = live_tasks()
            .filter(user_tasks::tenant_id.eq(tenant_id.as_str()))
            .filter(user_tasks::id.eq(number))
            .select((columns(), conversations))
            .get_result(&mut connection)
            .await
            .optional()
            .map_err(errors::failed)?;
        row.map(|(row, conversations)| Ok((loaded(row)?, conversations.unwrap_or_default()))).transpose()
    }

    async fn count_by_status(
        &self,
        tenant_id: &TenantId,
        origin: Origin,
    ) -> StoreResult<Vec<(TaskStatus, String, i64)>> {
        count_by_status(&mut self.pools.main().await?, tenant_id, origin).await
    }

    async fn list(&self, filter: &TaskFilter) -> StoreResult<TaskPage> {
        list::list(&mut self.pools.main().await?, filter).await
    }

    async fn save(&self, change: &Change) -> StoreResult<SaveOutcome> {
        let queued = Queued::by(change);
        let place = queued.as_ref().map(|queued| self.fair_share.take(queued));
        let item = Item::of(change, place);
        let turn = item.turn();
        let outcome = match &change.idempotency {
            Some(idempotency) => save::save_once(&self.pools, change, &item, idempotency).await,
            None => {
                let batcher = if Kind::of(change) == Kind::Create { &self.creates } else { &self.updates };
                batcher.submit(item).await
            }
        };
        let saved = matches!(outcome, Ok(SaveOutcome::Saved { .. }));
        let turn = AtomicI64::load(&turn, Ordering::Acquire);
        if let Some(queued) = queued.filter(|_| !saved || Some(turn) != place) {
            self.fair_share.give_back(&queued);
        }
        let outcome = outcome?;
        if saved {
            // Not before the commit: a claim in between would lift the mark over the row again.
            self.watermark.queued(&change.task, turn);
            concurrency::after_save(self, &change.task).await;
            self.statistics.changed();
        }
        Ok(outcome)
    }
}
