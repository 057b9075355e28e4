//! Limits on how many tasks of one key run at once.
//!
//! A task under a limit is parked when it is queued, and let through to the claims while fewer
//! tasks of its key are claimable or leased than its limit says. There is one writer, so the count
//! holds until the commit.

use diesel::dsl::count_star;
use diesel::prelude::*;
use task_domain::Task;

use super::schema::task_states;

/// Tasks that one look lets through at most.
const AT_ONCE: i64 = 100;

/// A save left `task` as it is: others of its key, or itself, may go through.
pub(super) fn after_save(conn: &mut SqliteConnection, task: &Task) -> QueryResult<()> {
    match &task.concurrency_key {
        Some(key) => let_through(conn, task.tenant_id.as_str(), key).map(drop),
        None => Ok(()),
    }
}

/// Lets through what there is room for; how many.
pub(super) fn let_through(conn: &mut SqliteConnection, tenant_id: &str, key: &str) -> QueryResult<i64> {
    let mut total = 0;
    loop {
        let passed = look(conn, tenant_id, key)?;
        total += passed;
        if passed < AT_ONCE {
            return Ok(total);
        }
    }
}

fn look(conn: &mut SqliteConnection, tenant_id: &str, key: &str) -> QueryResult<i64> {
    let parked: Vec<(i64, Option<i32>)> = task_states::table
        .filter(task_states::parked.and(task_states::concurrency_key.is_not_null()))
        .filter(task_states::tenant_id.eq(tenant_id).and(task_states::concurrency_key.eq(key)))
        .order((task_states::priority, task_states::turn, task_states::id))
        .limit(AT_ONCE)
        .select((task_states::id, task_states::max_concurrent))
        .load(conn)?;
    if parked.is_empty() {
        return Ok(0);
    }
    let used: i64 = task_states::table
        .filter(task_states::limited.and(task_states::concurrency_key.is_not_null()))
        .filter(task_states::claimable.or(task_states::lease_token.is_not_null()))
        .filter(task_states::tenant_id.eq(tenant_id).and(task_states::concurrency_key.eq(key)))
        .select(count_star())
        .get_result(conn)?;
    let mut passed = 0;
    for (id, limit) in parked {
        if limit.is_some_and(|limit| used + passed >= i64::from(limit)) {
            break;
        }
        diesel::update(task_states::table.filter(task_states::tenant_id.eq(tenant_id).and(task_states::id.eq(id))))
            .set((task_states::claimable.eq(true), task_states::parked.eq(false)))
            .execute(conn)?;
        passed += 1;
    }
    Ok(passed)
}
