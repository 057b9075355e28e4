//! A schedule back to the JSON of the API.

use chrono::{DateTime, NaiveTime, SecondsFormat, Utc, Weekday};
use serde_json::{Map, Value, json};

use super::{Every, Kind, Schedule};

pub(super) fn to_json(schedule: &Schedule) -> Value {
    let mut map = Map::new();
    let mut put = |key: &str, value: Value| map.insert(key.to_owned(), value);
    put("type", json!(schedule.kind.as_str()));
    put("timezone", json!(schedule.timezone.name()));
    put("misfire", json!(schedule.misfire));
    put("overlap", json!(schedule.overlap));
    if let Some(at) = schedule.start_at {
        put("start_at", instant(at));
    }
    if let Some(at) = schedule.end_at {
        put("end_at", instant(at));
    }
    if let Some(runs) = schedule.max_runs {
        put("max_runs", json!(runs));
    }
    match &schedule.kind {
        Kind::Once { run_time } => put("run_time", instant(*run_time)),
        Kind::Interval(Every::Minutes(minutes)) => put("interval_minutes", json!(minutes)),
        Kind::Interval(Every::Seconds(seconds)) => put("interval_seconds", json!(seconds)),
        Kind::Daily { run_time } => put("run_time", time(*run_time)),
        Kind::Weekly { weekdays, run_time } => {
            put("run_time", time(*run_time));
            match weekdays.single_day() {
                Some(day) => put("weekday", json!(day.num_days_from_monday())),
                None => {
                    let days: Vec<u32> = weekdays.iter(Weekday::Mon).map(|day| day.num_days_from_monday()).collect();
                    put("weekdays", json!(days))
                }
            }
        }
        Kind::Monthly { day, run_time } => {
            put("run_time", time(*run_time));
            put("day", json!(day))
        }
        Kind::Cron(cron) => put("cron_expression", json!(cron.as_str())),
    };
    Value::Object(map)
}

fn instant(at: DateTime<Utc>) -> Value {
    Value::String(at.to_rfc3339_opts(SecondsFormat::Secs, true))
}

fn time(at: NaiveTime) -> Value {
    Value::String(at.format("%H:%M").to_string())
}
