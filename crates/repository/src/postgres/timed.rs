//! What time makes due. `now()` is the start of the statement, which an index can be searched for;
//! `clock_timestamp()`, which every save's guard asks again, cannot.

use std::collections::BTreeSet;

use async_trait::async_trait;
use diesel::data_types::PgInterval;
use diesel::dsl::{auto_type, now, sql};
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Bool, Interval, Nullable, SmallInt, Text};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use task_domain::{Handler, Origin, TaskStatus, TenantId};
use task_protocols::{Due, Loaded, REMINDED_LATE, StoreResult, TimedStore};

use super::clock::clock_timestamp;
use super::schema::{task_states, user_tasks};
use super::statement::{Sql, Statement};
use super::tasks::{live_tasks, task_of};
use super::{PostgresEngine, concurrency, errors};
use crate::columns::{Stamp, Word};
use crate::fair_share::{FairShare, Queued};
use crate::rows::{StateRow, TaskRow};

/// Tenant, task, handler, type, priority, owner, microseconds of run_at.
type DelayedRow = (String, i64, Word<Handler>, String, i16, String, i64);
type DelayedSql = (Text, BigInt, Text, Text, SmallInt, Text, BigInt);
/// Tenant, handler, type, priority, turn, concurrency key.
type ReleasedRow = (String, Word<Handler>, String, i16, i64, Option<String>);
type ReleasedSql = (Text, Text, Text, SmallInt, BigInt, Nullable<Text>);

#[async_trait]
impl TimedStore for PostgresEngine {
    async fn due(&self) -> StoreResult<Due> {
        let mut connection = self.pools.main().await?;
        let (schedules, leases, deadlines, delayed, reminders, blocked, builtin) = Sql(include_str!("sql/due.sql"))
            .bind::<Interval, _>(late())
            .reading::<(Bool, Bool, Bool, Bool, Bool, Bool, Bool)>()
            .get_result(&mut connection)
            .await
            .map_err(errors::failed)?;
        Ok(Due { schedules, leases, deadlines, delayed, reminders, blocked, builtin })
    }

    async fn due_tasks(&self, limit: i64) -> StoreResult<Vec<Loaded>> {
        let query = live_tasks()
            .filter(task_states::status.eq(TaskStatus::Scheduled.as_str()))
            .filter(task_states::next_run_time.le(now))
            .order(task_states::next_run_time)
            .limit(limit);
        let mut connection = self.pools.main().await?;
        all(query.select(columns()).load(&mut connection).await)
    }

    async fn expired_leases(&self, limit: i64) -> StoreResult<Vec<Loaded>> {
        // A paused task may still have a run that is finishing, so the lease decides, not the status.
        let query = live_tasks()
            .filter(task_states::lease_token.is_not_null())
            .filter(task_states::lease_expires_at.le(now))
            .order(task_states::lease_expires_at)
            .limit(limit);
        let mut connection = self.pools.main().await?;
        all(query.select(columns()).load(&mut connection).await)
    }

    async fn past_deadline(&self, of: Option<(TenantId, Origin)>, limit: i64) -> StoreResult<Vec<Loaded>> {
        let late = live_tasks().filter(task_states::timeout_at.le(now)).order(task_states::timeout_at).limit(limit);
        let mut query = late.into_boxed();
        if let Some((tenant_id, origin)) = of {
            query = query.filter(task_states::tenant_id.eq(tenant_id.as_str().to_owned()));
            query = query.filter(task_states::origin.eq(origin.as_str()));
        }
        let mut connection = self.pools.main().await?;
        all(query.select(columns()).load(&mut connection).await)
    }

    async fn due_reminders(&self, limit: i64) -> StoreResult<Vec<Loaded>> {
        // Literals, so that the partial index is used.
        let query = live_tasks()
            .filter(user_tasks::reminder_time.le(now).and(user_tasks::reminded_at.is_null()))
            .filter(sql::<Bool>("user_tasks.reminder_time > now() - ").bind::<Interval, _>(late()))
            .filter(sql::<Bool>("user_tasks.task_type <> 'reminder'"))
            .filter(task_states::is_active)
            .order(user_tasks::reminder_time)
            .limit(limit);
        let mut connection = self.pools.main().await?;
        all(query.select(columns()).load(&mut connection).await)
    }

    async fn release_delayed(&self, limit: i64) -> StoreResult<u64> {
        let mut connection = self.pools.main().await?;
        let released = release(&mut connection, &self.fair_share, limit).await.map_err(errors::failed)?;
        drop(connection);
        let mut changed = 0;
        let mut keys = BTreeSet::new();
        for (tenant_id, handler, task_type, priority, turn, key) in &released {
            match key {
                Some(key) => _ = keys.insert((tenant_id, key)),
                None => {
                    changed += 1;
                    self.watermark.lower(handler.0, tenant_id, task_type, *priority, *turn);
                }
            }
        }
        for (tenant_id, key) in keys {
            changed += concurrency::let_through(self, tenant_id, key).await?;
        }
        Ok(changed + concurrency::sweep(self).await?)
    }
}

/// Gives what is due its turn: it is queued from here on, behind what its owner has queued already.
async fn release(
    connection: &mut AsyncPgConnection,
    fair_share: &FairShare,
    limit: i64,
) -> QueryResult<Vec<ReleasedRow>> {
    connection
        .transaction(async |connection| {
            let due: Vec<DelayedRow> = Sql(include_str!("sql/delayed.sql"))
                .bind::<BigInt, _>(limit)
                .reading::<DelayedSql>()
                .load(connection)
                .await?;
            if due.is_empty() {
                return Ok(Vec::new());
            }
            let queued = due.iter().map(|(tenant_id, _, handler, task_type, priority, owner, run_at)| Queued {
                handler: handler.0,
                tenant_id,
                task_type,
                priority: *priority,
                owner,
                run_at: *run_at,
                weight: None,
            });
            let turns: Vec<i64> = queued.clone().map(|queued| fair_share.take(&queued)).collect();
            let (tenants, ids): (Vec<&str>, Vec<i64>) = due.iter().map(|row| (row.0.as_str(), row.1)).unzip();
            let placed = Sql(include_str!("sql/place_delayed.sql"))
                .bind::<Array<Text>, _>(tenants)
                .bind::<Array<BigInt>, _>(ids)
                .bind::<Array<BigInt>, _>(turns)
                .reading::<ReleasedSql>()
                .load(connection)
                .await;
            if placed.is_err() {
                queued.for_each(|queued| fair_share.give_back(&queued));
            }
            placed
        })
        .await
}

fn late() -> PgInterval {
    PgInterval::from_microseconds(REMINDED_LATE.num_microseconds().unwrap_or(i64::MAX))
}

/// A task, its state and the clock; what time does needs no result of an earlier run.
type TimedRow = (TaskRow, StateRow, Stamp);

#[auto_type(no_type_alias)]
fn columns() -> _ {
    let task: <user_tasks::table as Table>::AllColumns = user_tasks::all_columns;
    let state: <task_states::table as Table>::AllColumns = task_states::all_columns;
    (task, state, clock_timestamp())
}

/// One row that cannot be read must not keep the others waiting.
fn all(rows: QueryResult<Vec<TimedRow>>) -> StoreResult<Vec<Loaded>> {
    let loaded = |(task, state, at): TimedRow| {
        let claimable = state.claimable;
        match task_of(task, state, None) {
            Ok(task) => Some(Loaded { task, now: at.0, claimable }),
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "a stored task cannot be read; left alone");
                None
            }
        }
    };
    Ok(rows.map_err(errors::failed)?.into_iter().filter_map(loaded).collect())
}
