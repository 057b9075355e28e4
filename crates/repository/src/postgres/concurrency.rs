//! Limits on how many tasks of one key run at once.
//!
//! A task under a limit is parked when it is queued: it is in no claim's index. It is let through
//! while fewer tasks of its key are claimable or leased than its limit says, so claims need not
//! know of limits, and a million tasks behind a full key cost them nothing. How many are let
//! through is counted from the rows, under a lock of the key: there is no counter to go wrong.
//!
//! Room is looked for after every save of such a task; what a crash leaves behind is found by
//! [`sweep`], a page of keys at a time.

use std::sync::{Mutex, PoisonError};

use diesel::sql_types::{BigInt, Bool, SmallInt, Text};
use diesel_async::{AsyncConnection, RunQueryDsl};
use task_domain::{Handler, Task};
use task_protocols::StoreResult;

use super::statement::{Sql, Statement};
use super::{PostgresEngine, errors};
use crate::columns::Word;

/// Keys that one sweep looks at.
const PAGE: i64 = 100;
/// What [`LET_THROUGH`] lets through at most.
const AT_ONCE: usize = 100;

const LET_THROUGH: &str = include_str!("sql/let_through.sql");

/// The key at which the next sweep goes on: tenant and key.
#[derive(Default)]
pub(super) struct SweepPlace(Mutex<(String, String)>);

/// A save left `task` as it is: others of its key, or itself, may go through. The save stands
/// whatever happens here; what is missed is found by the sweep.
pub(super) async fn after_save(engine: &PostgresEngine, task: &Task) {
    let Some(key) = &task.concurrency_key else { return };
    if let Err(error) = let_through(engine, task.tenant_id.as_str(), key).await {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, "room under a concurrency key was not looked for; the sweep will");
    }
}

/// Lets through what there is room for; how many.
pub(super) async fn let_through(engine: &PostgresEngine, tenant_id: &str, key: &str) -> StoreResult<u64> {
    let mut total = 0;
    let mut connection = engine.pools.main().await?;
    loop {
        let has_room: bool = Sql(include_str!("sql/key_has_room.sql"))
            .bind::<Text, _>(tenant_id)
            .bind::<Text, _>(key)
            .reading::<Bool>()
            .get_result(&mut connection)
            .await
            .map_err(errors::failed)?;
        if !has_room {
            return Ok(total);
        }
        // The lock is a statement of its own: the count's snapshot is taken when its statement starts.
        let passed: Vec<(Word<Handler>, String, i16, i64)> = connection
            .transaction(async |connection| {
                let lock = Sql(include_str!("sql/lock_key.sql")).bind::<Text, _>(tenant_id).bind::<Text, _>(key);
                lock.execute(connection).await?;
                Sql(LET_THROUGH)
                    .bind::<Text, _>(tenant_id)
                    .bind::<Text, _>(key)
                    .reading::<(Text, Text, SmallInt, BigInt)>()
                    .load(connection)
                    .await
            })
            .await
            .map_err(|error: diesel::result::Error| errors::failed(error))?;
        for (handler, task_type, priority, turn) in &passed {
            engine.watermark.lower(handler.0, tenant_id, task_type, *priority, *turn);
        }
        total += u64::try_from(passed.len()).unwrap_or(u64::MAX);
        if passed.len() < AT_ONCE {
            return Ok(total);
        }
    }
}

/// Looks at the next page of keys that have parked tasks; how many of these it let through.
pub(super) async fn sweep(engine: &PostgresEngine) -> StoreResult<u64> {
    let place = || engine.parked.0.lock().unwrap_or_else(PoisonError::into_inner);
    let (tenant_id, key) = place().clone();
    let mut connection = engine.pools.main().await?;
    let keys: Vec<(String, String)> = Sql(include_str!("sql/parked_keys.sql"))
        .bind::<Text, _>(tenant_id)
        .bind::<Text, _>(key)
        .bind::<BigInt, _>(PAGE)
        .reading::<(Text, Text)>()
        .load(&mut connection)
        .await
        .map_err(errors::failed)?;
    drop(connection);
    let full = i64::try_from(keys.len()).is_ok_and(|n| n >= PAGE);
    *place() = keys.last().filter(|_| full).cloned().unwrap_or_default();
    let mut total = 0;
    for (tenant_id, key) in &keys {
        total += let_through(engine, tenant_id, key).await?;
    }
    Ok(total)
}
