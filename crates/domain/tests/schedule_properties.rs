//! What holds of every schedule: order, bounds, local times, and that no input panics.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic where it stands")]

use chrono::{DateTime, Duration, NaiveDateTime, Offset, Timelike, Utc};
use chrono_tz::{TZ_VARIANTS, Tz};
use proptest::prelude::*;
use serde_json::{Value, json};
use task_domain::schedule::{Kind, Misfire, Schedule};

/// 1990 to 2090, to the millisecond.
fn moment() -> impl Strategy<Value = DateTime<Utc>> {
    (631_152_000_000_i64..3_786_912_000_000).prop_map(|ms| DateTime::from_timestamp_millis(ms).unwrap())
}

fn zone() -> impl Strategy<Value = &'static str> {
    let odd = prop::sample::select(vec![
        "UTC",
        "America/New_York",
        "Europe/Berlin",
        "Australia/Lord_Howe",
        "Asia/Kolkata",
        "Pacific/Apia",
    ]);
    prop_oneof![odd, prop::sample::select(&TZ_VARIANTS[..]).prop_map(|zone| zone.name())]
}

fn time() -> impl Strategy<Value = String> {
    // Clocks change at night.
    prop_oneof![(0..4_u8, 0..60_u8), (0..24_u8, 0..60_u8)].prop_map(|(hour, minute)| format!("{hour:02}:{minute:02}"))
}

fn cron_field(low: u8, high: u8) -> impl Strategy<Value = String> {
    prop_oneof![
        3 => Just("*".to_owned()),
        2 => (1..=high).prop_map(|step| format!("*/{step}")),
        3 => (low..=high).prop_map(|value| value.to_string()),
        1 => (low..=high, low..=high).prop_map(|(a, b)| format!("{}-{}", a.min(b), a.max(b))),
        1 => prop::collection::vec((low..=high).prop_map(|value| value.to_string()), 1..4).prop_map(|list| list.join(",")),
    ]
}

fn cron() -> impl Strategy<Value = String> {
    let seconds = prop_oneof![3 => Just(String::new()), 1 => cron_field(0, 59).prop_map(|field| field + " ")];
    (seconds, cron_field(0, 59), cron_field(0, 23), cron_field(1, 31), cron_field(1, 12), cron_field(0, 7))
        .prop_map(|(s, m, h, d, mo, w)| format!("{s}{m} {h} {d} {mo} {w}"))
}

fn kind() -> impl Strategy<Value = Value> {
    prop_oneof![
        moment().prop_map(|at| json!({"type": "once", "run_time": at.to_rfc3339()})),
        (1..5_000_000_u32).prop_map(|minutes| json!({"type": "interval", "interval_minutes": minutes})),
        (1..100_000_u32).prop_map(|seconds| json!({"type": "interval", "interval_seconds": seconds})),
        time().prop_map(|time| json!({"type": "daily", "run_time": time})),
        (prop::collection::vec(0..7_u8, 1..7), time())
            .prop_map(|(days, time)| json!({"type": "weekly", "weekdays": days, "run_time": time})),
        (1..=31_u8, time()).prop_map(|(day, time)| json!({"type": "monthly", "day": day, "run_time": time})),
        cron().prop_map(|text| json!({"type": "cron", "cron_expression": text})),
    ]
}

prop_compose! {
    fn schedule()(
        mut value in kind(),
        zone in zone(),
        start in prop::option::of(moment()),
        length in prop::option::of(0..4_000_000_000_i64),
        max_runs in prop::option::of(1..50_u32),
        misfire in prop::sample::select(Misfire::ALL),
    ) -> Schedule {
        value["timezone"] = json!(zone);
        value["misfire"] = json!(misfire);
        value["max_runs"] = json!(max_runs);
        value["start_at"] = json!(start.map(|at| at.to_rfc3339()));
        let end = start.zip(length).map(|(at, seconds)| at + Duration::seconds(seconds));
        value["end_at"] = json!(end.map(|at| at.to_rfc3339()));
        Schedule::parse(&value).unwrap_or_else(|problems| panic!("{value}: {problems:?}"))
    }
}

/// Anything at all, with the keys and some values of real schedules mixed in.
fn any_json() -> impl Strategy<Value = Value> {
    let text = prop_oneof![
        ".*",
        time(),
        cron(),
        zone().prop_map(str::to_owned),
        moment().prop_map(|at| at.to_rfc3339()),
        prop::sample::select(vec![
            "once", "interval", "daily", "weekly", "monthly", "cron", "skip", "run_all", "queue"
        ])
        .prop_map(str::to_owned),
        "[0-9*,/LW#?+ -]{0,24}",
        "\\PC{0,3}( [0-9*,/LW#@-]{1,4}){4,6}",
    ];
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (0..40_i64).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        text.prop_map(Value::from),
    ];
    let key = prop::sample::select(vec![
        "type",
        "timezone",
        "start_at",
        "end_at",
        "max_runs",
        "misfire",
        "overlap",
        "run_time",
        "day",
        "weekday",
        "weekdays",
        "interval_minutes",
        "interval_seconds",
        "cron_expression",
        "expression",
        "other",
    ]);
    leaf.prop_recursive(2, 24, 6, move |inner| {
        prop_oneof![
            1 => prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            4 => prop::collection::hash_map(key.clone().prop_map(str::to_owned), inner, 0..6).prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

/// Everything that can be asked of a schedule, at any time that chrono can hold.
fn ask_everything(schedule: &Schedule, a: DateTime<Utc>, b: DateTime<Utc>) {
    schedule.first_run(a);
    schedule.next_run(a, b, 1);
    schedule.next_after(a, b, 1);
    schedule.after_run(a, b, a, 1);
    schedule.misfired(a, b);
    schedule.shortest_interval(a);
    schedule.upcoming(a, 3);
}

/// Whether the zone's clock first showed `local` or later at `at`: it does now and did not a second
/// before, nor at any time in the three hours before that (the longest repeated stretch).
fn is_first_showing(zone: Tz, at: DateTime<Utc>, local: NaiveDateTime) -> bool {
    let shown = |at: DateTime<Utc>| at.with_timezone(&zone).naive_local();
    let offset = |at: DateTime<Utc>| at.with_timezone(&zone).offset().fix();
    let before = at - Duration::seconds(1);
    shown(at) >= local
        && shown(before) < local
        && (0..180).all(|minutes| shown(before - Duration::minutes(minutes)) < local)
        && (shown(at) == local || offset(before) != offset(at))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn json_round_trips(schedule in schedule()) {
        prop_assert_eq!(Schedule::parse(&schedule.to_json()).unwrap(), schedule);
    }

    #[test]
    fn arbitrary_json_never_panics(value in any_json(), now in moment()) {
        if let Ok(schedule) = Schedule::parse(&value) {
            ask_everything(&schedule, now, now);
        }
    }

    #[test]
    fn no_time_panics(schedule in schedule(), a in any::<i64>(), b in any::<i64>(), now in moment()) {
        let far = |seconds: i64| DateTime::from_timestamp(seconds % 8_000_000_000_000, 0).unwrap();
        for (a, b) in [(far(a), far(b)), (now, far(a)), (far(b), now), (DateTime::<Utc>::MIN_UTC, DateTime::<Utc>::MAX_UTC)] {
            ask_everything(&schedule, a, b);
            ask_everything(&schedule, b, a);
        }
    }

    #[test]
    fn runs_are_in_order_and_within_bounds(schedule in schedule(), now in moment()) {
        let runs = schedule.upcoming(now, 20);
        prop_assert_eq!(runs.first().copied(), schedule.first_run(now));
        prop_assert!(runs.windows(2).all(|pair| pair[0] < pair[1]), "{:?}", runs);
        for run in &runs {
            prop_assert!(*run >= now - Duration::seconds(1));
            prop_assert!(schedule.start_at().is_none_or(|start| *run >= start));
            prop_assert!(schedule.end_at().is_none_or(|end| *run <= end));
        }
    }

    #[test]
    fn next_after_is_later_and_skips_nothing(schedule in schedule(), now in moment(), wait in 0..400_000_000_i64) {
        let later = now + Duration::milliseconds(wait);
        if let Some(next) = schedule.next_after(now, now, 0) {
            prop_assert!(next > now);
            // Asked between now and that run, it is still that run.
            if later < next {
                prop_assert_eq!(schedule.next_after(later, now, 0), Some(next));
            }
        }
    }

    #[test]
    fn next_run_is_on_the_timetable(schedule in schedule(), now in moment(), down in 0..100_000_000_i64) {
        let Some(due) = schedule.first_run(now) else { return Ok(()) };
        let asked = due + Duration::seconds(down);
        let Some(next) = schedule.next_run(due, asked, 1) else { return Ok(()) };
        prop_assert!(next > due);
        prop_assert!(schedule.misfire == Misfire::RunAll || next > asked);
        prop_assert_eq!(schedule.next_after(next - Duration::seconds(1), due, 1), Some(next));
    }

    #[test]
    fn a_daily_run_has_its_local_time_or_ends_a_gap(time in time(), zone in zone(), now in moment()) {
        let schedule = Schedule::parse(&json!({"type": "daily", "run_time": time, "timezone": zone})).unwrap();
        let Kind::Daily { run_time } = schedule.kind() else { unreachable!() };
        let zone = schedule.timezone();
        let today = now.with_timezone(&zone).date_naive();
        // A run every day, so a year of them covers the clock changes.
        for run in schedule.upcoming(now, 370) {
            let shown = run.with_timezone(&zone).naive_local();
            // The gap may have pushed it past midnight.
            let asked = [shown.date(), shown.date().pred_opt().unwrap()].map(|date| date.and_time(*run_time));
            prop_assert!(asked.iter().any(|local| is_first_showing(zone, run, *local)), "{} {}", run, shown);
            prop_assert!(shown.date() >= today);
        }
    }

    #[test]
    fn cron_matches_croner_where_clocks_do_not_change(text in cron(), now in moment()) {
        let schedule = Schedule::parse(&json!({"type": "cron", "cron_expression": text})).unwrap();
        let oracle: croner::Cron = text.parse().unwrap();
        let expected: Vec<_> = oracle.iter_after(now.with_nanosecond(0).unwrap() - Duration::seconds(1)).take(5).collect();
        prop_assert_eq!(schedule.upcoming(now, 5), expected);
    }

    #[test]
    fn no_two_runs_are_closer_than_the_shortest(schedule in schedule(), now in moment()) {
        // Where clocks do not change; elsewhere a change may bring two runs closer.
        let mut value = schedule.to_json();
        value["timezone"] = json!("UTC");
        let schedule = Schedule::parse(&value).unwrap();
        let runs = schedule.upcoming(now, 40);
        let closest = runs.windows(2).map(|pair| pair[1] - pair[0]).min();
        let shortest = schedule.shortest_interval(now);
        prop_assert_eq!(shortest.is_some(), closest.is_some());
        if let (Some(closest), Some(shortest)) = (closest, shortest) {
            prop_assert!(closest >= shortest, "{:?} {:?}", closest, shortest);
        }
    }
}
