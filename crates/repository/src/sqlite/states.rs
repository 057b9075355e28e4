//! Rows of `task_states`: read by their key, and written with no more than what changed. SQLite writes the
//! entries of every index that an UPDATE names a column of, also when its value stays.

use diesel::prelude::*;

use super::schema::task_states;
use super::written::{InsertState, UpdateLease, UpdateRun};
use crate::rows::StateRow;

pub(super) fn find(conn: &mut SqliteConnection, tenant_id: &str, id: i64) -> QueryResult<Option<StateRow>> {
    let row = task_states::table.filter(task_states::tenant_id.eq(tenant_id).and(task_states::id.eq(id)));
    row.select(task_states::all_columns).get_result(conn).optional()
}

pub(super) fn insert(conn: &mut SqliteConnection, state: &StateRow) -> QueryResult<()> {
    InsertState(state).execute(conn).map(drop)
}

/// Writes `state` over `stored`, the row that has its key.
pub(super) fn update(conn: &mut SqliteConnection, stored: &StateRow, state: &StateRow) -> QueryResult<()> {
    if UpdateLease::over(stored.clone(), state) == *state {
        return UpdateLease(state).execute(conn).map(drop);
    }
    if UpdateRun::over(stored.clone(), state) == *state {
        return UpdateRun(state).execute(conn).map(drop);
    }
    let key = task_states::tenant_id.eq(&state.tenant_id).and(task_states::id.eq(state.id));
    diesel::update(task_states::table.filter(key)).set(state).execute(conn).map(drop)
}
