//! Saving a change: one statement, whole or not at all.

use diesel::prelude::*;
use diesel::sql_types::{BigInt, Jsonb, Text};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use serde::Serialize;
use task_domain::decide::{Change, Idempotency, LeaseGuard};
use task_domain::{ExecutionStatus, LevelLimits, TaskId, UserId};
use task_protocols::{SaveOutcome, StoreResult};

use super::clock::clock_timestamp;
use super::pool::Pools;
use super::schema::{idempotency_keys, task_states, user_tasks};
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
            history: HistoryRow::new(task.id, change, 0),
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
    let outcome = match (&change.idempotency, limits) {
        (None, None) => write(&mut connection, change, &documents).await,
        (None, Some((limits, user_id))) => {
            connection
                .transaction(async |connection| write_within(connection, change, &documents, limits, user_id).await)
                .await
        }
        (Some(idempotency), limits) => {
            let created = connection.transaction(async |connection| {
                if let Some(repeated) = repeated(connection, change, idempotency).await? {
                    return Ok(repeated);
                }
                let outcome = match limits {
                    None => write(connection, change, &documents).await?,
                    Some((limits, user_id)) => write_within(connection, change, &documents, limits, user_id).await?,
                };
                // What was not created leaves no key behind.
                if matches!(outcome, SaveOutcome::Saved { .. }) {
                    Ok(outcome)
                } else {
                    Err(NotCreated::Outcome(outcome))
                }
            });
            match created.await {
                Ok(outcome) | Err(NotCreated::Outcome(outcome)) => Ok(outcome),
                Err(NotCreated::Failed(error)) => Err(error),
            }
        }
    };
    outcome.map_err(errors::failed)
}

/// Why a transaction that began with an idempotency key is rolled back.
enum NotCreated {
    Outcome(SaveOutcome),
    Failed(diesel::result::Error),
}

impl From<diesel::result::Error> for NotCreated {
    fn from(error: diesel::result::Error) -> Self {
        Self::Failed(error)
    }
}

/// Takes the idempotency key, or tells what was created under it. Whoever comes second waits for
/// the first one's commit.
async fn repeated(
    connection: &mut AsyncPgConnection,
    change: &Change,
    idempotency: &Idempotency,
) -> QueryResult<Option<SaveOutcome>> {
    let tenant_id = change.task.tenant_id.as_str();
    let taken = diesel::insert_into(idempotency_keys::table)
        .values((
            idempotency_keys::tenant_id.eq(tenant_id),
            idempotency_keys::caller.eq(&idempotency.caller),
            idempotency_keys::key.eq(&idempotency.key),
            idempotency_keys::fingerprint.eq(&idempotency.fingerprint),
            idempotency_keys::task_id.eq(change.task.task_id.as_str()),
            idempotency_keys::created_at.eq(clock_timestamp()),
        ))
        .on_conflict_do_nothing()
        .execute(connection)
        .await?;
    if taken > 0 {
        return Ok(None);
    }
    let (task_id, fingerprint): (String, String) = idempotency_keys::table
        .find((tenant_id, &idempotency.caller, &idempotency.key))
        .select((idempotency_keys::task_id, idempotency_keys::fingerprint))
        .get_result(connection)
        .await?;
    Ok(Some(SaveOutcome::Repeated { task_id: TaskId::from_stored(task_id), fingerprint }))
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
        // What would not be saved anyway is not the limit's fault.
        Err(exceeded) => Ok(refused_by_guard(connection, change).await?.unwrap_or(SaveOutcome::Limited(exceeded))),
    }
}

/// Why the change would not be saved even without limits.
async fn refused_by_guard(connection: &mut AsyncPgConnection, change: &Change) -> QueryResult<Option<SaveOutcome>> {
    let task = &change.task;
    let tenant_id = task.tenant_id.as_str();
    if is_new(change) {
        let taken = user_tasks::table
            .filter(user_tasks::tenant_id.eq(tenant_id).and(user_tasks::task_id.eq(task.task_id.as_str())));
        let taken: bool = diesel::select(diesel::dsl::exists(taken)).get_result(connection).await?;
        return Ok(taken.then_some(SaveOutcome::Duplicate));
    }
    let current = task_states::table
        .filter(task_states::tenant_id.eq(tenant_id).and(task_states::id.eq(task.id)))
        .filter(task_states::event_seq.eq(change.expected_seq));
    let current: bool = diesel::select(diesel::dsl::exists(current)).get_result(connection).await?;
    Ok((!current).then_some(SaveOutcome::Stale))
}
