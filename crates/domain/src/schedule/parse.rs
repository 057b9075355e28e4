//! JSON to a schedule, with every problem named at once.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveTime, Utc, Weekday, WeekdaySet};
use chrono_tz::Tz;
use serde_json::{Map, Value};

use super::next::{FIRST, LAST};
use super::{CronExpression, Every, Kind, Misfire, Overlap, Schedule};

/// One thing wrong with a schedule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ScheduleProblem {
    /// The key below `schedule`; empty when the value as a whole is wrong.
    pub field: String,
    /// What is allowed there; reads on from the field's name.
    pub message: String,
}

impl fmt::Display for ScheduleProblem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.field.is_empty() { f.write_str(&self.message) } else { write!(f, "{}: {}", self.field, self.message) }
    }
}

const COMMON: &[&str] = &["type", "timezone", "start_at", "end_at", "max_runs", "misfire", "overlap"];

/// Each type with the keys that only some types know.
const TYPES: &[(&str, &[&str])] = &[
    ("once", &["run_time"]),
    ("interval", &["interval_minutes", "interval_seconds"]),
    ("daily", &["run_time"]),
    ("weekly", &["weekday", "weekdays", "run_time"]),
    ("monthly", &["day", "run_time"]),
    ("cron", &["cron_expression", "expression"]),
];

const INSTANT: &str =
    "must be an RFC 3339 time with offset between the years 1970 and 2999, such as \"2030-01-31T09:00:00Z\"";
const TIME: &str = "must be a time of day \"HH:MM\", from \"00:00\" to \"23:59\"";
const DEFAULT_TIME: NaiveTime = match NaiveTime::from_hms_opt(9, 0, 0) {
    Some(time) => time,
    None => NaiveTime::MIN,
};

pub(super) fn parse(value: &Value) -> Result<Schedule, Vec<ScheduleProblem>> {
    let Some(map) = value.as_object() else {
        let message = "must be an object with a `type`".to_owned();
        return Err(vec![ScheduleProblem { field: String::new(), message }]);
    };
    let mut reader = Reader { map, problems: Vec::new() };
    let kind = reader.kind();
    let timezone = reader.read("timezone", "must be an IANA time zone name, such as \"Europe/Berlin\"", |v| {
        Tz::from_str(v.as_str()?).ok()
    });
    let start_at = reader.read("start_at", INSTANT, instant);
    let end_at = reader.read("end_at", INSTANT, instant);
    if start_at.zip(end_at).is_some_and(|(start, end)| end < start) {
        reader.problem("end_at", "must not be before start_at");
    }
    let max_runs = reader.whole("max_runs", 1, u32::MAX);
    let misfire = reader.text::<Misfire>("misfire");
    let overlap = reader.text::<Overlap>("overlap");
    match kind {
        Some(kind) if reader.problems.is_empty() => Ok(Schedule {
            kind,
            timezone: timezone.unwrap_or(Tz::UTC),
            start_at,
            end_at,
            max_runs,
            misfire: misfire.unwrap_or(Misfire::RunOnce),
            overlap: overlap.unwrap_or(Overlap::Skip),
        }),
        _ => Err(reader.problems),
    }
}

/// Reads fields and collects what is wrong with them. A key that is null counts as absent. Whoever
/// gets None where a value is required can rely on a problem having been noted.
struct Reader<'a> {
    map: &'a Map<String, Value>,
    problems: Vec<ScheduleProblem>,
}

impl<'a> Reader<'a> {
    fn problem(&mut self, field: &str, message: impl Into<String>) {
        self.problems.push(ScheduleProblem { field: field.to_owned(), message: message.into() });
    }

    fn get(&self, key: &str) -> Option<&'a Value> {
        self.map.get(key).filter(|value| !value.is_null())
    }

    fn read<T>(&mut self, key: &str, allowed: &str, read: impl FnOnce(&Value) -> Option<T>) -> Option<T> {
        let result = read(self.get(key)?);
        if result.is_none() {
            self.problem(key, allowed);
        }
        result
    }

    fn required<T>(&mut self, key: &str, allowed: &str, read: impl FnOnce(&Value) -> Option<T>) -> Option<T> {
        if self.get(key).is_none() {
            self.problem(key, format!("is required: {allowed}"));
        }
        self.read(key, allowed, read)
    }

    fn whole(&mut self, key: &str, min: u32, max: u32) -> Option<u32> {
        let allowed = format!("must be a whole number from {min} to {max}");
        self.read(key, &allowed, |value| whole(value).filter(|n| (min..=max).contains(n)))
    }

    fn text<T: FromStr<Err = String>>(&mut self, key: &str) -> Option<T> {
        let result = self.get(key)?.as_str().unwrap_or_default().parse();
        result.map_err(|allowed| self.problem(key, allowed)).ok()
    }

    /// At most one of two keys that stand for the same thing; the one present, or the first.
    fn one_of(&mut self, first: &'static str, second: &'static str) -> &'static str {
        if self.get(first).is_some() && self.get(second).is_some() {
            self.problem(second, format!("cannot be given together with {first}"));
        }
        if self.get(first).is_none() && self.get(second).is_some() { second } else { first }
    }

    fn time_of_day(&mut self) -> NaiveTime {
        self.read("run_time", TIME, time_of_day).unwrap_or(DEFAULT_TIME)
    }

    fn kind(&mut self) -> Option<Kind> {
        let names: Vec<&str> = TYPES.iter().map(|(name, _)| *name).collect();
        let name = self.required("type", &format!("must be one of: {}", names.join(", ")), |value| {
            TYPES.iter().find(|(name, _)| value.as_str() == Some(name)).map(|(name, _)| *name)
        });
        self.refuse_unknown_keys(name);
        match name? {
            "once" => Some(Kind::Once { run_time: self.required("run_time", INSTANT, instant)? }),
            "interval" => self.interval(),
            "daily" => Some(Kind::Daily { run_time: self.time_of_day() }),
            "weekly" => self.weekly(),
            "monthly" => {
                let run_time = self.time_of_day();
                let day = self.required("day", "must be a day of the month from 1 to 31", |value| {
                    u8::try_from(whole(value)?).ok().filter(|day| (1..=31).contains(day))
                })?;
                Some(Kind::Monthly { day, run_time })
            }
            _ => {
                let key = self.one_of("cron_expression", "expression");
                let text = self.required(key, "must be text", |value| value.as_str().map(str::to_owned))?;
                CronExpression::parse(&text).map_err(|message| self.problem(key, message)).ok().map(Kind::Cron)
            }
        }
    }

    fn refuse_unknown_keys(&mut self, name: Option<&str>) {
        let known: Vec<&str> = TYPES
            .iter()
            .filter(|(n, _)| name.is_none_or(|name| name == *n))
            .flat_map(|(_, keys)| *keys)
            .copied()
            .collect();
        for key in self.map.keys().filter(|key| !COMMON.contains(&key.as_str()) && !known.contains(&key.as_str())) {
            let message = match name {
                Some(name) => format!(
                    "is not a key of a {name} schedule, which takes: {}, {}",
                    known.join(", "),
                    COMMON.join(", ")
                ),
                None => "is not a key of any schedule".to_owned(),
            };
            self.problem(key, message);
        }
    }

    fn interval(&mut self) -> Option<Kind> {
        let key = self.one_of("interval_minutes", "interval_seconds");
        if self.get(key).is_none() {
            self.problem(key, "is required: interval_minutes or interval_seconds, a whole number of at least 1");
        }
        let every = if key == "interval_minutes" {
            Every::Minutes(self.whole(key, 1, Every::MAX_SECONDS / 60)?)
        } else {
            Every::Seconds(self.whole(key, 1, Every::MAX_SECONDS)?)
        };
        Some(Kind::Interval(every))
    }

    fn weekly(&mut self) -> Option<Kind> {
        let run_time = self.time_of_day();
        let key = self.one_of("weekday", "weekdays");
        let weekdays = if key == "weekday" {
            let allowed = "must be a day from 0 (Monday) to 6 (Sunday); for several days give the list weekdays";
            self.required(key, allowed, |value| weekday(value).map(WeekdaySet::single))
        } else {
            let allowed = "must be a list of at least one day from 0 (Monday) to 6 (Sunday)";
            self.required(key, allowed, |value| {
                let days: Option<WeekdaySet> = value.as_array()?.iter().map(weekday).collect();
                days.filter(|days| !days.is_empty())
            })
        }?;
        Some(Kind::Weekly { weekdays, run_time })
    }
}

fn whole(value: &Value) -> Option<u32> {
    value.as_u64().and_then(|n| u32::try_from(n).ok())
}

fn weekday(value: &Value) -> Option<Weekday> {
    Weekday::try_from(u8::try_from(whole(value)?).ok()?).ok()
}

fn instant(value: &Value) -> Option<DateTime<Utc>> {
    let at = DateTime::parse_from_rfc3339(value.as_str()?).ok()?;
    DateTime::from_timestamp(at.timestamp(), 0).filter(|at| (FIRST..=LAST).contains(at))
}

/// Exactly `HH:MM`: chrono alone would take `9:5` as well.
fn time_of_day(value: &Value) -> Option<NaiveTime> {
    let [h1, h2, b':', m1, m2] = value.as_str()?.as_bytes() else { return None };
    let number = |tens: &u8, ones: &u8| {
        (tens.is_ascii_digit() && ones.is_ascii_digit()).then(|| u32::from(tens - b'0') * 10 + u32::from(ones - b'0'))
    };
    NaiveTime::from_hms_opt(number(h1, h2)?, number(m1, m2)?, 0)
}
