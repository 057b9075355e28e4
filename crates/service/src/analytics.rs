//! What a user has done, in figures.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, Datelike, NaiveDate, Timelike, Utc, Weekday};
use task_domain::{ExecutionStatus, TaskStatus, TenantId, UserId};
use task_protocols::{AnalyticsStore, Figures, HourOfExecutions, TaskStore};

use crate::cache::AgingCache;
use crate::{Access, Caller, ServiceError};

const TIME_TO_LIVE: Duration = Duration::from_secs(60);
/// Users and windows whose figures are kept.
const CAPACITY: usize = 10_000;
/// Entries of `busiest_hours` and `busiest_days`.
const BUSIEST: usize = 5;

/// The executions of one day.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DayOfExecutions {
    /// UTC.
    pub date: NaiveDate,
    pub total: i64,
    pub successful: i64,
    pub failed: i64,
}

/// The figures of one user. Tasks are those that are there; executions the ended ones whose run was
/// queued in the window.
#[derive(Debug, Clone, PartialEq)]
pub struct Analytics {
    pub user_id: UserId,
    /// Length of the window, which ends at `created_at`.
    pub days: i64,
    pub total_tasks: i64,
    /// Scheduled, queued or running.
    pub active_tasks: i64,
    pub completed_tasks: i64,
    pub failed_tasks: i64,
    pub paused_tasks: i64,
    pub tasks_by_status: BTreeMap<TaskStatus, i64>,
    pub task_types: BTreeMap<String, i64>,
    pub total_executions: i64,
    pub successful_executions: i64,
    /// Failed, timed out, or lost with their worker.
    pub failed_executions: i64,
    /// Percent of all executions, two decimals; 0 when there are none.
    pub success_rate: f64,
    /// Seconds, two decimals, of those that somebody worked on.
    pub average_execution_time: f64,
    pub total_credits_consumed: f64,
    pub total_tokens_used: i64,
    pub total_api_calls: i64,
    /// Hours of the day (UTC) with the most executions, at most five; of equals the earlier first.
    pub busiest_hours: Vec<u32>,
    /// The same for days of the week, Monday first.
    pub busiest_days: Vec<Weekday>,
    /// Every day that the window touches, in order.
    pub executions_per_day: Vec<DayOfExecutions>,
    pub created_at: DateTime<Utc>,
}

/// Counts, and keeps what was counted for a minute.
pub struct AnalyticsService {
    analytics: Arc<dyn AnalyticsStore>,
    clock: Arc<dyn TaskStore>,
    cache: AgingCache<(TenantId, UserId, i64), Arc<Analytics>>,
}

impl AnalyticsService {
    /// `clock` is asked for the time.
    pub fn new(analytics: Arc<dyn AnalyticsStore>, clock: Arc<dyn TaskStore>) -> Self {
        Self { analytics, clock, cache: AgingCache::lasting(TIME_TO_LIVE, CAPACITY) }
    }

    /// The figures of a user over the last `days`, up to a minute old.
    ///
    /// # Errors
    /// `Forbidden` for a user who asks for another's, for a key that acts for another user, and for
    /// one that is limited to task types, because the figures are of all.
    pub async fn of_user(&self, caller: &Caller, user_id: &UserId, days: i64) -> Result<Arc<Analytics>, ServiceError> {
        let may = match &caller.access {
            Access::User { user_id: own, .. } => own == user_id,
            Access::Key { task_types, .. } => {
                task_types.is_empty() && caller.user_id().is_none_or(|acting| acting == user_id)
            }
        };
        if !may {
            return Err(ServiceError::Forbidden { action: "read", required_level: None });
        }
        let key = (caller.tenant_id.clone(), user_id.clone(), days);
        if let Some(kept) = self.cache.value(&key) {
            return Ok(kept);
        }
        let now = self.clock.now().await?;
        let since = now - chrono::Duration::days(days);
        let figures = self.analytics.figures(&caller.tenant_id, user_id, since).await?;
        let counted = Arc::new(summarise(&figures, user_id.clone(), days, now));
        self.cache.keep(key, Arc::clone(&counted));
        Ok(counted)
    }
}

/// Adds the figures up; pure.
pub fn summarise(figures: &Figures, user_id: UserId, days: i64, now: DateTime<Utc>) -> Analytics {
    let mut tasks_by_status = BTreeMap::new();
    let mut task_types = BTreeMap::new();
    for (status, task_type, count) in &figures.tasks {
        *tasks_by_status.entry(*status).or_default() += count;
        *task_types.entry(task_type.clone()).or_default() += count;
    }
    let tasks = |statuses: &[TaskStatus]| statuses.iter().filter_map(|s| tasks_by_status.get(s)).sum();
    let hours = &figures.executions;
    let whole = |of: fn(&HourOfExecutions) -> i64| hours.iter().map(of).sum::<i64>();
    let (total, timed) = (whole(|hour| hour.count), whole(|hour| hour.timed));
    let successful = whole(successful);
    Analytics {
        user_id,
        days,
        total_tasks: tasks_by_status.values().sum(),
        active_tasks: tasks(&[TaskStatus::Scheduled, TaskStatus::Queued, TaskStatus::Running]),
        completed_tasks: tasks(&[TaskStatus::Completed]),
        failed_tasks: tasks(&[TaskStatus::Failed]),
        paused_tasks: tasks(&[TaskStatus::Paused]),
        total_executions: total,
        successful_executions: successful,
        failed_executions: whole(failed),
        success_rate: rounded(ratio(100.0 * successful as f64, total), 2),
        average_execution_time: rounded(ratio(whole(|hour| hour.duration_ms) as f64 / 1000.0, timed), 2),
        total_credits_consumed: rounded(hours.iter().map(|hour| hour.credits).sum(), 6),
        total_tokens_used: whole(|hour| hour.tokens),
        total_api_calls: whole(|hour| hour.api_calls),
        busiest_hours: busiest(hours, |hour| hour.hour.hour()),
        busiest_days: busiest(hours, |hour| hour.hour.weekday().num_days_from_monday())
            .into_iter()
            .filter_map(|day| u8::try_from(day).ok().and_then(|day| Weekday::try_from(day).ok()))
            .collect(),
        executions_per_day: per_day(hours, now - chrono::Duration::days(days), now),
        tasks_by_status,
        task_types,
        created_at: now,
    }
}

fn successful(hour: &HourOfExecutions) -> i64 {
    if hour.status == ExecutionStatus::Completed { hour.count } else { 0 }
}

fn failed(hour: &HourOfExecutions) -> i64 {
    let is_failure = matches!(hour.status, ExecutionStatus::Failed | ExecutionStatus::TimedOut | ExecutionStatus::Lost);
    if is_failure { hour.count } else { 0 }
}

fn ratio(sum: f64, count: i64) -> f64 {
    if count == 0 { 0.0 } else { sum / count as f64 }
}

fn rounded(number: f64, decimals: i32) -> f64 {
    let scale = 10_f64.powi(decimals);
    // A sum of nothing is -0.0, which a person should not see.
    (number * scale).round() / scale + 0.0
}

/// The groups with the most executions, the lower of equals first.
fn busiest(hours: &[HourOfExecutions], group: impl Fn(&HourOfExecutions) -> u32) -> Vec<u32> {
    let mut counts: BTreeMap<u32, i64> = BTreeMap::new();
    for hour in hours {
        *counts.entry(group(hour)).or_default() += hour.count;
    }
    let mut groups: Vec<_> = counts.into_iter().collect();
    groups.sort_by_key(|(group, count)| (std::cmp::Reverse(*count), *group));
    groups.into_iter().take(BUSIEST).map(|(group, _)| group).collect()
}

fn per_day(hours: &[HourOfExecutions], since: DateTime<Utc>, now: DateTime<Utc>) -> Vec<DayOfExecutions> {
    let dates = since.date_naive().iter_days().take_while(|date| *date <= now.date_naive());
    let mut days: BTreeMap<NaiveDate, DayOfExecutions> =
        dates.map(|date| (date, DayOfExecutions { date, total: 0, successful: 0, failed: 0 })).collect();
    for hour in hours {
        if let Some(day) = days.get_mut(&hour.hour.date_naive()) {
            day.total += hour.count;
            day.successful += successful(hour);
            day.failed += failed(hour);
        }
    }
    days.into_values().collect()
}
