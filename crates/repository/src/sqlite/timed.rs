//! What the clock has made due.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::result::Error;
use diesel::sql_types::{Bool, Text};
use task_domain::{Origin, Task, TenantId};
use task_protocols::{Due, Loaded, REMINDED_LATE, StoreResult, TimedStore};

use super::schema::{task_states, user_tasks};
use super::{SqliteEngine, concurrency, tasks};
use crate::columns::Stamp;
use crate::fair_share::FairShare;
use crate::rows::StateRow;

impl SqliteEngine {
    /// Loads the tasks that `ids` names, with the time of reading.
    async fn due_by<F>(&self, ids: F) -> StoreResult<Vec<Loaded>>
    where
        F: FnOnce(&mut SqliteConnection, Stamp) -> QueryResult<Vec<(String, i64)>> + Send + 'static,
    {
        let now = self.now();
        let found: Vec<(Task, bool)> = self
            .read(move |conn| {
                let ids = ids(conn, Stamp(now))?;
                ids.into_iter().filter_map(|(tenant_id, id)| readable(conn, &tenant_id, id).transpose()).collect()
            })
            .await?;
        Ok(found.into_iter().map(|(task, claimable)| Loaded { task, now, claimable }).collect())
    }
}

/// One row that cannot be read must not keep the others waiting.
fn readable(conn: &mut SqliteConnection, tenant_id: &str, id: i64) -> QueryResult<Option<(Task, bool)>> {
    match tasks::found(conn, tenant_id, id) {
        Err(Error::DeserializationError(error)) => {
            tracing::error!(error = &*error as &dyn std::error::Error, "a stored task cannot be read; left alone");
            Ok(None)
        }
        outcome => outcome,
    }
}

#[async_trait]
impl TimedStore for SqliteEngine {
    /// A look here is a function call.
    async fn due(&self) -> StoreResult<Due> {
        Ok(Due::EVERYTHING)
    }

    async fn due_tasks(&self, limit: i64) -> StoreResult<Vec<Loaded>> {
        self.due_by(move |conn, now| due_tasks(conn, now, limit)).await
    }

    async fn expired_leases(&self, limit: i64) -> StoreResult<Vec<Loaded>> {
        self.due_by(move |conn, now| {
            task_states::table
                .filter(task_states::lease_token.is_not_null().and(task_states::lease_expires_at.le(now)))
                .order(task_states::lease_expires_at)
                .limit(limit)
                .select((task_states::tenant_id, task_states::id))
                .load(conn)
        })
        .await
    }

    async fn past_deadline(&self, of: Option<(TenantId, Origin)>, limit: i64) -> StoreResult<Vec<Loaded>> {
        self.due_by(move |conn, now| {
            let late = task_states::table.filter(task_states::timeout_at.le(now)).order(task_states::timeout_at);
            let mut query = late.limit(limit).select((task_states::tenant_id, task_states::id)).into_boxed();
            if let Some((tenant_id, origin)) = &of {
                // The plus keeps it on the index of deadlines: few are past theirs, and a tenant has many tasks.
                query = query.filter(sql::<Bool>("+task_states.tenant_id = ").bind::<Text, _>(tenant_id.as_str()));
                query = query.filter(sql::<Bool>("+task_states.origin = ").bind::<Text, _>(origin.as_str()));
            }
            query.load(conn)
        })
        .await
    }

    async fn due_reminders(&self, limit: i64) -> StoreResult<Vec<Loaded>> {
        self.due_by(move |conn, now| {
            let state_of_task =
                task_states::tenant_id.eq(user_tasks::tenant_id).and(task_states::id.eq(user_tasks::id));
            user_tasks::table
                .inner_join(task_states::table.on(state_of_task))
                .filter(user_tasks::reminder_time.le(now).and(user_tasks::reminded_at.is_null()))
                .filter(user_tasks::reminder_time.gt(Stamp(now.0 - REMINDED_LATE)))
                // A literal, so that the partial index is used.
                .filter(user_tasks::deleted_at.is_null().and(sql::<Bool>("user_tasks.task_type <> 'reminder'")))
                .filter(task_states::is_active)
                .order(user_tasks::reminder_time)
                .limit(limit)
                .select((user_tasks::tenant_id, user_tasks::id))
                .load(conn)
        })
        .await
    }

    async fn release_delayed(&self, limit: i64) -> StoreResult<u64> {
        let fair_share = Arc::clone(&self.fair_share);
        self.write(move |conn, now| release_delayed(conn, &fair_share, Stamp(now), limit)).await
    }
}

/// Literally what the indexes hold, so that they are used.
const IS_SCHEDULED: &str = "task_states.status = 'scheduled'";
const IS_DELAYED: &str = "task_states.status = 'queued' AND NOT task_states.claimable AND NOT task_states.parked";

pub(super) fn due_tasks(conn: &mut SqliteConnection, now: Stamp, limit: i64) -> QueryResult<Vec<(String, i64)>> {
    task_states::table
        .filter(sql::<Bool>(IS_SCHEDULED).and(task_states::is_active))
        .filter(task_states::next_run_time.le(now))
        .order(task_states::next_run_time)
        .limit(limit)
        .select((task_states::tenant_id, task_states::id))
        .load(conn)
}

pub(super) fn release_delayed(
    conn: &mut SqliteConnection,
    fair_share: &FairShare,
    now: Stamp,
    limit: i64,
) -> QueryResult<u64> {
    let due: Vec<StateRow> = task_states::table
        .filter(sql::<Bool>(IS_DELAYED).and(task_states::run_at.le(now)))
        .order(task_states::run_at)
        .limit(limit)
        .select(task_states::all_columns)
        .load(conn)?;
    for row in &due {
        diesel::update(
            task_states::table.filter(task_states::tenant_id.eq(&row.tenant_id).and(task_states::id.eq(row.id))),
        )
        .set((
            // It is queued from here on, behind what its owner has queued already.
            task_states::turn.eq(fair_share.take(&row.queued())),
            task_states::claimable.eq(diesel::dsl::not(task_states::limited)),
            task_states::parked.eq(task_states::limited),
        ))
        .execute(conn)?;
    }
    let mut changed = due.iter().filter(|row| row.concurrency_key.is_none()).count() as u64;
    let keys: BTreeSet<_> =
        due.iter().filter_map(|row| Some((&row.tenant_id, row.concurrency_key.as_ref()?))).collect();
    for (tenant_id, key) in keys {
        changed += concurrency::let_through(conn, tenant_id, key)?.unsigned_abs();
    }
    Ok(changed)
}
