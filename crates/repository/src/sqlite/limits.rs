//! What a user has already used, counted inside the change's transaction.

use chrono::{DateTime, Duration, Utc};
use diesel::dsl::count_star;
use diesel::prelude::*;
use task_domain::decide::Change;
use task_domain::{LevelLimits, LimitExceeded, TriggerType, Usage};

use super::schema::{task_executions, task_states};
use crate::columns::{Id, Stamp, Word};

/// The limit that the change would exceed. There is one writer, so the count holds until the commit.
/// The day and the minute are those of the change itself, as are those of the run that it queues.
pub(super) fn exceeded(conn: &mut SqliteConnection, change: &Change) -> QueryResult<Option<LimitExceeded>> {
    let now = change.task.updated_at;
    let Some(limits) = change.limits.filter(|limits| limits.concern(change.demand)) else { return Ok(None) };
    let Some(user_id) = &change.task.user_id else { return Ok(None) };
    let (tenant, user) = (change.task.tenant_id.as_str(), user_id.as_str());
    let mut usage = Usage::default();
    if change.demand.active_task && limits.active_tasks.is_some() {
        usage.active_tasks = task_states::table
            .filter(task_states::tenant_id.eq(tenant).and(task_states::user_id.eq(user)).and(task_states::is_active))
            .select(count_star())
            .get_result(conn)?;
    }
    if change.demand.run && limits.daily_executions.is_some() {
        usage.runs_today = runs_of_user(conn, tenant, user, LevelLimits::day_start(now))?;
    }
    if change.demand.manual_run && limits.task_execution_rate.is_some() {
        usage.manual_runs_last_minute = manual_runs(conn, tenant, user, change.task.id, now - Duration::minutes(1))?;
    }
    Ok(limits.check(change.demand, usage).err())
}

fn distinct(mut ended: Vec<Id>, current: Vec<Option<Id>>) -> i64 {
    ended.extend(current.into_iter().flatten());
    ended.sort_unstable_by_key(|id| id.0);
    ended.dedup();
    i64::try_from(ended.len()).unwrap_or(i64::MAX)
}

fn runs_of_user(conn: &mut SqliteConnection, tenant: &str, user: &str, since: DateTime<Utc>) -> QueryResult<i64> {
    let ended = task_executions::table
        .filter(task_executions::tenant_id.eq(tenant).and(task_executions::user_id.eq(user)))
        .filter(task_executions::queued_at.ge(Stamp(since)))
        .select(task_executions::run_id)
        .load(conn)?;
    let current = task_states::table
        .filter(task_states::tenant_id.eq(tenant).and(task_states::user_id.eq(user)).and(task_states::is_active))
        .filter(task_states::queued_at.ge(Stamp(since)))
        .select(task_states::run_id)
        .load(conn)?;
    Ok(distinct(ended, current))
}

pub(super) fn manual_runs(
    conn: &mut SqliteConnection,
    tenant: &str,
    user: &str,
    task: i64,
    since: DateTime<Utc>,
) -> QueryResult<i64> {
    let ended = task_executions::table
        .filter(task_executions::tenant_id.eq(tenant).and(task_executions::user_id.eq(user)))
        .filter(task_executions::task_id.eq(task))
        .filter(
            task_executions::queued_at
                .gt(Stamp(since))
                .and(task_executions::trigger_type.eq(Word(TriggerType::Manual))),
        )
        .select(task_executions::run_id)
        .load(conn)?;
    let current = task_states::table
        .filter(task_states::tenant_id.eq(tenant).and(task_states::id.eq(task)))
        .filter(task_states::queued_at.gt(Stamp(since)).and(task_states::trigger_type.eq(Word(TriggerType::Manual))))
        .select(task_states::run_id)
        .load(conn)?;
    Ok(distinct(ended, current))
}
