//! Saving a change: one statement, whole or not at all.

use diesel::QueryResult;
use diesel::sql_types::{BigInt, Jsonb, Text};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use task_domain::decide::{Change, LeaseGuard};
use task_domain::{ExecutionStatus, LevelLimits, UserId};
use task_protocols::{SaveOutcome, StoreResult};

use super::pool::Pools;
use super::statement::{Sql, Statement};
use super::{errors, usage};
use crate::columns::{Id, Json};
use crate::rows::{ExecutionRow, HistoryRow, OutboxRow, StateRow, TaskRow};

/// A change as `sql/save.sql` and `sql/create.sql` read it.
#[derive(Debug, Serialize)]
struct Document {
    expected_seq: i64,
    /// The lease that must be held.
    held: Option<Id>,
    /// The lease that must have run out.
    expired: Option<Id>,
    /// Number of the attempt that succeeded, whose result is the task's last.
    completed: Option<i64>,
    state: StateRow,
    task: Option<TaskRow>,
    finished: Option<ExecutionRow>,
    history: HistoryRow,
    events: Vec<OutboxRow>,
}

impl Document {
    fn of(change: &Change) -> Self {
        let task = &change.task;
        let (held, expired) = match change.lease {
            LeaseGuard::Any => (None, None),
            LeaseGuard::Held(token) => (Some(Id(token.as_uuid())), None),
            LeaseGuard::Expired(token) => (None, Some(Id(token.as_uuid()))),
        };
        let finished = change.finished.as_ref();
        Self {
            expected_seq: change.expected_seq,
            held,
            expired,
            completed: finished.filter(|e| e.status == ExecutionStatus::Completed).map(|e| e.id),
            state: StateRow::from(task),
            task: (is_new(change) || change.definition_changed).then(|| TaskRow::from(task)),
            finished: finished.map(|execution| ExecutionRow::new(task.id, execution)),
            history: HistoryRow::new(task.id, &change.history),
            events: change.events.iter().map(OutboxRow::from).collect(),
        }
    }
}

fn is_new(change: &Change) -> bool {
    change.expected_seq == 0
}

pub(super) async fn save(pools: &Pools, change: &Change) -> StoreResult<SaveOutcome> {
    let documents = Json(vec![Document::of(change)]);
    // Work without an owner is under nobody's limits.
    let limits = change.limits.filter(|limits| limits.concern(change.demand)).zip(change.task.user_id.as_ref());
    let mut connection = pools.main().await?;
    let outcome = match limits {
        None => write(&mut connection, change, &documents).await,
        Some((limits, user_id)) => {
            connection
                .transaction(async |connection| write_within(connection, change, &documents, limits, user_id).await)
                .await
        }
    };
    outcome.map_err(errors::failed)
}

async fn write(
    connection: &mut AsyncPgConnection,
    change: &Change,
    documents: &Json<Vec<Document>>,
) -> QueryResult<SaveOutcome> {
    let statement = if is_new(change) { include_str!("sql/create.sql") } else { include_str!("sql/save.sql") };
    let saved: Vec<(String, i64)> =
        Sql(statement).bind::<Jsonb, _>(documents).reading::<(Text, BigInt)>().load(connection).await?;
    Ok(match saved.as_slice().first() {
        Some((_, id)) => SaveOutcome::Saved { id: *id },
        None if is_new(change) => SaveOutcome::Duplicate,
        None => SaveOutcome::Stale,
    })
}

/// The lock is a statement of its own: under READ COMMITTED the count's snapshot is taken when its
/// statement starts, and must see what the holder before committed.
async fn write_within(
    connection: &mut AsyncPgConnection,
    change: &Change,
    documents: &Json<Vec<Document>>,
    limits: LevelLimits,
    user_id: &UserId,
) -> QueryResult<SaveOutcome> {
    Sql(include_str!("sql/lock_user.sql"))
        .bind::<Text, _>(change.task.tenant_id.as_str())
        .bind::<Text, _>(user_id.as_str())
        .execute(connection)
        .await?;
    let usage = usage::count(connection, change, user_id).await?;
    match limits.check(change.demand, usage) {
        Ok(()) => write(connection, change, documents).await,
        Err(exceeded) => Ok(SaveOutcome::Limited(exceeded)),
    }
}
