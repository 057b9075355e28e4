//! Schedules: reading them, each type, the bounds, misfires and overlaps.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic where it stands")]

use chrono::{DateTime, Duration, Utc};
use serde_json::{Value, json};
use task_domain::schedule::{MAX_MISSED_RUNS, Schedule};

fn at(text: &str) -> DateTime<Utc> {
    text.parse().unwrap()
}

fn schedule(value: Value) -> Schedule {
    Schedule::parse(&value).unwrap_or_else(|problems| panic!("{value}: {problems:?}"))
}

/// The fields that are complained about, in order.
fn refused(value: Value) -> Vec<String> {
    Schedule::parse(&value).expect_err(&value.to_string()).into_iter().map(|problem| problem.field).collect()
}

fn upcoming(value: Value, now: &str, count: usize) -> Vec<String> {
    schedule(value).upcoming(at(now), count).iter().map(|at| at.format("%Y-%m-%dT%H:%M:%S").to_string()).collect()
}

#[test]
fn defaults_are_filled_in() {
    let expected =
        json!({"type": "daily", "run_time": "09:00", "timezone": "UTC", "misfire": "run_once", "overlap": "skip"});
    assert_eq!(schedule(json!({"type": "daily"})).to_json(), expected);
    assert_eq!(schedule(json!({"type": "daily", "run_time": null, "end_at": null})).to_json(), expected);
}

#[test]
fn json_is_canonical_and_serde_goes_through_it() {
    let weekly = schedule(json!({"type": "weekly", "weekdays": [4, 0, 4], "start_at": "2026-01-01T01:00:00.9+01:00"}));
    let value = weekly.to_json();
    assert_eq!((&value["weekdays"], &value["start_at"]), (&json!([0, 4]), &json!("2026-01-01T00:00:00Z")));
    assert_eq!(schedule(json!({"type": "weekly", "weekdays": [6]})).to_json()["weekday"], 6);
    assert_eq!(schedule(json!({"type": "cron", "expression": " @daily "})).to_json()["cron_expression"], "@daily");
    assert_eq!(serde_json::from_value::<Schedule>(serde_json::to_value(&weekly).unwrap()).unwrap(), weekly);
    let error = serde_json::from_value::<Schedule>(json!({"type": "daily", "run_time": 9, "x": 1})).unwrap_err();
    assert!(error.to_string().contains("run_time") && error.to_string().contains("x:"), "{error}");
}

#[test]
fn every_problem_is_named_at_once() {
    let bad = json!({"type": "monthly", "day": 32, "run_time": "9:00", "timezone": "Mars/Olympus", "max_runs": 0,
        "misfire": "never", "overlap": 1, "start_at": "2026-01-01", "end_at": "2026-01-01T00:00:00", "weekday": 1});
    let mut fields = refused(bad);
    fields.sort();
    let expected = ["day", "end_at", "max_runs", "misfire", "overlap", "run_time", "start_at", "timezone", "weekday"];
    assert_eq!(fields, expected);
}

#[test]
fn what_is_refused_and_where() {
    for (value, field) in [
        (json!(null), ""),
        (json!([]), ""),
        (json!({}), "type"),
        (json!({"type": "hourly"}), "type"),
        (json!({"type": "once"}), "run_time"),
        (json!({"type": "once", "run_time": "09:00"}), "run_time"),
        (json!({"type": "once", "run_time": "1969-12-31T23:59:59Z"}), "run_time"),
        (json!({"type": "once", "run_time": "3000-01-01T00:00:00Z"}), "run_time"),
        (json!({"type": "interval"}), "interval_minutes"),
        (json!({"type": "interval", "interval_minutes": 0}), "interval_minutes"),
        (json!({"type": "interval", "interval_minutes": 1.5}), "interval_minutes"),
        (json!({"type": "interval", "interval_seconds": "5"}), "interval_seconds"),
        (json!({"type": "interval", "interval_seconds": 3652 * 86400 + 1}), "interval_seconds"),
        (json!({"type": "interval", "interval_minutes": 1, "interval_seconds": 1}), "interval_seconds"),
        (json!({"type": "daily", "run_time": "24:00"}), "run_time"),
        (json!({"type": "daily", "run_time": "09:00:00"}), "run_time"),
        (json!({"type": "daily", "run_time": "+9:00"}), "run_time"),
        (json!({"type": "weekly"}), "weekday"),
        (json!({"type": "weekly", "weekday": 7}), "weekday"),
        (json!({"type": "weekly", "weekdays": []}), "weekdays"),
        (json!({"type": "weekly", "weekdays": [0, -1]}), "weekdays"),
        (json!({"type": "weekly", "weekday": 0, "weekdays": [0]}), "weekdays"),
        (json!({"type": "monthly"}), "day"),
        (json!({"type": "monthly", "day": 0}), "day"),
        (json!({"type": "cron"}), "cron_expression"),
        (json!({"type": "cron", "cron_expression": "* * * *"}), "cron_expression"),
        (json!({"type": "cron", "cron_expression": "* * * * * * 2030"}), "cron_expression"),
        (json!({"type": "cron", "expression": "60 * * * *"}), "expression"),
        (json!({"type": "cron", "expression": "@reboot"}), "expression"),
        (json!({"type": "cron", "expression": ", * * * *"}), "expression"),
        (json!({"type": "cron", "expression": "0 0 , * *"}), "expression"),
        (json!({"type": "cron", "expression": "0 0 * * ,"}), "expression"),
        (json!({"type": "cron", "expression": "0 0 * * * ".repeat(100)}), "expression"),
        (json!({"type": "cron", "cron_expression": "* * * * *", "expression": "* * * * *"}), "expression"),
        (json!({"type": "daily", "every": 1}), "every"),
        (json!({"type": "daily", "start_at": "2026-02-01T00:00:00Z", "end_at": "2026-01-01T00:00:00Z"}), "end_at"),
    ] {
        assert_eq!(refused(value.clone()), [field], "{value}");
    }
}

#[test]
fn once() {
    let once = schedule(json!({"type": "once", "run_time": "2026-03-01T12:00:00+02:00"}));
    let due = at("2026-03-01T10:00:00Z");
    assert_eq!(once.first_run(at("2026-01-01T00:00:00Z")), Some(due));
    assert_eq!(once.first_run(at("2026-03-01T10:00:00.9Z")), Some(due), "within its second it still counts");
    assert_eq!(once.first_run(at("2026-03-01T10:00:01Z")), None);
    assert_eq!(once.next_run(due, due, 1), None);
    assert_eq!((once.next_after(due - Duration::hours(1), due, 0), once.next_after(due, due, 0)), (Some(due), None));
    assert_eq!(once.shortest_interval(at("2026-01-01T00:00:00Z")), None);
}

#[test]
fn interval_keeps_its_grid() {
    let free = schedule(json!({"type": "interval", "interval_minutes": 15}));
    let first = free.first_run(at("2026-01-01T00:00:07.5Z")).unwrap();
    assert_eq!(first, at("2026-01-01T00:15:07Z"));
    // Two ticks late, then three intervals down: still on the grid.
    assert_eq!(free.next_run(first, first + Duration::seconds(2), 1), Some(at("2026-01-01T00:30:07Z")));
    assert_eq!(free.next_run(first, at("2026-01-01T01:00:07Z"), 1), Some(at("2026-01-01T01:15:07Z")));
    assert_eq!(free.next_after(at("2026-01-01T01:01:00Z"), first, 1), Some(at("2026-01-01T01:15:07Z")));

    let bound = json!({"type": "interval", "interval_seconds": 90, "start_at": "2026-01-01T00:00:00Z"});
    assert_eq!(upcoming(bound.clone(), "2025-06-01T00:00:00Z", 2), ["2026-01-01T00:00:00", "2026-01-01T00:01:30"]);
    assert_eq!(upcoming(bound, "2026-01-01T00:02:00Z", 1), ["2026-01-01T00:03:00"]);
}

#[test]
fn weekly_lists() {
    let runs = upcoming(json!({"type": "weekly", "weekdays": [6, 0], "run_time": "08:30"}), "2026-01-04T08:30:00Z", 4);
    assert_eq!(runs, ["2026-01-04T08:30:00", "2026-01-05T08:30:00", "2026-01-11T08:30:00", "2026-01-12T08:30:00"]);
    assert_eq!(upcoming(json!({"type": "weekly", "weekday": 0}), "2026-01-05T09:00:01Z", 1), ["2026-01-12T09:00:00"]);
}

#[test]
fn monthly_uses_the_last_day_of_a_shorter_month() {
    let days = |day: u8, now: &str| -> Vec<String> {
        let runs = upcoming(json!({"type": "monthly", "day": day}), now, 3);
        runs.iter().map(|at| at[5..10].to_owned()).collect()
    };
    assert_eq!(days(29, "2027-01-01T00:00:00Z"), ["01-29", "02-28", "03-29"]);
    assert_eq!(days(29, "2028-01-01T00:00:00Z"), ["01-29", "02-29", "03-29"]);
    assert_eq!(days(30, "2028-01-31T00:00:00Z"), ["02-29", "03-30", "04-30"]);
    assert_eq!(days(31, "2100-01-31T10:00:00Z"), ["02-28", "03-31", "04-30"]);
    assert_eq!(days(1, "2026-12-01T10:00:00Z"), ["01-01", "02-01", "03-01"]);
}

#[test]
fn cron_of_five_and_six_fields() {
    let runs = |text: &str, now: &str| upcoming(json!({"type": "cron", "cron_expression": text}), now, 2);
    assert_eq!(runs("*/20 9 * * MON-FRI", "2026-01-02T09:30:00Z"), ["2026-01-02T09:40:00", "2026-01-05T09:00:00"]);
    assert_eq!(runs("30 */2 * * * *", "2026-01-01T00:00:31Z"), ["2026-01-01T00:02:30", "2026-01-01T00:04:30"]);
    assert_eq!(runs("0 0 29 2 *", "2097-01-01T00:00:00Z"), ["2104-02-29T00:00:00", "2108-02-29T00:00:00"]);
    assert_eq!(runs("@monthly", "2026-01-01T00:00:00.5Z"), ["2026-01-01T00:00:00", "2026-02-01T00:00:00"]);
    assert_eq!(runs("0 0 * * 7", "2026-01-01T00:00:00Z"), ["2026-01-04T00:00:00", "2026-01-11T00:00:00"]);
}

#[test]
fn what_can_never_fire_has_no_first_run() {
    let now = at("2026-06-01T00:00:00Z");
    for value in [
        json!({"type": "cron", "cron_expression": "0 0 30 2 *"}),
        json!({"type": "cron", "cron_expression": "* * * 31 4,6,9,11 *"}),
        json!({"type": "daily", "end_at": "2026-06-01T08:59:59Z"}),
        json!({"type": "interval", "interval_minutes": 5, "end_at": "2026-06-01T00:04:00Z"}),
        json!({"type": "once", "run_time": "2026-05-31T23:59:59Z"}),
        json!({"type": "once", "run_time": "2026-07-01T00:00:00Z", "end_at": "2026-06-30T00:00:00Z"}),
    ] {
        assert_eq!(schedule(value.clone()).first_run(now), None, "{value}");
    }
}

#[test]
fn bounds_include_their_ends() {
    let bounds = json!({"type": "daily", "start_at": "2026-01-02T09:00:00Z", "end_at": "2026-01-04T09:00:00Z"});
    assert_eq!(upcoming(bounds.clone(), "2025-01-01T00:00:00Z", 9).len(), 3);
    let last = at("2026-01-04T09:00:00Z");
    assert_eq!(schedule(bounds).next_run(last, last, 3), None);
    let twice = schedule(json!({"type": "daily", "max_runs": 2}));
    assert_eq!(twice.upcoming(last, 9).len(), 2);
    assert_eq!((twice.next_run(last, last, 1).is_some(), twice.next_run(last, last, 2)), (true, None));
    assert_eq!(twice.next_after(last, last, 2), None);
}

fn hourly(misfire: &str, overlap: &str) -> Schedule {
    schedule(json!({"type": "cron", "cron_expression": "0 * * * *", "misfire": misfire, "overlap": overlap}))
}

#[test]
fn misfires_after_an_outage_of_five_hours() {
    let (due, now) = (at("2026-01-01T01:00:00Z"), at("2026-01-01T05:30:00Z"));
    let next = at("2026-01-01T06:00:00Z");
    assert_eq!(
        (hourly("run_once", "skip").misfired(due, now), hourly("run_once", "skip").next_run(due, now, 1)),
        (false, Some(next))
    );
    assert_eq!(
        (hourly("skip", "skip").misfired(due, now), hourly("skip", "skip").next_after(now, due, 0)),
        (true, Some(next))
    );
    let all = hourly("run_all", "skip");
    assert!(!all.misfired(due, now));
    let caught_up: Vec<_> = std::iter::successors(Some(due), |due| all.next_run(*due, now, 1)).take(6).collect();
    assert_eq!(caught_up, (1..=6).map(|hour| due + Duration::hours(hour - 1)).collect::<Vec<_>>());
}

#[test]
fn skip_allows_for_a_slow_tick() {
    let due = at("2026-01-01T01:00:00Z");
    let late = |schedule: &Schedule, seconds| schedule.misfired(due, due + Duration::seconds(seconds));
    assert_eq!((late(&hourly("skip", "skip"), 60), late(&hourly("skip", "skip"), 61)), (false, true));
    let often = |seconds: u32| schedule(json!({"type": "interval", "interval_seconds": seconds, "misfire": "skip"}));
    assert_eq!((late(&often(20), 20), late(&often(20), 21)), (false, true));
    assert_eq!((late(&often(1), 5), late(&often(1), 6)), (false, true));
}

#[test]
fn run_all_makes_up_for_a_hundred_at_most() {
    for value in [
        json!({"type": "interval", "interval_seconds": 1, "misfire": "run_all"}),
        json!({"type": "cron", "cron_expression": "* * * * * *", "misfire": "run_all"}),
        json!({"type": "cron", "cron_expression": "* 0-20 * * *", "misfire": "run_all", "timezone": "Europe/Berlin"}),
    ] {
        let all = schedule(value);
        let (due, now) = (at("2025-01-01T00:00:00Z"), at("2026-01-01T12:00:00Z"));
        let runs: Vec<_> =
            std::iter::successors(Some(due), |due| all.next_run(*due, now, 1)).take_while(|at| *at <= now).collect();
        assert_eq!(runs.len(), MAX_MISSED_RUNS, "{all:?}");
        assert_eq!(runs.last().map(|last| *last == now), Some(true));
    }
}

#[test]
fn a_due_time_that_passed_during_a_run() {
    let (queued, next, now) = (at("2026-01-01T01:00:01Z"), at("2026-01-01T02:00:00Z"), at("2026-01-01T04:30:00Z"));
    let after = |misfire, overlap| hourly(misfire, overlap).after_run(next, queued, now, 1);
    let future = Some(at("2026-01-01T05:00:00Z"));
    assert_eq!(after("run_once", "skip"), future);
    assert_eq!(after("run_all", "skip"), future, "overlapped, not missed");
    assert_eq!((after("run_once", "queue"), after("run_all", "queue")), (Some(next), Some(next)));
    assert_eq!(after("skip", "queue"), Some(now));
    assert_eq!(hourly("run_once", "skip").after_run(next, queued, queued, 1), Some(next), "not yet due");
    let missed = at("2026-01-01T01:00:00Z");
    assert_eq!(hourly("run_all", "skip").after_run(missed, queued, now, 1), Some(missed), "missed, so it still runs");
}

#[test]
fn shortest_intervals() {
    let now = at("2026-06-01T00:00:00Z");
    let seconds = |value: Value| schedule(value).shortest_interval(now).map(|shortest| shortest.num_seconds());
    let cron = |text: &str| seconds(json!({"type": "cron", "cron_expression": text, "timezone": "America/New_York"}));
    const DAY: i64 = 86_400;
    assert_eq!(seconds(json!({"type": "interval", "interval_minutes": 5})), Some(300));
    assert_eq!(seconds(json!({"type": "interval", "interval_minutes": 5, "max_runs": 1})), None);
    assert_eq!(seconds(json!({"type": "daily", "timezone": "Europe/Berlin"})), Some(DAY));
    assert_eq!(seconds(json!({"type": "weekly", "weekday": 3})), Some(7 * DAY));
    assert_eq!(seconds(json!({"type": "weekly", "weekdays": [0, 2, 5]})), Some(2 * DAY));
    assert_eq!(seconds(json!({"type": "monthly", "day": 31})), Some(28 * DAY));
    assert_eq!((cron("* * * * *"), cron("* * * * * *"), cron("*/15 * * * *")), (Some(60), Some(1), Some(900)));
    assert_eq!((cron("0,59 * * * *"), cron("0,59 0,23 * * *")), (Some(60), Some(60)));
    assert_eq!((cron("58 23 1 * *"), cron("5,50 3 1 1 *")), (Some(28 * DAY), Some(45 * 60)));
    assert_eq!((cron("10,50 30 * * * *"), cron("0 0 29 2 *")), (Some(40), Some(1461 * DAY)));
    assert_eq!(cron("0 0 30 2 *"), None);
}
