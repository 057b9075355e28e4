//! Whose figures a caller may read, and how they add up.

use std::sync::Arc;

use chrono::{DateTime, Duration, TimeZone, Utc, Weekday};
use task_domain::{ExecutionStatus, TaskStatus, UserId};
use task_protocols::{Figures, HourOfExecutions, MockAnalyticsStore, MockTaskStore};
use task_service::{Access, AnalyticsService, Caller, Scope, ServiceError, summarise};

use crate::support::{key, now, user};

fn ann() -> UserId {
    UserId::new("ann").unwrap()
}

fn hour(at: DateTime<Utc>, status: ExecutionStatus, count: i64) -> HourOfExecutions {
    HourOfExecutions { hour: at, status, count, duration_ms: 0, timed: 0, credits: 0.0, tokens: 0, api_calls: 0 }
}

#[test]
fn nothing_done_is_all_zero() {
    let none = summarise(&Figures::default(), ann(), 2, now());
    assert_eq!((none.total_tasks, none.total_executions, none.success_rate), (0, 0, 0.0));
    assert_eq!((none.average_execution_time, none.busiest_hours.len(), none.busiest_days.len()), (0.0, 0, 0));
    let dates: Vec<_> = none.executions_per_day.iter().map(|day| day.date.to_string()).collect();
    assert_eq!(dates, ["2029-12-31", "2030-01-01", "2030-01-02"], "every day that the window touches");
}

#[test]
fn tasks_are_added_up_by_status_and_by_type() {
    let counts = [
        (TaskStatus::Pending, "todo", 1),
        (TaskStatus::Scheduled, "echo", 2),
        (TaskStatus::Queued, "echo", 4),
        (TaskStatus::Running, "todo", 8),
        (TaskStatus::Completed, "todo", 16),
        (TaskStatus::Failed, "todo", 32),
        (TaskStatus::Paused, "echo", 64),
        (TaskStatus::TimedOut, "echo", 128),
    ];
    let tasks = counts.map(|(status, kind, count)| (status, kind.to_owned(), count)).to_vec();
    let sum = summarise(&Figures { tasks, executions: Vec::new() }, ann(), 30, now());
    assert_eq!((sum.total_tasks, sum.active_tasks), (255, 14));
    assert_eq!((sum.completed_tasks, sum.failed_tasks, sum.paused_tasks), (16, 32, 64));
    assert_eq!(sum.tasks_by_status.values().sum::<i64>(), 255);
    assert_eq!((sum.task_types["todo"], sum.task_types["echo"]), (57, 198));
}

#[test]
fn executions_are_added_up_and_ranked() {
    // 2030-01-02 is a Wednesday.
    let at = |day, hour| Utc.with_ymd_and_hms(2030, 1, day, hour, 0, 0).unwrap();
    let worked = |at, status, count, duration_ms| HourOfExecutions {
        duration_ms,
        timed: count,
        credits: 0.1 * count as f64,
        tokens: 10 * count,
        api_calls: count,
        ..hour(at, status, count)
    };
    let executions = vec![
        worked(at(1, 23), ExecutionStatus::Completed, 3, 4_000),
        worked(at(1, 23), ExecutionStatus::Failed, 1, 1_005),
        worked(at(2, 1), ExecutionStatus::TimedOut, 1, 0),
        hour(at(2, 1), ExecutionStatus::Cancelled, 3),
        hour(at(2, 2), ExecutionStatus::Lost, 1),
        hour(at(2, 2), ExecutionStatus::Released, 1),
    ];
    let sum = summarise(&Figures { tasks: Vec::new(), executions }, ann(), 30, now());
    assert_eq!((sum.total_executions, sum.successful_executions, sum.failed_executions), (10, 3, 3));
    assert_eq!((sum.success_rate, sum.average_execution_time), (30.0, 1.0));
    assert_eq!((sum.total_credits_consumed, sum.total_tokens_used, sum.total_api_calls), (0.5, 50, 5));
    assert_eq!(sum.busiest_hours, [1, 23, 2], "of equals the earlier first");
    assert_eq!(sum.busiest_days, [Weekday::Wed, Weekday::Tue]);
    let (last, day_before) = (&sum.executions_per_day[30], &sum.executions_per_day[29]);
    assert_eq!((last.total, last.successful, last.failed), (6, 0, 2));
    assert_eq!((day_before.total, day_before.successful, day_before.failed), (4, 3, 1));
    assert_eq!(sum.executions_per_day.iter().map(|day| day.total).sum::<i64>(), sum.total_executions);
}

#[test]
fn the_busiest_are_five_at_most() {
    let executions = (0..24).map(|n| hour(now() + Duration::hours(n), ExecutionStatus::Completed, 1)).collect();
    let sum = summarise(&Figures { tasks: Vec::new(), executions }, ann(), 30, now());
    assert_eq!(sum.busiest_hours, [0, 1, 2, 3, 4]);
    let thirds = |count| {
        let executions =
            vec![hour(now(), ExecutionStatus::Completed, count), hour(now(), ExecutionStatus::Failed, 3 - count)];
        summarise(&Figures { tasks: Vec::new(), executions }, ann(), 30, now()).success_rate
    };
    assert_eq!((thirds(1), thirds(2)), (33.33, 66.67));
}

#[tokio::test]
async fn users_read_their_own_figures_and_keys_their_tenants() {
    let acting = |name: &str| {
        let mut caller = key(&[Scope::ActAsUser], &[]);
        if let Access::Key { acting_for, .. } = &mut caller.access {
            *acting_for = Some((UserId::new(name).unwrap(), None));
        }
        caller
    };
    let reads = |caller: Caller| async move {
        let mut store = MockAnalyticsStore::new();
        store.expect_figures().returning(|_, _, _| Ok(Figures::default()));
        let mut clock = MockTaskStore::new();
        clock.expect_now().returning(|| Ok(now()));
        let service = AnalyticsService::new(Arc::new(store), Arc::new(clock));
        match service.of_user(&caller, &ann(), 30).await {
            Ok(_) => true,
            Err(ServiceError::Forbidden { action: "read", .. }) => false,
            Err(other) => panic!("{other}"),
        }
    };
    assert!(reads(user("ann")).await && reads(key(&[], &[])).await && reads(acting("ann")).await);
    assert!(!reads(user("bob")).await && !reads(acting("bob")).await && !reads(key(&[], &["echo"])).await);
}

#[tokio::test]
async fn what_was_counted_is_kept_by_user_and_window() {
    let mut store = MockAnalyticsStore::new();
    store.expect_figures().times(2).returning(|_, _, _| Ok(Figures::default()));
    let mut clock = MockTaskStore::new();
    clock.expect_now().returning(|| Ok(now()));
    let service = AnalyticsService::new(Arc::new(store), Arc::new(clock));
    for days in [30, 30, 7, 30, 7] {
        assert_eq!(service.of_user(&user("ann"), &ann(), days).await.unwrap().days, days);
    }
}

/// A sum of no numbers is -0.0, which JSON would show.
#[test]
fn nothing_costs_nothing_and_not_less() {
    let sum = summarise(&Figures { tasks: Vec::new(), executions: Vec::new() }, ann(), 30, now());
    assert!(sum.total_credits_consumed.is_sign_positive() && sum.success_rate.is_sign_positive());
}
