//! Rows of `task_states`: read by their key, and written with no more than what changed. SQLite writes the
//! entries of every index that an UPDATE names a column of, also when its value stays.

use diesel::prelude::*;

use super::schema::task_states;
use crate::rows::StateRow;
use crate::statement::Constant;

/// What the cache of prepared statements knows these statements by.
struct Insert;
struct Update;
struct UpdateRun;
struct UpdateLease;

pub(super) fn find(conn: &mut SqliteConnection, tenant_id: &str, id: i64) -> QueryResult<Option<StateRow>> {
    let row = task_states::table.filter(task_states::tenant_id.eq(tenant_id).and(task_states::id.eq(id)));
    row.select(task_states::all_columns).first(conn).optional()
}

pub(super) fn insert(conn: &mut SqliteConnection, state: &StateRow) -> QueryResult<()> {
    Constant::<_, Insert>::new(diesel::insert_into(task_states::table).values(state)).execute(conn).map(drop)
}

/// Writes `state` over `stored`, the row that has its key.
pub(super) fn update(conn: &mut SqliteConnection, stored: StateRow, state: &StateRow) -> QueryResult<()> {
    let key = task_states::tenant_id.eq(&state.tenant_id).and(task_states::id.eq(state.id));
    let row = diesel::update(task_states::table.filter(key));
    if !same_owner(&stored, state) {
        return Constant::<_, Update>::new(row.set(state)).execute(conn).map(drop);
    }
    if leased(stored, state) == *state {
        let lease = (
            (
                task_states::status.eq(state.status),
                task_states::return_to.eq(state.return_to),
                task_states::claimable.eq(state.claimable),
                task_states::parked.eq(state.parked),
                task_states::event_seq.eq(state.event_seq),
                task_states::updated_at.eq(state.updated_at),
                task_states::attempt.eq(state.attempt),
                task_states::worker_id.eq(&state.worker_id),
                task_states::lease_token.eq(state.lease_token),
                task_states::lease_expires_at.eq(state.lease_expires_at),
                task_states::lease_seconds.eq(state.lease_seconds),
                task_states::started_at.eq(state.started_at),
            ),
            (task_states::claim_request.eq(&state.claim_request),),
        );
        return Constant::<_, UpdateLease>::new(row.set(lease)).execute(conn).map(drop);
    }
    let run = (
        (
            task_states::status.eq(state.status),
            task_states::return_to.eq(state.return_to),
            task_states::claimable.eq(state.claimable),
            task_states::is_active.eq(state.is_active),
            task_states::turn.eq(state.turn),
            task_states::event_seq.eq(state.event_seq),
            task_states::progress_seq.eq(state.progress_seq),
            task_states::next_run_time.eq(state.next_run_time),
            task_states::schedule_runs.eq(state.schedule_runs),
            task_states::total_credits.eq(state.total_credits),
            task_states::run_count.eq(state.run_count),
            task_states::success_count.eq(state.success_count),
        ),
        (
            task_states::failure_count.eq(state.failure_count),
            task_states::last_run_time.eq(state.last_run_time),
            task_states::last_success_time.eq(state.last_success_time),
            task_states::last_error.eq(&state.last_error),
            task_states::last_result_execution.eq(state.last_result_execution),
            task_states::completed_at.eq(state.completed_at),
            task_states::updated_at.eq(state.updated_at),
            task_states::execution_no.eq(state.execution_no),
            task_states::execution_id.eq(state.execution_id),
            task_states::run_id.eq(state.run_id),
            task_states::attempt.eq(state.attempt),
            task_states::failures.eq(state.failures),
        ),
        (
            task_states::lost_leases.eq(state.lost_leases),
            task_states::trigger_type.eq(state.trigger_type),
            task_states::trigger_data.eq(&state.trigger_data),
            task_states::worker_id.eq(&state.worker_id),
            task_states::lease_token.eq(state.lease_token),
            task_states::lease_expires_at.eq(state.lease_expires_at),
            task_states::lease_seconds.eq(state.lease_seconds),
            task_states::run_at.eq(state.run_at),
            task_states::queued_at.eq(state.queued_at),
            task_states::started_at.eq(state.started_at),
            task_states::timeout_at.eq(state.timeout_at),
            task_states::attempt_created_at.eq(state.attempt_created_at),
        ),
        (task_states::claim_request.eq(&state.claim_request), task_states::parked.eq(state.parked)),
    );
    Constant::<_, UpdateRun>::new(row.set(run)).execute(conn).map(drop)
}

/// Whether both have what only an edit of the task changes.
fn same_owner(stored: &StateRow, state: &StateRow) -> bool {
    stored.tenant_id == state.tenant_id
        && stored.id == state.id
        && stored.user_id == state.user_id
        && stored.handler == state.handler
        && stored.task_type == state.task_type
        && stored.priority == state.priority
        && stored.origin == state.origin
        && stored.key_id == state.key_id
        && stored.concurrency_key == state.concurrency_key
        && stored.max_concurrent == state.max_concurrent
        && stored.limited == state.limited
}

/// The row as a claim would leave it: in the columns that a claim changes, of which few are indexed.
fn leased(stored: StateRow, state: &StateRow) -> StateRow {
    StateRow {
        status: state.status,
        return_to: state.return_to,
        claimable: state.claimable,
        parked: state.parked,
        event_seq: state.event_seq,
        updated_at: state.updated_at,
        attempt: state.attempt,
        worker_id: state.worker_id.clone(),
        lease_token: state.lease_token,
        lease_expires_at: state.lease_expires_at,
        lease_seconds: state.lease_seconds,
        started_at: state.started_at,
        claim_request: state.claim_request.clone(),
        ..stored
    }
}
