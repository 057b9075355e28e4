//! Saving a change: whole, guarded, in the writer's transaction.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use task_domain::decide::{Change, LeaseGuard};
use task_domain::{ExecutionStatus, NewConversation, TaskId, TenantId};
use task_protocols::SaveOutcome;

use super::schema::{
    execution_no, idempotency_keys, outbox_events, task_conversations, task_dependencies, task_executions,
    task_history, task_states, user_tasks,
};
use super::{concurrency, limits};
use crate::columns::{Id, Stamp};
use crate::fair_share::{FairShare, Queued};
use crate::rows::{ExecutionRow, HistoryRow, OutboxRow, StateRow, TaskRow};
use crate::statement::Constant;

/// What the cache of prepared statements knows each statement of a save by.
struct InsertTask;
struct InsertState;
struct InsertExecution;
struct InsertHistory;
struct InsertEvent;
struct UpdateState;
struct NextExecution;

/// Saves `change`, or says why not; nothing is changed then.
pub(super) fn save(
    conn: &mut SqliteConnection,
    change: &Change,
    fair_share: &FairShare,
    now: DateTime<Utc>,
) -> QueryResult<SaveOutcome> {
    let outcome = if change.expected_seq == 0 {
        create(conn, change, fair_share, now)?
    } else {
        update(conn, change, fair_share, now)?
    };
    if matches!(outcome, SaveOutcome::Saved { .. }) {
        concurrency::after_save(conn, &change.task)?;
    }
    Ok(outcome)
}

fn create(
    conn: &mut SqliteConnection,
    change: &Change,
    fair_share: &FairShare,
    now: DateTime<Utc>,
) -> QueryResult<SaveOutcome> {
    let task = &change.task;
    if let Some(repeated) = repeated(conn, change)? {
        return Ok(repeated);
    }
    let taken = user_tasks::table
        .filter(user_tasks::tenant_id.eq(task.tenant_id.as_str()).and(user_tasks::task_id.eq(task.task_id.as_str())))
        .select(user_tasks::id);
    if diesel::select(diesel::dsl::exists(taken)).get_result(conn)? {
        return Ok(SaveOutcome::Duplicate);
    }
    if let Some(limited) = limits::exceeded(conn, change)? {
        return Ok(SaveOutcome::Limited(limited));
    }
    let row = TaskRow::from(task);
    let insert = diesel::insert_into(user_tasks::table).values(row.without_id()).returning(user_tasks::id);
    let id: i64 = Constant::<_, InsertTask>::new(insert).get_result(conn)?;
    let mut state = StateRow::from(task);
    state.id = id;
    state.turn = Queued::by(change).map_or(state.turn, |queued| fair_share.take(&queued));
    number_execution(conn, &mut state)?;
    Constant::<_, InsertState>::new(diesel::insert_into(task_states::table).values(&state)).execute(conn)?;
    leave_behind(conn, id, change, 0)?;
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
        .first(conn)
        .optional()?;
    Ok(known.map(|(task_id, fingerprint)| (TaskId::from_stored(task_id), fingerprint)))
}

fn update(
    conn: &mut SqliteConnection,
    change: &Change,
    fair_share: &FairShare,
    now: DateTime<Utc>,
) -> QueryResult<SaveOutcome> {
    let (tenant_id, id) = (change.task.tenant_id.as_str(), change.task.id);
    let mut guarded = task_states::table
        .filter(task_states::tenant_id.eq(tenant_id).and(task_states::id.eq(id)))
        .filter(task_states::event_seq.eq(change.expected_seq))
        .into_boxed();
    guarded = match change.lease {
        LeaseGuard::Any => guarded,
        LeaseGuard::Held(token) => guarded
            .filter(task_states::lease_token.eq(Id(token.as_uuid())))
            .filter(task_states::lease_expires_at.gt(Stamp(now))),
        LeaseGuard::Expired(token) => guarded
            .filter(task_states::lease_token.eq(Id(token.as_uuid())))
            .filter(task_states::lease_expires_at.le(Stamp(now))),
    };
    // There is one writer, so what this reads holds until the commit.
    let Some(stored) = guarded.select(task_states::all_columns).first::<StateRow>(conn).optional()? else {
        return Ok(SaveOutcome::Stale);
    };
    if let Some(limited) = limits::exceeded(conn, change)? {
        return Ok(SaveOutcome::Limited(limited));
    }
    let mut state = StateRow::from(&change.task);
    if change.takes_a_place() || state.priority != stored.priority {
        state.turn = Queued::by(change).map_or(state.turn, |queued| fair_share.take(&queued));
    } else {
        // What is not queued anew keeps its place.
        state.turn = stored.turn;
    }
    state.progress_seq = stored.progress_seq;
    state.last_result_execution = stored.last_result_execution;
    if state.lease_token.is_some() && state.lease_token == stored.lease_token {
        // A heartbeat since the read is not undone.
        state.lease_expires_at = stored.lease_expires_at;
        state.lease_seconds = stored.lease_seconds;
        state.claim_request = stored.claim_request;
    }
    if let Some(execution) = &change.finished {
        let row = ExecutionRow::new(id, execution);
        Constant::<_, InsertExecution>::new(diesel::insert_into(task_executions::table).values(&row)).execute(conn)?;
        if execution.status == ExecutionStatus::Completed {
            state.last_result_execution = Some(execution.id);
        }
    }
    number_execution(conn, &mut state)?;
    let stands = task_states::table.filter(task_states::tenant_id.eq(tenant_id).and(task_states::id.eq(id)));
    Constant::<_, UpdateState>::new(diesel::update(stands).set(&state)).execute(conn)?;
    if change.definition_changed {
        diesel::update(user_tasks::table.filter(user_tasks::tenant_id.eq(tenant_id).and(user_tasks::id.eq(id))))
            .set(&TaskRow::from(&change.task))
            .execute(conn)?;
    }
    leave_behind(conn, id, change, stored.progress_seq)?;
    Ok(SaveOutcome::Saved { id })
}

/// Gives a newly queued attempt its number.
fn number_execution(conn: &mut SqliteConnection, state: &mut StateRow) -> QueryResult<()> {
    if state.execution_no == Some(0) {
        let next = diesel::update(execution_no::table).set(execution_no::last.eq(execution_no::last + 1));
        let next = Constant::<_, NextExecution>::new(next.returning(execution_no::last));
        state.execution_no = Some(next.get_result(conn)?);
    }
    Ok(())
}

/// The history row and the events.
fn leave_behind(conn: &mut SqliteConnection, id: i64, change: &Change, progress_seq: i64) -> QueryResult<()> {
    let row = HistoryRow::new(id, change, progress_seq);
    Constant::<_, InsertHistory>::new(diesel::insert_into(task_history::table).values(&row)).execute(conn)?;
    for event in &change.events {
        let row = OutboxRow::from(event);
        Constant::<_, InsertEvent>::new(diesel::insert_into(outbox_events::table).values(&row)).execute(conn)?;
    }
    Ok(())
}
