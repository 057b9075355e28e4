//! The due times of a schedule.

use chrono::{DateTime, TimeDelta, Utc};

use super::{Kind, Misfire, Overlap, Schedule, wall};

/// How many missed runs `run_all` makes up for: the one that is being queued and the latest others.
pub const MAX_MISSED_RUNS: usize = 100;

/// The most run times that [`Schedule::upcoming`] gives.
pub const MAX_UPCOMING: usize = 1_000;

/// The bounds of every due time, so that no arithmetic leaves the calendar: 1970-01-01T00:00:00Z ...
pub(super) const FIRST: DateTime<Utc> = DateTime::<Utc>::UNIX_EPOCH;
/// ... and 2999-12-31T23:59:59Z.
pub(super) const LAST: DateTime<Utc> = match DateTime::from_timestamp(32_503_679_999, 0) {
    Some(at) => at,
    None => DateTime::<Utc>::MAX_UTC,
};

/// A run is misfired when it is later than the time to the one after it, but this much is always
/// allowed: a scheduler tick is no outage.
const MIN_GRACE: TimeDelta = TimeDelta::seconds(5);
/// The lateness that is an outage whatever the schedule.
const MAX_GRACE: TimeDelta = TimeDelta::seconds(60);

const SECOND: TimeDelta = TimeDelta::seconds(1);

impl Schedule {
    /// The first run at or after `now`, the time of creation, to the second: a time within the
    /// second of `now` counts. An interval without `start_at` first runs one interval from `now`.
    /// None when it can never fire.
    pub fn first_run(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let now = whole_second(now);
        match self.kind {
            Kind::Interval(_) if self.start_at.is_none() => self.following(now, now),
            _ => self.following(now, now - SECOND),
        }
    }

    /// Whether the run that was due at `due` is too late at `now` to be run at all. Only ever true
    /// with `misfire` = `skip`, and then when the run is later than the time between it and the one
    /// after it, taken as at least 5 s (so that a per-second schedule survives a slow tick) and at
    /// most 60 s.
    pub fn misfired(&self, due: DateTime<Utc>, now: DateTime<Utc>) -> bool {
        if self.misfire != Misfire::Skip {
            return false;
        }
        let to_next = self.following(due, due).map_or(MAX_GRACE, |next| next - due);
        now - due > to_next.clamp(MIN_GRACE, MAX_GRACE)
    }

    /// The due time after `last_due`, whose run is being queued at `now`; `runs` counts that run.
    ///
    /// `run_once` and `skip`: the first due time later than both `last_due` and `now`, so the run
    /// being queued stands for all that were missed. `run_all`: the first later than `last_due`, past
    /// or not; when more than [`MAX_MISSED_RUNS`] are missed, those in the middle are dropped.
    /// None when the schedule has ended: `end_at`, `max_runs`, or a `once` that has run.
    pub fn next_run(&self, last_due: DateTime<Utc>, now: DateTime<Utc>, runs: u32) -> Option<DateTime<Utc>> {
        if self.is_used_up(runs) {
            return None;
        }
        let after = match self.misfire {
            Misfire::RunAll => self.backlog_start(last_due, now),
            Misfire::RunOnce | Misfire::Skip => last_due.max(now),
        };
        self.following(last_due, after)
    }

    /// The first due time strictly after `after`, whatever was missed before it; `runs` is how many
    /// runs there have been. None when the schedule has ended.
    ///
    /// An interval without `start_at` counts from `anchor`, which is therefore the due time last
    /// computed for it, so that it does not drift; every other schedule ignores `anchor`.
    pub fn next_after(&self, after: DateTime<Utc>, anchor: DateTime<Utc>, runs: u32) -> Option<DateTime<Utc>> {
        if self.is_used_up(runs) { None } else { self.following(anchor, after) }
    }

    /// What becomes of `next_due`, the stored due time, when a run that was queued at `queued_at`
    /// ends at `now`; `runs` is how many runs there have been.
    ///
    /// Still in the future: it stays. Passed, with `overlap` = `skip`: the first in the future;
    /// but a time that had passed already when the run was queued was missed, not overlapped, so
    /// with `run_all` it stays and runs at once. Passed, with `queue`: due at once (that is `now`
    /// itself where `misfire` = `skip` would otherwise take it for an outage).
    pub fn after_run(
        &self,
        next_due: DateTime<Utc>,
        queued_at: DateTime<Utc>,
        now: DateTime<Utc>,
        runs: u32,
    ) -> Option<DateTime<Utc>> {
        let was_missed = self.misfire == Misfire::RunAll && next_due <= queued_at;
        match self.overlap {
            _ if next_due > now || was_missed => Some(next_due),
            Overlap::Skip => self.next_after(now, next_due, runs),
            Overlap::Queue if self.misfire == Misfire::Skip => Some(now),
            Overlap::Queue => Some(next_due),
        }
    }

    /// The first `count` due times from `now` on, at most [`MAX_UPCOMING`], if nothing is missed.
    pub fn upcoming(&self, now: DateTime<Utc>, count: usize) -> Vec<DateTime<Utc>> {
        let most = self.max_runs.map_or(usize::MAX, |runs| usize::try_from(runs).unwrap_or(usize::MAX));
        std::iter::successors(self.first_run(now), |last| self.following(*last, *last))
            .take(count.min(most).min(MAX_UPCOMING))
            .collect()
    }

    fn is_used_up(&self, runs: u32) -> bool {
        let most = if matches!(self.kind, Kind::Once { .. }) { Some(1) } else { self.max_runs };
        most.is_some_and(|most| runs >= most)
    }

    /// The first due time strictly after `after` within the bounds; `grid` is the point from which
    /// an interval without `start_at` counts.
    pub(super) fn following(&self, grid: DateTime<Utc>, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let after = after.clamp(FIRST - SECOND, LAST).max(self.start_at.unwrap_or(FIRST) - SECOND);
        let at = match &self.kind {
            Kind::Once { run_time } => Some(*run_time).filter(|at| *at > after),
            Kind::Interval(every) => on_grid(self.start_at.unwrap_or(grid), every.seconds(), after),
            Kind::Cron(cron) => cron.next(self.timezone, after),
            kind => wall::next_showing(self.timezone, after, |local| kind.wall_after(local)),
        };
        at.filter(|at| *at <= self.end_at.unwrap_or(LAST))
    }

    /// Where `run_all` goes on from: `last_due`, or the instant that leaves the latest of the
    /// missed runs ahead and no more.
    fn backlog_start(&self, last_due: DateTime<Utc>, now: DateTime<Utc>) -> DateTime<Utc> {
        // The run being queued is one of the hundred.
        let is_too_much = |from| {
            std::iter::successors(self.following(last_due, from), |at| self.following(last_due, *at))
                .take_while(|at| *at <= now)
                .nth(MAX_MISSED_RUNS - 1)
                .is_some()
        };
        if !is_too_much(last_due) {
            return last_due;
        }
        // Counting them all could take a year of seconds, so the start is bisected instead.
        let (mut early, mut late) = (last_due.timestamp(), now.timestamp());
        while late - early > 1 {
            let middle = early + (late - early) / 2;
            match DateTime::from_timestamp(middle, 0) {
                Some(from) if is_too_much(from) => early = middle,
                _ => late = middle,
            }
        }
        DateTime::from_timestamp(late, 0).unwrap_or(last_due)
    }
}

/// The first of `grid`, `grid + step`, `grid + 2 step`, … strictly after `after`; `step` in seconds.
fn on_grid(grid: DateTime<Utc>, step: i64, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
    if grid > after {
        return Some(grid);
    }
    let steps = (after - grid).num_seconds() / step + 1;
    grid.checked_add_signed(TimeDelta::try_seconds(steps.checked_mul(step)?)?)
}

/// `at` within the bounds of this module and without its fraction of a second.
fn whole_second(at: DateTime<Utc>) -> DateTime<Utc> {
    let at = at.clamp(FIRST, LAST);
    DateTime::from_timestamp(at.timestamp(), 0).unwrap_or(at)
}
