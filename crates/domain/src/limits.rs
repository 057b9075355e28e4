//! What a user may use, by subscription level.

use chrono::{DateTime, Duration, NaiveTime, Utc};
use serde::{Deserialize, Serialize};

use crate::fair_share::MIN_WEIGHT;
use crate::text_enum::text_enum;

text_enum! {
    /// A user's subscription, lowest first.
    SubscriptionLevel {
        Free = "free",
        Basic = "basic",
        Pro = "pro",
        Enterprise = "enterprise",
    }
}

text_enum! {
    /// Which limit was met.
    LimitType {
        /// Tasks neither deleted nor terminal, per user.
        ActiveTasks = "active_tasks",
        /// Runs per user and UTC day.
        DailyExecutions = "daily_executions",
        /// Shortest time between two runs of a schedule, seconds.
        ScheduleInterval = "schedule_interval",
        /// Manual executes of one task within a minute.
        TaskExecutionRate = "task_execution_rate",
    }
}

/// A limit that a command met; nothing was changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("Task limit exceeded")]
pub struct LimitExceeded {
    pub limit_type: LimitType,
    pub limit: i64,
    pub used: i64,
}

impl LimitExceeded {
    /// After how many seconds the same may be admitted: when the UTC day is over for the runs of a
    /// day, else in a minute.
    pub fn retry_after(&self, now: DateTime<Utc>) -> i64 {
        match self.limit_type {
            LimitType::DailyExecutions => {
                let left = LevelLimits::day_start(now) + Duration::days(1) - now;
                // Not a moment before midnight.
                left.num_seconds() + i64::from(left.subsec_nanos() > 0)
            }
            LimitType::ActiveTasks | LimitType::ScheduleInterval | LimitType::TaskExecutionRate => 60,
        }
    }
}

/// What users of one level may use; `None` = as much as they like.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LevelLimits {
    pub active_tasks: Option<i64>,
    pub daily_executions: Option<i64>,
    /// Seconds.
    pub schedule_interval: i64,
    /// Per minute.
    pub task_execution_rate: Option<i64>,
    /// How often one of its users is served, in proportion to others with work queued for the same
    /// types; [`MIN_WEIGHT`] to [`crate::fair_share::MAX_WEIGHT`].
    #[serde(default = "least_weight")]
    pub weight: u32,
}

const fn least_weight() -> u32 {
    MIN_WEIGHT
}

/// The limits of every level.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    pub free: LevelLimits,
    pub basic: LevelLimits,
    pub pro: LevelLimits,
    pub enterprise: LevelLimits,
}

impl Default for Limits {
    fn default() -> Self {
        let level = |active, daily, interval, rate| LevelLimits {
            active_tasks: active,
            daily_executions: daily,
            schedule_interval: interval,
            task_execution_rate: rate,
            weight: MIN_WEIGHT,
        };
        Self {
            free: level(Some(5), Some(10), 15 * 60, Some(10)),
            basic: level(Some(20), Some(100), 5 * 60, Some(30)),
            pro: level(Some(100), Some(1000), 60, Some(60)),
            enterprise: level(None, None, 1, None),
        }
    }
}

impl Limits {
    pub fn of(&self, level: SubscriptionLevel) -> LevelLimits {
        match level {
            SubscriptionLevel::Free => self.free,
            SubscriptionLevel::Basic => self.basic,
            SubscriptionLevel::Pro => self.pro,
            SubscriptionLevel::Enterprise => self.enterprise,
        }
    }
}

/// What a change takes from the user's limits; the store checks it inside the change's transaction.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Demand {
    /// The task becomes active: created, or reopened from a terminal status.
    pub active_task: bool,
    /// A run starts.
    pub run: bool,
    /// The run was started by hand.
    pub manual_run: bool,
}

/// What is already used, as the store counts it under the user's lock.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    pub active_tasks: i64,
    /// Runs queued since [`LevelLimits::day_start`].
    pub runs_today: i64,
    /// Manual runs of this task queued within the last minute.
    pub manual_runs_last_minute: i64,
}

impl LevelLimits {
    /// No limit.
    pub const NONE: Self = Self {
        active_tasks: None,
        daily_executions: None,
        schedule_interval: 1,
        task_execution_rate: None,
        weight: MIN_WEIGHT,
    };

    /// Whether `demand` needs a count at all.
    pub fn concern(&self, demand: Demand) -> bool {
        (demand.active_task && self.active_tasks.is_some())
            || (demand.run && self.daily_executions.is_some())
            || (demand.manual_run && self.task_execution_rate.is_some())
    }

    /// Exactly the limit is accepted; one more is not.
    pub fn check(&self, demand: Demand, usage: Usage) -> Result<(), LimitExceeded> {
        let checks = [
            (demand.active_task, self.active_tasks, usage.active_tasks, LimitType::ActiveTasks),
            (demand.run, self.daily_executions, usage.runs_today, LimitType::DailyExecutions),
            (demand.manual_run, self.task_execution_rate, usage.manual_runs_last_minute, LimitType::TaskExecutionRate),
        ];
        for (wanted, limit, used, limit_type) in checks {
            if let Some(limit) = limit.filter(|limit| wanted && used >= *limit) {
                return Err(LimitExceeded { limit_type, limit, used });
            }
        }
        Ok(())
    }

    /// Whether a schedule whose shortest time between runs is `shortest` is allowed.
    pub fn check_interval(&self, shortest: Option<Duration>) -> Result<(), LimitExceeded> {
        match shortest.map(|d| d.num_seconds()) {
            Some(seconds) if seconds < self.schedule_interval => Err(LimitExceeded {
                limit_type: LimitType::ScheduleInterval,
                limit: self.schedule_interval,
                used: seconds,
            }),
            _ => Ok(()),
        }
    }

    /// Midnight UTC of the day that `now` is in: runs are counted from here.
    pub fn day_start(now: DateTime<Utc>) -> DateTime<Utc> {
        now.date_naive().and_time(NaiveTime::MIN).and_utc()
    }
}
