//! The six rules, and the local times that the calendar ones among them name.

use chrono::{DateTime, Datelike, Days, Months, NaiveDate, NaiveDateTime, NaiveTime, Utc, WeekdaySet};

use super::CronExpression;

/// The rule of a schedule. Values are checked when a schedule is parsed.
#[derive(Debug, Clone, PartialEq)]
pub enum Kind {
    /// One run, at this instant.
    Once { run_time: DateTime<Utc> },
    /// A run every so often, by elapsed time, never drifting.
    Interval(Every),
    /// Every day at this local time.
    Daily { run_time: NaiveTime },
    /// On these days of the week (at least one) at this local time.
    Weekly { weekdays: WeekdaySet, run_time: NaiveTime },
    /// On this day of the month, 1 to 31, at this local time; a shorter month uses its last day.
    Monthly { day: u8, run_time: NaiveTime },
    /// Whenever a cron expression matches the local time.
    Cron(CronExpression),
}

impl Kind {
    /// The text of `type` in JSON.
    pub fn as_str(&self) -> &'static str {
        match self {
            Kind::Once { .. } => "once",
            Kind::Interval(_) => "interval",
            Kind::Daily { .. } => "daily",
            Kind::Weekly { .. } => "weekly",
            Kind::Monthly { .. } => "monthly",
            Kind::Cron(_) => "cron",
        }
    }

    /// The first local time strictly after `after` that the rule names, whether or not the zone's
    /// clock ever shows it. None for the rules that name no local times.
    pub(super) fn wall_after(&self, after: NaiveDateTime) -> Option<NaiveDateTime> {
        let today = after.date();
        match self {
            Kind::Once { .. } | Kind::Interval(_) => None,
            Kind::Daily { run_time } => on_first_day(after, *run_time, |_| true),
            Kind::Weekly { weekdays, run_time } => {
                on_first_day(after, *run_time, |date| weekdays.contains(date.weekday()))
            }
            Kind::Monthly { day, run_time } => {
                let this_month = today.with_day(1)?;
                let next_month = this_month.checked_add_months(Months::new(1))?;
                [this_month, next_month].into_iter().find_map(|month| {
                    let day = u32::from((*day).min(month.num_days_in_month()));
                    Some(month.with_day(day)?.and_time(*run_time)).filter(|at| *at > after)
                })
            }
            Kind::Cron(cron) => cron.wall_after(after),
        }
    }
}

/// `time` on the first day from `after`'s own that is `wanted` and makes it later than `after`.
/// Looks as far as the same day next week.
fn on_first_day(after: NaiveDateTime, time: NaiveTime, wanted: impl Fn(NaiveDate) -> bool) -> Option<NaiveDateTime> {
    (0..=7)
        .filter_map(|days| after.date().checked_add_days(Days::new(days)))
        .filter(|date| wanted(*date))
        .map(|date| date.and_time(time))
        .find(|at| *at > after)
}

/// The length of an interval, in the unit its owner wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Every {
    Minutes(u32),
    Seconds(u32),
}

impl Every {
    /// The longest interval, in seconds: ten years.
    pub const MAX_SECONDS: u32 = 3_652 * 86_400;

    /// The length in seconds; at least 1.
    pub fn seconds(self) -> i64 {
        match self {
            Every::Minutes(minutes) => i64::from(minutes) * 60,
            Every::Seconds(seconds) => i64::from(seconds),
        }
    }
}
