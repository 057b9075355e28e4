//! Schedules where clocks change: gaps, repeated hours, odd offsets, a day that never was.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic where it stands")]

use chrono::{DateTime, Utc};
use chrono_tz::Tz;
use serde_json::{Value, json};
use task_domain::schedule::Schedule;

/// The next runs as their zone's clock shows them, with the offset.
fn local(mut value: Value, zone: &str, now: &str, count: usize) -> Vec<String> {
    value["timezone"] = json!(zone);
    let tz: Tz = zone.parse().unwrap();
    let now: DateTime<Utc> = now.parse::<DateTime<chrono::FixedOffset>>().unwrap().to_utc();
    let runs = Schedule::parse(&value).unwrap().upcoming(now, count);
    runs.iter().map(|at| at.with_timezone(&tz).format("%m-%d %H:%M%z").to_string()).collect()
}

fn daily(time: &str) -> Value {
    json!({"type": "daily", "run_time": time})
}

fn cron(text: &str) -> Value {
    json!({"type": "cron", "cron_expression": text})
}

const NEW_YORK: &str = "America/New_York";
/// The day before the clocks go forward (2026-03-08 02:00 to 03:00) and back (11-01 02:00 to 01:00).
const NY_SPRING: &str = "2026-03-07T00:00:00-05:00";
const NY_AUTUMN: &str = "2026-10-31T00:00:00-04:00";

#[test]
fn a_gap_runs_at_its_end() {
    let around = ["03-07 02:30-0500", "03-08 03:00-0400", "03-09 02:30-0400"];
    assert_eq!(local(daily("02:30"), NEW_YORK, NY_SPRING, 3), around);
    assert_eq!(local(cron("30 2 * * *"), NEW_YORK, NY_SPRING, 3), around);
    let weekly = json!({"type": "weekly", "weekday": 6, "run_time": "02:30"});
    assert_eq!(local(weekly, NEW_YORK, NY_SPRING, 2), ["03-08 03:00-0400", "03-15 02:30-0400"]);
    let monthly = json!({"type": "monthly", "day": 8, "run_time": "02:30"});
    assert_eq!(local(monthly, NEW_YORK, NY_SPRING, 2), ["03-08 03:00-0400", "04-08 02:30-0400"]);
    let berlin = local(daily("02:00"), "Europe/Berlin", "2026-03-29T00:00:00+01:00", 2);
    assert_eq!(berlin, ["03-29 03:00+0200", "03-30 02:00+0200"]);
}

#[test]
fn an_overlap_runs_once_the_first_time() {
    let around = ["10-31 01:30-0400", "11-01 01:30-0400", "11-02 01:30-0500"];
    assert_eq!(local(daily("01:30"), NEW_YORK, NY_AUTUMN, 3), around);
    assert_eq!(local(cron("30 1 * * *"), NEW_YORK, NY_AUTUMN, 3), around);
    // Asked in the second pass: the run was in the first.
    assert_eq!(local(daily("01:30"), NEW_YORK, "2026-11-01T01:10:00-05:00", 1), ["11-02 01:30-0500"]);
    let berlin = local(daily("02:30"), "Europe/Berlin", "2026-10-25T00:00:00+02:00", 2);
    assert_eq!(berlin, ["10-25 02:30+0200", "10-26 02:30+0100"]);
}

#[test]
fn lists_and_ranges_of_times_are_fixed_times_too() {
    let spring = local(cron("0,30 1-3 * * *"), NEW_YORK, "2026-03-08T01:00:00-05:00", 5);
    assert_eq!(
        spring,
        ["03-08 01:00-0500", "03-08 01:30-0500", "03-08 03:00-0400", "03-08 03:30-0400", "03-09 01:00-0400"]
    );
    let autumn = local(cron("0,30 1,2 * * *"), NEW_YORK, "2026-11-01T01:00:00-04:00", 5);
    assert_eq!(
        autumn,
        ["11-01 01:00-0400", "11-01 01:30-0400", "11-01 02:00-0500", "11-01 02:30-0500", "11-02 01:00-0500"]
    );
}

#[test]
fn wildcards_follow_elapsed_time() {
    let autumn = local(cron("*/30 * * * *"), NEW_YORK, "2026-11-01T01:00:00-04:00", 5);
    assert_eq!(
        autumn,
        ["11-01 01:00-0400", "11-01 01:30-0400", "11-01 01:00-0500", "11-01 01:30-0500", "11-01 02:00-0500"]
    );
    assert_eq!(
        local(cron("5 * * * *"), NEW_YORK, "2026-03-08T01:00:00-05:00", 2),
        ["03-08 01:05-0500", "03-08 03:05-0400"]
    );
    // A named hour swallowed by the gap is not lost, though its minutes are a wildcard.
    assert_eq!(
        local(cron("*/10 2 * * *"), NEW_YORK, "2026-03-08T00:00:00-05:00", 2),
        ["03-08 03:00-0400", "03-09 02:00-0400"]
    );
    let interval = json!({"type": "interval", "interval_minutes": 60, "start_at": "2026-03-08T01:30:00-05:00"});
    assert_eq!(local(interval, NEW_YORK, NY_SPRING, 2), ["03-08 01:30-0500", "03-08 03:30-0400"]);
}

#[test]
fn half_an_hour_of_daylight_saving() {
    let zone = "Australia/Lord_Howe";
    // 2026-10-04 02:00+10:30 becomes 02:30+11:00; 2026-04-05 02:00+11:00 becomes 01:30+10:30.
    assert_eq!(local(daily("02:15"), zone, "2026-10-04T00:00:00+10:30", 2), ["10-04 02:30+1100", "10-05 02:15+1100"]);
    assert_eq!(local(daily("02:30"), zone, "2026-10-04T00:00:00+10:30", 1), ["10-04 02:30+1100"]);
    assert_eq!(local(daily("01:45"), zone, "2026-04-05T00:00:00+11:00", 2), ["04-05 01:45+1100", "04-06 01:45+1030"]);
    let elapsed = local(cron("*/15 * * * *"), zone, "2026-04-05T01:30:00+11:00", 5);
    assert_eq!(
        elapsed,
        ["04-05 01:30+1100", "04-05 01:45+1100", "04-05 01:30+1030", "04-05 01:45+1030", "04-05 02:00+1030"]
    );
}

#[test]
fn a_zone_without_daylight_saving() {
    assert_eq!(local(daily("00:00"), "Asia/Kolkata", "2026-03-08T00:00:01+05:30", 1), ["03-09 00:00+0530"]);
    assert_eq!(local(cron("0 6 * * 1"), "Asia/Kolkata", "2026-03-08T23:00:00Z", 1), ["03-09 06:00+0530"]);
}

#[test]
fn the_day_that_apia_skipped() {
    // 2011-12-29 24:00-10:00 became 2011-12-31 00:00+14:00: the 30th's run is at the end of the gap.
    let now = "2011-12-29T00:00:00-10:00";
    let around = ["12-29 09:00-1000", "12-31 00:00+1400", "12-31 09:00+1400", "01-01 09:00+1400"];
    assert_eq!(local(daily("09:00"), "Pacific/Apia", now, 4), around);
    assert_eq!(local(cron("0 9 * * *"), "Pacific/Apia", now, 4), around);
    let friday = json!({"type": "weekly", "weekday": 4});
    assert_eq!(local(friday, "Pacific/Apia", now, 2), ["12-31 00:00+1400", "01-06 09:00+1400"]);
    assert_eq!(
        local(cron("0 * * * *"), "Pacific/Apia", "2011-12-29T23:00:00-10:00", 2),
        ["12-29 23:00-1000", "12-31 00:00+1400"]
    );
}

#[test]
fn a_day_that_starts_at_one() {
    let zone = "America/Sao_Paulo";
    assert_eq!(local(daily("00:00"), zone, "2018-11-03T12:00:00-03:00", 2), ["11-04 01:00-0200", "11-05 00:00-0200"]);
}
