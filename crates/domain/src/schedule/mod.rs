//! Schedules: when a task runs by itself.
//!
//! A [`Schedule`] is read once ([`Schedule::parse`]) and is valid from then on; every question about
//! it is a pure function of the schedule, the last due time and the time of asking. Zones and
//! daylight saving come from `chrono-tz`, cron expressions from `croner`.
//!
//! **Clock changes.** A rule that names local times (daily, weekly, monthly, a cron expression
//! without `*` in hour, minute and second) runs at *the first instant at which the zone's clock shows
//! that time or a later one*: a time inside a gap runs when the gap ends, a time that comes twice
//! runs the first time only. Several times inside one gap are one run. Other cron expressions follow
//! elapsed time: they match the clock as it goes, in both passes of a repeated hour. If their hours
//! are named (`*/10 2 * * *`) and the gap swallows them, they still run once, at its end.
//!
//! **Misfires.** The scheduler stores the next due time. Its tick at `now >= due` first asks
//! [`Schedule::misfired`]: a misfired run is dropped and the next time is `next_after(now, due, runs)`.
//! Otherwise the run is queued and the next time is `next_run(due, now, runs)`. When the run has
//! ended, [`Schedule::after_run`] says what becomes of a due time that passed meanwhile.
//!
//! Everything is computed to the second, for due times from 1970 to the end of 2999.
//!
//! Deliberately absent: clocks, storage, what a run does, limits per subscription level (they ask
//! [`Schedule::shortest_interval`]), a calendar of our own.

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use serde_json::Value;

use crate::text_enum::text_enum;

mod cron;
mod json;
mod kind;
mod next;
mod parse;
mod shortest;
mod wall;

pub use cron::CronExpression;
pub use kind::{Every, Kind};
pub use next::{MAX_MISSED_RUNS, MAX_UPCOMING};
pub use parse::ScheduleProblem;

text_enum! {
    /// What becomes of runs that fell due while nothing was there to start them.
    Misfire {
        /// All of them together are one run, at once; then the next in the future. The default.
        RunOnce = "run_once",
        /// They are not run (see [`Schedule::misfired`] for how late is too late).
        Skip = "skip",
        /// Each of them runs, one after the other, the latest [`MAX_MISSED_RUNS`] at most.
        RunAll = "run_all",
    }
}

text_enum! {
    /// What becomes of a due time that passes while the task's run before it is still going.
    Overlap {
        /// It is dropped; the next is the first in the future. The default.
        Skip = "skip",
        /// It runs as soon as the run before it has ended; several such times are one run
        /// (with `misfire` = `run_all`: one run each).
        Queue = "queue",
    }
}

/// When a task runs: a rule, its zone, its bounds, and what to do about missed and overlapping runs.
///
/// Serde goes through [`Schedule::to_json`] and [`Schedule::parse`], so a stored schedule is
/// checked like a posted one, and unknown keys are refused.
#[derive(Debug, Clone, PartialEq)]
pub struct Schedule {
    kind: Kind,
    timezone: Tz,
    start_at: Option<DateTime<Utc>>,
    end_at: Option<DateTime<Utc>>,
    max_runs: Option<u32>,
    /// What becomes of runs missed while the scheduler was down.
    pub misfire: Misfire,
    /// What becomes of runs that fall due while the one before is still going.
    pub overlap: Overlap,
}

impl Schedule {
    /// Reads and checks a schedule as the API speaks it. Instants are cut to whole seconds.
    ///
    /// # Errors
    /// Every problem at once, each with the key it is about and what is allowed there.
    pub fn parse(value: &Value) -> Result<Schedule, Vec<ScheduleProblem>> {
        parse::parse(value)
    }

    /// The canonical JSON: what the owner wrote, with the defaults filled in. Parsing it gives an
    /// equal schedule.
    pub fn to_json(&self) -> Value {
        json::to_json(self)
    }

    /// The rule itself.
    pub fn kind(&self) -> &Kind {
        &self.kind
    }

    /// The zone in which local times are meant.
    pub fn timezone(&self) -> Tz {
        self.timezone
    }

    /// No run is earlier. For an interval this is the first run, and the point its runs count from.
    pub fn start_at(&self) -> Option<DateTime<Utc>> {
        self.start_at
    }

    /// No run is later; a run at this very instant still happens.
    pub fn end_at(&self) -> Option<DateTime<Utc>> {
        self.end_at
    }

    /// How many runs the schedule starts in all.
    pub fn max_runs(&self) -> Option<u32> {
        self.max_runs
    }
}

impl Serialize for Schedule {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        self.to_json().serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Schedule {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let value = Value::deserialize(deserializer)?;
        Schedule::parse(&value).map_err(|problems| {
            let texts: Vec<String> = problems.iter().map(ToString::to_string).collect();
            serde::de::Error::custom(format!("invalid schedule: {}", texts.join("; ")))
        })
    }
}
