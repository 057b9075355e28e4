//! Whether users' limits allow changes that are saved together.

use std::collections::BTreeSet;

use chrono::{DateTime, TimeDelta, Utc};
use diesel::QueryResult;
use diesel::sql_types::{Array, BigInt, Bool, Text, Timestamptz};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use task_domain::decide::Change;
use task_domain::{Demand, LevelLimits, LimitExceeded, TenantId, Usage, UserId};

use super::statement::{Sql, Statement};

/// A change that is under its owner's limits.
pub(super) struct Limited {
    tenant_id: TenantId,
    user_id: UserId,
    /// The task's bigint id; 0 for a new one.
    id: i64,
    /// When it was decided: its day and minute are those of the run that it queues.
    at: DateTime<Utc>,
    limits: LevelLimits,
    demand: Demand,
}

impl Limited {
    /// `None` when no limit concerns the change; work without an owner is under nobody's limits.
    pub(super) fn of(change: &Change) -> Option<Self> {
        let limits = change.limits.filter(|limits| limits.concern(change.demand))?;
        Some(Self {
            tenant_id: change.task.tenant_id.clone(),
            user_id: change.task.user_id.clone()?,
            id: change.task.id,
            at: change.task.updated_at,
            limits,
            demand: change.demand,
        })
    }

    pub(super) fn is_of_same_user(&self, other: &Self) -> bool {
        self.tenant_id == other.tenant_id && self.user_id == other.user_id
    }
}

/// What the limits say of one of several changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Allowed,
    Exceeded(LimitExceeded),
    /// There is room for it, but not once those allowed before it are saved.
    ExceededByOthers(LimitExceeded),
}

/// Locks the users until the transaction ends, counts, and decides, in the order of `changes`.
/// The lock is a statement of its own: under READ COMMITTED the count's snapshot is taken when its
/// statement starts, and must see what the holder before committed.
pub(super) async fn check(connection: &mut AsyncPgConnection, changes: &[&Limited]) -> QueryResult<Vec<Verdict>> {
    let users: BTreeSet<(&str, &str)> = changes.iter().map(|c| (c.tenant_id.as_str(), c.user_id.as_str())).collect();
    let (tenants, users): (Vec<&str>, Vec<&str>) = users.into_iter().unzip();
    Sql(include_str!("sql/lock_users.sql"))
        .bind::<Array<Text>, _>(tenants)
        .bind::<Array<Text>, _>(users)
        .execute(connection)
        .await?;
    let usages = count(connection, changes).await?;
    Ok(judge(changes, &usages))
}

/// What stands before the changes. Exact only under the users' locks.
async fn count(connection: &mut AsyncPgConnection, changes: &[&Limited]) -> QueryResult<Vec<Usage>> {
    fn all<'c, T>(changes: &[&'c Limited], of: impl Fn(&'c Limited) -> T) -> Vec<T> {
        changes.iter().copied().map(of).collect()
    }
    let rows: Vec<(i64, i64, i64)> = Sql(include_str!("sql/usage.sql"))
        .bind::<Array<Text>, _>(all(changes, |c| c.tenant_id.as_str()))
        .bind::<Array<Text>, _>(all(changes, |c| c.user_id.as_str()))
        .bind::<Array<BigInt>, _>(all(changes, |c| c.id))
        .bind::<Array<Timestamptz>, _>(all(changes, |c| LevelLimits::day_start(c.at)))
        .bind::<Array<Timestamptz>, _>(all(changes, |c| c.at - TimeDelta::minutes(1)))
        .bind::<Array<Bool>, _>(all(changes, |c| c.demand.active_task))
        .bind::<Array<Bool>, _>(all(changes, |c| c.demand.run))
        .bind::<Array<Bool>, _>(all(changes, |c| c.demand.manual_run))
        .reading::<(BigInt, BigInt, BigInt)>()
        .load(connection)
        .await?;
    let usage = |(active_tasks, runs_today, manual_runs_last_minute)| Usage {
        active_tasks,
        runs_today,
        manual_runs_last_minute,
    };
    Ok(rows.into_iter().map(usage).collect())
}

/// Each change is counted upon those of the same user that are allowed before it.
fn judge(changes: &[&Limited], usages: &[Usage]) -> Vec<Verdict> {
    let mut allowed: Vec<&Limited> = Vec::new();
    let mut verdicts = Vec::with_capacity(changes.len());
    for (change, usage) in changes.iter().zip(usages) {
        let mut upon = *usage;
        for other in allowed.iter().filter(|other| other.is_of_same_user(change)) {
            let same_day = LevelLimits::day_start(other.at) == LevelLimits::day_start(change.at);
            upon.active_tasks += i64::from(other.demand.active_task);
            upon.runs_today += i64::from(other.demand.run && same_day);
        }
        verdicts.push(match (change.limits.check(change.demand, *usage), change.limits.check(change.demand, upon)) {
            (Err(exceeded), _) => Verdict::Exceeded(exceeded),
            (Ok(()), Err(exceeded)) => Verdict::ExceededByOthers(exceeded),
            (Ok(()), Ok(())) => {
                allowed.push(change);
                Verdict::Allowed
            }
        });
    }
    verdicts
}

#[cfg(test)]
mod tests {
    use super::*;
    use task_domain::LimitType;

    fn create(user: &str, active_tasks: i64) -> Limited {
        Limited {
            tenant_id: TenantId::default_tenant(),
            user_id: UserId::new(user).unwrap(),
            id: 0,
            at: DateTime::UNIX_EPOCH,
            limits: LevelLimits {
                active_tasks: Some(active_tasks),
                daily_executions: None,
                schedule_interval: 1,
                task_execution_rate: None,
                weight: 1,
            },
            demand: Demand { active_task: true, ..Demand::default() },
        }
    }

    #[test]
    fn what_is_saved_together_is_counted_together_and_users_apart() {
        let changes = [create("ann", 3), create("bob", 3), create("ann", 3), create("ann", 3), create("cid", 2)];
        let used = |active_tasks| Usage { active_tasks, ..Usage::default() };
        let usages = [used(1), used(2), used(1), used(1), used(2)];
        let exceeded = |limit| LimitExceeded { limit_type: LimitType::ActiveTasks, limit, used: limit };
        assert_eq!(
            judge(&changes.iter().collect::<Vec<_>>(), &usages),
            [
                Verdict::Allowed,
                Verdict::Allowed,
                Verdict::Allowed,
                Verdict::ExceededByOthers(exceeded(3)),
                Verdict::Exceeded(exceeded(2)),
            ]
        );
    }
}
