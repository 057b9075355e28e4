//! Saving a change: whole, guarded, in the writer's transaction.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel::sql_types::BigInt;
use task_domain::decide::{Change, LeaseGuard};
use task_domain::{ExecutionStatus, LeaseToken, NewConversation, TaskId, TenantId};
use task_protocols::SaveOutcome;

use super::schema::{execution_no, idempotency_keys, task_conversations, task_dependencies, user_tasks};
use super::written::{InsertExecution, InsertHistory, InsertTask};
use super::{SqliteEngine, concurrency, limits, outbox, states, tasks};
use crate::columns::{Id, Stamp};
use crate::fair_share::Queued;
use crate::rows::{ExecutionRow, HistoryRow, StateRow, TaskRow};
use crate::statement::{Constant, Sql, Statement};

/// What the cache of prepared statements knows these statements by.
struct GivenId;
struct NextExecution;

/// Saves `change`, or says why not; nothing is changed then.
pub(super) fn save(
    conn: &mut SqliteConnection,
    change: &Change,
    engine: &SqliteEngine,
    now: DateTime<Utc>,
) -> QueryResult<SaveOutcome> {
    if change.expected_seq == 0 { create(conn, change, engine, now) } else { update(conn, change, engine, now) }
}

fn create(
    conn: &mut SqliteConnection,
    change: &Change,
    engine: &SqliteEngine,
    now: DateTime<Utc>,
) -> QueryResult<SaveOutcome> {
    let task = &change.task;
    if let Some(repeated) = repeated(conn, change)? {
        return Ok(repeated);
    }
    if let Some(limited) = limits::exceeded(conn, change)? {
        let taken = tasks::any_id(conn, &task.tenant_id, &task.task_id)?.is_some();
        return Ok(if taken { SaveOutcome::Duplicate } else { SaveOutcome::Limited(limited) });
    }
    if InsertTask(&TaskRow::from(task)).execute(conn)? == 0 {
        return Ok(SaveOutcome::Duplicate);
    }
    // RETURNING opens a table of its own for each statement.
    let given = Sql("SELECT last_insert_rowid()").reading::<BigInt>();
    let id: i64 = Constant::<_, GivenId>::new(given).get_result(conn)?;
    let mut state = StateRow::from(task);
    state.id = id;
    state.turn = Queued::by(change).map_or(state.turn, |queued| engine.fair_share.take(&queued));
    number_execution(conn, &mut state)?;
    states::insert(conn, &state)?;
    leave_behind(conn, id, change, 0, engine.publishes(now))?;
    for depends_on in &task.depends_on {
        diesel::insert_or_ignore_into(task_dependencies::table)
            .values((
                task_dependencies::tenant_id.eq(task.tenant_id.as_str()),
                task_dependencies::depends_on.eq(depends_on.as_str()),
                task_dependencies::task_id.eq(task.task_id.as_str()),
            ))
            .execute(conn)?;
    }
    for NewConversation { content, status } in &change.conversations {
        diesel::insert_into(task_conversations::table)
            .values((
                task_conversations::tenant_id.eq(task.tenant_id.as_str()),
                task_conversations::task_id.eq(id),
                task_conversations::content.eq(content),
                task_conversations::status.eq(status),
                task_conversations::created_at.eq(Stamp(task.created_at)),
                task_conversations::updated_at.eq(Stamp(task.created_at)),
            ))
            .execute(conn)?;
    }
    if let Some(idempotency) = &change.idempotency {
        diesel::insert_into(idempotency_keys::table)
            .values((
                idempotency_keys::tenant_id.eq(task.tenant_id.as_str()),
                idempotency_keys::caller.eq(&idempotency.caller),
                idempotency_keys::key.eq(&idempotency.key),
                idempotency_keys::fingerprint.eq(&idempotency.fingerprint),
                idempotency_keys::task_id.eq(task.task_id.as_str()),
                idempotency_keys::created_at.eq(Stamp(now)),
            ))
            .execute(conn)?;
    }
    concurrency::after_save(conn, task)?;
    Ok(SaveOutcome::Saved { id })
}

/// What was created under the same idempotency key before.
fn repeated(conn: &mut SqliteConnection, change: &Change) -> QueryResult<Option<SaveOutcome>> {
    let Some(idempotency) = &change.idempotency else { return Ok(None) };
    let known = made_under(conn, &change.task.tenant_id, &idempotency.caller, &idempotency.key)?;
    Ok(known.map(|(task_id, fingerprint)| SaveOutcome::Repeated { task_id, fingerprint }))
}

/// The task made under an idempotency key, and the fingerprint of that request.
pub(super) fn made_under(
    conn: &mut SqliteConnection,
    tenant_id: &TenantId,
    caller: &str,
    key: &str,
) -> QueryResult<Option<(TaskId, String)>> {
    let known: Option<(String, String)> = idempotency_keys::table
        .find((tenant_id.as_str(), caller, key))
        .select((idempotency_keys::task_id, idempotency_keys::fingerprint))
        .get_result(conn)
        .optional()?;
    Ok(known.map(|(task_id, fingerprint)| (TaskId::from_stored(task_id), fingerprint)))
}

fn update(
    conn: &mut SqliteConnection,
    change: &Change,
    engine: &SqliteEngine,
    now: DateTime<Utc>,
) -> QueryResult<SaveOutcome> {
    // There is one writer, so what this reads holds until the commit.
    match states::find(conn, change.task.tenant_id.as_str(), change.task.id)? {
        Some(stored) if is_guarded(change, &stored, now) => over(conn, change, stored, None, engine, now),
        _ => Ok(SaveOutcome::Stale),
    }
}

/// Whether the row is as the change expects it.
fn is_guarded(change: &Change, stored: &StateRow, now: DateTime<Utc>) -> bool {
    let holds = |token: LeaseToken| stored.lease_token == Some(Id(token.as_uuid()));
    let lasts = stored.lease_expires_at.is_some_and(|at| at.0 > now);
    stored.event_seq == change.expected_seq
        && match change.lease {
            LeaseGuard::Any => true,
            LeaseGuard::Held(token) => holds(token) && lasts,
            LeaseGuard::Expired(token) => holds(token) && !lasts,
        }
}

/// Saves a change of a task whose row is `stored`, which the guards of the change let. `claim_request`:
/// what its worker calls the claim that it is.
pub(super) fn over(
    conn: &mut SqliteConnection,
    change: &Change,
    stored: StateRow,
    claim_request: Option<&str>,
    engine: &SqliteEngine,
    now: DateTime<Utc>,
) -> QueryResult<SaveOutcome> {
    let (tenant_id, id) = (change.task.tenant_id.as_str(), change.task.id);
    if let Some(limited) = limits::exceeded(conn, change)? {
        return Ok(SaveOutcome::Limited(limited));
    }
    let mut state = StateRow::from(&change.task);
    if change.takes_a_place() || state.priority != stored.priority {
        state.turn = Queued::by(change).map_or(state.turn, |queued| engine.fair_share.take(&queued));
    } else {
        // What is not queued anew keeps its place.
        state.turn = stored.turn;
    }
    let progress_seq = stored.progress_seq;
    state.progress_seq = progress_seq;
    state.last_result_execution = stored.last_result_execution;
    state.claim_request = claim_request.map(str::to_owned);
    if state.lease_token.is_some() && state.lease_token == stored.lease_token {
        // A heartbeat since the read is not undone.
        state.lease_expires_at = stored.lease_expires_at;
        state.lease_seconds = stored.lease_seconds;
        state.claim_request = stored.claim_request.clone();
    }
    if let Some(execution) = &change.finished {
        InsertExecution(&ExecutionRow::new(id, execution)).execute(conn)?;
        if execution.status == ExecutionStatus::Completed {
            state.last_result_execution = Some(execution.id);
        }
    }
    number_execution(conn, &mut state)?;
    states::update(conn, &stored, &state)?;
    if change.definition_changed {
        diesel::update(user_tasks::table.filter(user_tasks::tenant_id.eq(tenant_id).and(user_tasks::id.eq(id))))
            .set(&TaskRow::from(&change.task))
            .execute(conn)?;
    }
    leave_behind(conn, id, change, progress_seq, engine.publishes(now))?;
    concurrency::after_save(conn, &change.task)?;
    Ok(SaveOutcome::Saved { id })
}

/// Gives a newly queued attempt its number.
fn number_execution(conn: &mut SqliteConnection, state: &mut StateRow) -> QueryResult<()> {
    if state.execution_no == Some(0) {
        let next = diesel::update(execution_no::table).set(execution_no::last.eq(execution_no::last + 1));
        Constant::<_, NextExecution>::new(next).execute(conn)?;
        state.execution_no = Some(execution_no::table.select(execution_no::last).get_result(conn)?);
    }
    Ok(())
}

/// The history row and the events.
fn leave_behind(
    conn: &mut SqliteConnection,
    id: i64,
    change: &Change,
    progress_seq: i64,
    published_at: Option<Stamp>,
) -> QueryResult<()> {
    InsertHistory(&HistoryRow::new(id, change, progress_seq)).execute(conn)?;
    for event in &change.events {
        outbox::insert(conn, event, published_at)?;
    }
    Ok(())
}
