//! Cron expressions: `croner` reads and walks them; how they meet a clock change is ours.
//!
//! `croner` (4.0) carries only a single fixed time over a gap, drops lists and ranges of times that
//! fall into one, runs them twice in a repeated hour, and gives up on a gap longer than two hours. So
//! expressions that name their times are walked as local times without a zone, and `wall` places
//! them.

use std::fmt;
use std::sync::Arc;

use chrono::{DateTime, NaiveDateTime, Utc};
use chrono_tz::Tz;
use croner::parser::{CronParser, Seconds, Year};
use croner::{Cron, CronComponent};

use super::wall;

/// A valid cron expression: five fields, or six with seconds first, or `@hourly`, `@daily`,
/// `@weekly`, `@monthly`, `@yearly`, `@annually`. Weekdays: 0 and 7 are Sunday.
///
/// Equal when the texts are equal.
#[derive(Clone)]
pub struct CronExpression {
    text: String,
    // Shared: a parsed expression is a few kilobytes, and tasks are cloned freely.
    cron: Arc<Cron>,
}

impl CronExpression {
    /// The longest expression, in bytes.
    pub const MAX_LENGTH: usize = 512;

    const NICKNAMES: [&str; 6] = ["@hourly", "@daily", "@weekly", "@monthly", "@yearly", "@annually"];

    /// Reads an expression; the error says what is wrong with it or what is allowed.
    pub(super) fn parse(text: &str) -> Result<Self, String> {
        let text = text.trim();
        if text.len() > Self::MAX_LENGTH {
            return Err(format!("must be at most {} characters", Self::MAX_LENGTH));
        }
        let is_nickname = Self::NICKNAMES.iter().any(|name| name.eq_ignore_ascii_case(text));
        let fields = text.split_ascii_whitespace().count();
        if !text.is_ascii() || !(is_nickname || matches!(fields, 5 | 6)) {
            return Err("must have five fields (minute hour day month weekday), or six with seconds first".to_owned());
        }
        let parser = CronParser::builder().seconds(Seconds::Optional).year(Year::Disallowed).build();
        let cron = parser.parse(text).map_err(|error| format!("is not a cron expression: {error}"))?;
        let pattern = &cron.pattern;
        // croner accepts an empty field such as `,`, then searches for centuries second by second.
        let times = [&pattern.seconds, &pattern.minutes, &pattern.hours, &pattern.months];
        let days = [&pattern.days, &pattern.days_of_week];
        if times.into_iter().any(names_nothing)
            || days.into_iter().any(|field| names_nothing(field) && !field.has_modifiers())
        {
            return Err("has a field that names no value".to_owned());
        }
        Ok(CronExpression { text: text.to_owned(), cron: Arc::new(cron) })
    }

    /// The expression as it was written, trimmed.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// The first instant strictly after `after` at which it runs in `zone`.
    pub(super) fn next(&self, zone: Tz, after: DateTime<Utc>) -> Option<DateTime<Utc>> {
        let pattern = &self.cron.pattern;
        let named = || wall::next_showing(zone, after, |local| self.wall_after(local));
        if ![&pattern.seconds, &pattern.minutes, &pattern.hours].iter().any(|field| field.from_wildcard) {
            return named();
        }
        let elapsed = || {
            let found = self.cron.find_next_occurrence(&after.with_timezone(&zone), false).ok()?;
            Some(found.to_utc()).filter(|at| *at > after)
        };
        if pattern.hours.from_wildcard {
            return elapsed();
        }
        // Of a named hour, the end of a gap that swallows it counts too.
        match (elapsed(), named()) {
            (Some(a), Some(b)) => Some(a.min(b)),
            (a, b) => a.or(b),
        }
    }

    /// The first matching local time strictly after `after`, the zone left out of it.
    pub(super) fn wall_after(&self, after: NaiveDateTime) -> Option<NaiveDateTime> {
        self.cron.find_next_occurrence(&after, false).ok()
    }

    /// The seconds, minutes and hours it names, each ascending and never empty.
    pub(super) fn times(&self) -> [Vec<u16>; 3] {
        let pattern = &self.cron.pattern;
        [pattern.seconds.values(), pattern.minutes.values(), pattern.hours.values()]
    }
}

fn names_nothing(field: &CronComponent) -> bool {
    field.values().is_empty()
}

impl PartialEq for CronExpression {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl fmt::Debug for CronExpression {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("CronExpression").field(&self.text).finish()
    }
}
