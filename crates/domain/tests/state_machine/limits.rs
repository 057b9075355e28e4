//! Exactly the limit is accepted, one more is not.

use proptest::prelude::*;
use task_domain::{Demand, LevelLimits, LimitExceeded, LimitType, Limits, SubscriptionLevel, Usage};

const ALL: Demand = Demand { active_task: true, run: true, manual_run: true };

/// The table of domain.md, line by line.
#[test]
fn the_default_limits_are_those_of_the_design() {
    let row = |active_tasks, daily_executions, schedule_interval, task_execution_rate| LevelLimits {
        active_tasks,
        daily_executions,
        schedule_interval,
        task_execution_rate,
        weight: 1,
    };
    let limits = Limits::default();
    assert_eq!(limits.of(SubscriptionLevel::Free), row(Some(5), Some(10), 900, Some(10)));
    assert_eq!(limits.of(SubscriptionLevel::Basic), row(Some(20), Some(100), 300, Some(30)));
    assert_eq!(limits.of(SubscriptionLevel::Pro), row(Some(100), Some(1000), 60, Some(60)));
    assert_eq!(limits.of(SubscriptionLevel::Enterprise), row(None, None, 1, None));
}

#[test]
fn a_schedule_may_be_exactly_as_frequent_as_the_level_allows() {
    let free = Limits::default().free;
    assert_eq!(free.check_interval(Some(chrono::Duration::seconds(900))), Ok(()));
    assert_eq!(free.check_interval(None), Ok(()));
    let refused = LimitExceeded { limit_type: LimitType::ScheduleInterval, limit: 900, used: 899 };
    assert_eq!(free.check_interval(Some(chrono::Duration::seconds(899))), Err(refused));
}

#[test]
fn the_day_of_the_daily_limit_starts_at_midnight_utc() {
    let noon = crate::support::now();
    let start = LevelLimits::day_start(noon);
    assert_eq!(noon - start, chrono::Duration::hours(12));
    assert_eq!(LevelLimits::day_start(start), start);
    assert_eq!(start - LevelLimits::day_start(start - chrono::Duration::microseconds(1)), chrono::Duration::hours(24));
}

proptest! {
    #[test]
    fn counting_up_against_a_limit_accepts_exactly_the_limit(limit in 0i64..50, more in 1i64..20) {
        for (limit_type, set) in [
            (LimitType::ActiveTasks, LevelLimits { active_tasks: Some(limit), ..none() }),
            (LimitType::DailyExecutions, LevelLimits { daily_executions: Some(limit), ..none() }),
            (LimitType::TaskExecutionRate, LevelLimits { task_execution_rate: Some(limit), ..none() }),
        ] {
            let accepted = (0..limit + more).filter(|used| set.check(ALL, everything(*used)).is_ok()).count();
            prop_assert_eq!(i64::try_from(accepted).unwrap(), limit);
            let refused = LimitExceeded { limit_type, limit, used: limit };
            prop_assert_eq!(set.check(ALL, everything(limit)), Err(refused));
        }
    }

    #[test]
    fn what_a_command_does_not_demand_is_never_refused(used in 0i64..1_000_000) {
        let nothing_left = LevelLimits { active_tasks: Some(0), daily_executions: Some(0), task_execution_rate: Some(0), ..none() };
        prop_assert_eq!(nothing_left.check(Demand::default(), everything(used)), Ok(()));
        prop_assert!(!nothing_left.concern(Demand::default()));
        prop_assert_eq!(none().check(ALL, everything(used)), Ok(()));
        prop_assert!(!none().concern(ALL));
        let run = Demand { run: true, ..Demand::default() };
        prop_assert!(nothing_left.concern(run));
    }
}

fn none() -> LevelLimits {
    LevelLimits {
        active_tasks: None,
        daily_executions: None,
        schedule_interval: 1,
        task_execution_rate: None,
        weight: 1,
    }
}

fn everything(used: i64) -> Usage {
    Usage { active_tasks: used, runs_today: used, manual_runs_last_minute: used }
}
