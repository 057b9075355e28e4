//! The shortest time between two runs.

use chrono::{DateTime, Duration, NaiveDate, NaiveTime, Utc};

use super::{Kind, Schedule};

const DAY: i64 = 86_400;
/// How far pairs of days are compared: over a leap year, so that the shortest month is among them.
const LOOK_AHEAD_DAYS: i64 = 5 * 366;
/// No more days than this are compared; the shortest of more frequent ones shows long before.
const MAX_DAYS: usize = 400;

impl Schedule {
    /// The shortest time between two consecutive runs from `now` on, as the clock on the wall shows
    /// it: the two clock changes of a year may bring a pair of runs closer or further apart, and
    /// nobody is held to that. None when there are not two runs to come.
    pub fn shortest_interval(&self, now: DateTime<Utc>) -> Option<Duration> {
        let [first, second] = self.upcoming(now, 2).try_into().ok()?;
        let seconds = match &self.kind {
            Kind::Once { .. } => return None,
            Kind::Interval(every) => every.seconds(),
            kind => {
                let start = first.with_timezone(&self.timezone).date_naive();
                // Within the last years of the calendar there may be no second day to compare.
                wall_interval(kind, start).unwrap_or((second - first).num_seconds())
            }
        };
        Duration::try_seconds(seconds)
    }
}

/// The same, in seconds, for a rule that names local times, the days compared from `start` on.
fn wall_interval(kind: &Kind, start: NaiveDate) -> Option<i64> {
    // A cron expression is days × hours × minutes × seconds, so the shortest time lies between two
    // neighbours of one of the four; the units below it go back from their last to their first.
    let mut shortest = None;
    let mut span = 0;
    if let Kind::Cron(cron) = kind {
        for (values, unit) in cron.times().iter().zip([1, 60, 3_600]) {
            let neighbours = values.windows(2).map(|pair| i64::from(pair[1] - pair[0])).min();
            shortest = least(shortest, neighbours.map(|gap| gap * unit - span));
            span += values.first().zip(values.last()).map_or(0, |(first, last)| i64::from(last - first) * unit);
        }
    }
    if shortest.is_some_and(|within_a_day| within_a_day <= DAY - span) {
        return shortest;
    }
    least(shortest, shortest_days(kind, start).map(|days| days * DAY - span))
}

/// The fewest days between two neighbouring days on which the rule runs.
fn shortest_days(kind: &Kind, start: NaiveDate) -> Option<i64> {
    let last_second = NaiveTime::from_hms_opt(23, 59, 59)?;
    let mut shortest = None;
    let mut day = kind.wall_after(start.pred_opt()?.and_time(last_second))?.date();
    for _ in 0..MAX_DAYS {
        let Some(next) = kind.wall_after(day.and_time(last_second)) else { break };
        shortest = least(shortest, Some((next.date() - day).num_days()));
        day = next.date();
        if shortest == Some(1) || (day - start).num_days() > LOOK_AHEAD_DAYS {
            break;
        }
    }
    shortest
}

fn least(a: Option<i64>, b: Option<i64>) -> Option<i64> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}
