//! Counting what a user has used of their limits.

use chrono::{DateTime, TimeDelta, Utc};
use diesel::QueryResult;
use diesel::sql_types::{BigInt, Bool, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use task_domain::decide::Change;
use task_domain::{LevelLimits, Usage, UserId};

use super::statement::{Sql, Statement};

/// What stands before `change`. Exact only under the user's lock. The day and the minute are those
/// of the change itself, as are those of the run that it queues.
pub(super) async fn count(connection: &mut AsyncPgConnection, change: &Change, user_id: &UserId) -> QueryResult<Usage> {
    let now: DateTime<Utc> = change.task.updated_at;
    let (active_tasks, runs_today, manual_runs_last_minute) = Sql(include_str!("sql/usage.sql"))
        .bind::<Text, _>(change.task.tenant_id.as_str())
        .bind::<Text, _>(user_id.as_str())
        .bind::<BigInt, _>(change.task.id)
        .bind::<Timestamptz, _>(LevelLimits::day_start(now))
        .bind::<Timestamptz, _>(now - TimeDelta::minutes(1))
        .bind::<Bool, _>(change.demand.active_task)
        .bind::<Bool, _>(change.demand.run)
        .bind::<Bool, _>(change.demand.manual_run)
        .reading::<(BigInt, BigInt, BigInt)>()
        .get_result(connection)
        .await?;
    Ok(Usage { active_tasks, runs_today, manual_runs_last_minute })
}
