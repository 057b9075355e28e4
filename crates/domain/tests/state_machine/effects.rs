//! What an accepted command does beside the status.

use chrono::Duration;
use serde_json::json;
use task_domain::decide::{
    Change, Claimer, Failure, LeaseGuard, Report, cancel, claim, complete, deadline, due, execute, fail, lease_lost,
    pause, release, resume, set_status, update,
};
use task_domain::{EventType, ExecutionStatus, MAX_LOST_LEASES, RetryPolicy, Task, TaskPatch, TaskStatus, TriggerType};

use crate::support::states::State;
use crate::support::{CountedIds, hourly, moment, now, secs, token_of};

fn types(change: &Change) -> Vec<EventType> {
    change.events.iter().map(|e| e.event_type).collect()
}

fn claimed(task: &Task, ids: &CountedIds) -> Task {
    claim(task, &Claimer { worker_id: "w".into(), lease_seconds: 60 }, &moment(ids, now())).unwrap().task
}

#[test]
fn a_success_is_counted_charged_and_kept() {
    let (task, ids) = (State::Running.task(), CountedIds::default());
    let report = Report {
        result: json!({"ok": 1}),
        credits_consumed: None,
        tokens_used: 3,
        api_calls_made: 4,
        ..Report::default()
    };
    let change = complete(&task, token_of(&task), report, &moment(&ids, now())).unwrap();
    let after = &change.task;
    assert_eq!((after.run_count, after.success_count, after.failure_count), (1, 1, 0));
    assert_eq!(after.total_credits_consumed, 2.5, "credits_per_run when the worker names none");
    assert_eq!((after.last_result.clone(), after.last_error.clone()), (Some(json!({"ok": 1})), None));
    assert_eq!(
        (after.last_run_time, after.last_success_time, after.completed_at),
        (Some(now()), Some(now()), Some(now()))
    );
    let ended = change.finished.as_ref().unwrap();
    assert_eq!((ended.status, ended.tokens_used, ended.api_calls_made), (ExecutionStatus::Completed, 3, 4));
    assert_eq!((ended.completed_at, ended.duration_ms), (Some(now()), Some(600_000)));
    assert_eq!(change.lease, LeaseGuard::Held(token_of(&task)));
    assert_eq!(types(&change), [EventType::Executed, EventType::StatusChanged]);
    assert_eq!(change.history.execution_id, Some(ended.execution_id));
    let report = Report { credits_consumed: Some(7.0), ..Report::default() };
    assert_eq!(
        complete(&task, token_of(&task), report, &moment(&ids, now())).unwrap().task.total_credits_consumed,
        7.0
    );
}

#[test]
fn what_the_next_run_must_know_is_kept_in_the_metadata() {
    let (mut task, ids) = (State::Running.task(), CountedIds::default());
    task.metadata = json!({"mine": 1, "event_id": "old"}).as_object().cloned();
    let metadata = json!({"event_id": "e1"}).as_object().cloned().unwrap();
    let report = Report { metadata, ..Report::default() };
    let change = complete(&task, token_of(&task), report, &moment(&ids, now())).unwrap();
    assert_eq!(change.task.metadata, json!({"mine": 1, "event_id": "e1"}).as_object().cloned());
    assert!(change.definition_changed);
    assert_eq!(change.task.version, task.version, "no edit of the owner's");
}

#[test]
fn a_failed_attempt_waits_for_its_backoff_and_counts_no_run() {
    let ids = CountedIds::default();
    let retry = RetryPolicy { max_attempts: 3, base_seconds: 10.0, ..RetryPolicy::default() };
    let task = Task { retry, ..State::Running.task() };
    let failure = Failure { message: "no water".into(), retryable: true, ..Failure::default() };
    let change = fail(&task, token_of(&task), failure, &moment(&ids, now())).unwrap();
    let (before, next) = (task.current.clone().unwrap(), change.task.current.clone().unwrap());
    assert_eq!(next.run_at, now() + secs(10));
    assert_eq!((next.run_id, next.queued_at, next.timeout_at), (before.run_id, before.queued_at, before.timeout_at));
    assert_ne!(next.execution_id, before.execution_id);
    assert_eq!((next.failures, next.lost_leases, next.attempt, next.lease), (1, 0, 1, None));
    assert_eq!((change.task.run_count, change.task.failure_count), (0, 0));
    assert_eq!(change.task.last_error.as_deref(), Some("no water"));
    assert_eq!(types(&change), [EventType::StatusChanged], "the run has not ended");
}

#[test]
fn a_release_costs_nothing_and_keeps_the_place_in_the_queue() {
    let (task, ids) = (State::Running.task(), CountedIds::default());
    let before = task.current.clone().unwrap();
    let change =
        release(&task, token_of(&task), Some("shutting down".into()), Duration::zero(), &moment(&ids, now())).unwrap();
    let next = change.task.current.clone().unwrap();
    assert_eq!((next.run_id, next.failures, next.lost_leases, next.run_at), (before.run_id, 0, 0, before.run_at));
    assert_eq!(change.finished.unwrap().status, ExecutionStatus::Released);
    assert_eq!(change.history.reason.as_deref(), Some("shutting down"));
    let later = release(&task, token_of(&task), None, secs(30), &moment(&ids, now())).unwrap().task.current.unwrap();
    assert_eq!(later.run_at, now() + secs(30));
}

#[test]
fn the_fifth_lost_lease_of_one_run_ends_it_as_failed() {
    let ids = CountedIds::default();
    let mut task = State::Queued.task();
    for lost in 1..=MAX_LOST_LEASES {
        task = claimed(&task, &ids);
        let change = lease_lost(&task, &moment(&ids, now() + secs(60))).unwrap();
        assert_eq!(change.lease, LeaseGuard::Expired(token_of(&task)));
        assert_eq!(change.finished.as_ref().unwrap().status, ExecutionStatus::Lost);
        task = change.task;
        let expected = if lost < MAX_LOST_LEASES { TaskStatus::Queued } else { TaskStatus::Failed };
        assert_eq!(task.status, expected, "after {lost} lost leases");
    }
    assert_eq!((task.run_count, task.failure_count), (1, 1));
}

#[test]
fn lost_leases_and_releases_cost_no_attempt() {
    let ids = CountedIds::default();
    let mut task = State::Queued.task();
    task.retry = RetryPolicy { max_attempts: 2, base_seconds: 0.0, ..RetryPolicy::default() };
    task = lease_lost(&claimed(&task, &ids), &moment(&ids, now() + secs(60))).unwrap().task;
    let held = claimed(&task, &ids);
    task = release(&held, token_of(&held), None, Duration::zero(), &moment(&ids, now())).unwrap().task;
    for expected in [TaskStatus::Queued, TaskStatus::Failed] {
        let held = claimed(&task, &ids);
        let failure = Failure { retryable: true, ..Failure::default() };
        task = fail(&held, token_of(&held), failure, &moment(&ids, now())).unwrap().task;
        assert_eq!(task.status, expected);
    }
}

#[test]
fn a_cancel_fences_the_holder_and_ends_the_run() {
    let (task, ids) = (State::Running.task(), CountedIds::default());
    let change = cancel(&task, Some("not needed".into()), &moment(&ids, now())).unwrap();
    assert_eq!(change.lease, LeaseGuard::Any);
    assert_eq!(change.finished.as_ref().unwrap().status, ExecutionStatus::Cancelled);
    assert_eq!((change.task.run_count, change.task.success_count, change.task.failure_count), (1, 0, 0));
    assert_eq!(types(&change), [EventType::Executed, EventType::StatusChanged]);
    assert!(complete(&change.task, token_of(&task), Report::default(), &moment(&ids, now())).is_err());
}

#[test]
fn a_run_held_back_while_paused_is_the_same_run_after_the_resume() {
    let (task, ids) = (State::PausedHeld.task(), CountedIds::default());
    let resumed = resume(&task, None, &moment(&ids, now())).unwrap().task;
    assert_eq!(resumed.current, task.current);
}

#[test]
fn a_run_that_ends_while_paused_is_recorded_and_nothing_runs_after_it() {
    let (task, ids) = (State::PausedRunning.task(), CountedIds::default());
    let change = complete(&task, token_of(&task), Report::default(), &moment(&ids, now())).unwrap();
    assert_eq!((change.task.status, change.task.success_count), (TaskStatus::Paused, 1));
    assert!(change.task.current.is_none());
    let failure = Failure { retryable: true, ..Failure::default() };
    let held = fail(&task, token_of(&task), failure, &moment(&ids, now())).unwrap().task;
    assert_eq!((held.status, held.current.unwrap().status), (TaskStatus::Paused, ExecutionStatus::Queued));
}

#[test]
fn a_due_run_is_counted_for_the_schedule_and_the_next_one_known() {
    let (task, ids) = (State::ScheduledDue.task(), CountedIds::default());
    let change = due(&task, &moment(&ids, now())).unwrap();
    assert_eq!(change.task.current.as_ref().unwrap().trigger_type, TriggerType::Scheduled);
    assert_eq!(change.task.schedule_runs, 1);
    assert!(change.task.next_run_time.is_some());
    assert!(change.demand.run && !change.demand.manual_run && !change.demand.active_task);
}

#[test]
fn reopening_a_finished_task_counts_against_the_limits_again() {
    let ids = CountedIds::default();
    for state in [State::Completed, State::Failed, State::TimedOut] {
        let change = execute(&state.task(), None, &moment(&ids, now())).unwrap();
        assert!(change.demand.active_task && change.demand.run && change.demand.manual_run, "{state:?}");
        assert_eq!(change.task.completed_at, None);
        let patch = TaskPatch { status: Some(TaskStatus::Pending), ..TaskPatch::default() };
        let change = update(&state.task(), &patch, &moment(&ids, now())).unwrap();
        assert!(change.demand.active_task && !change.demand.run, "{state:?}");
        assert!(set_status(&state.task(), TaskStatus::Queued, &moment(&ids, now())).unwrap().demand.active_task);
    }
    assert!(!execute(&State::Pending.task(), None, &moment(&ids, now())).unwrap().demand.active_task);
}

/// domain.md: a recurring task goes back to `scheduled`, whoever queued the run.
#[test]
fn a_recurring_task_keeps_its_timetable_when_a_drop_in_api_queues_it_anew() {
    let ids = CountedIds::default();
    for state in [State::Scheduled, State::QueuedOfScheduled, State::RunningOfScheduled] {
        let task = set_status(&state.task(), TaskStatus::Queued, &moment(&ids, now())).unwrap().task;
        assert_eq!(task.next_run_time, state.task().next_run_time, "{state:?}");
        let held = claimed(&task, &ids);
        let after = complete(&held, token_of(&held), Report::default(), &moment(&ids, now())).unwrap().task;
        assert_eq!(after.status, TaskStatus::Scheduled, "{state:?}");
    }
}

/// domain.md: `timeout_at` never moves, not even by an edit of `timeout_seconds`.
#[test]
fn the_deadline_of_a_run_stands_whatever_happens_to_the_task() {
    let ids = CountedIds::default();
    let mut task = execute(&Task { timeout_seconds: Some(300), ..State::Pending.task() }, None, &moment(&ids, now()))
        .unwrap()
        .task;
    let at = task.current.as_ref().unwrap().timeout_at;
    assert_eq!(at, Some(now() + secs(300)));
    let patch = TaskPatch { timeout_seconds: Some(Some(9000)), ..TaskPatch::default() };
    task = update(&task, &patch, &moment(&ids, now())).unwrap().task;
    task = resume(
        &pause(&task, None, &moment(&ids, now() + secs(50))).unwrap().task,
        None,
        &moment(&ids, now() + secs(90)),
    )
    .unwrap()
    .task;
    task = claim(&task, &Claimer { worker_id: "w".into(), lease_seconds: 60 }, &moment(&ids, now() + secs(100)))
        .unwrap()
        .task;
    task = lease_lost(&task, &moment(&ids, now() + secs(200))).unwrap().task;
    assert_eq!(task.current.as_ref().unwrap().timeout_at, at);
    assert_eq!(deadline(&task, &moment(&ids, now() + secs(300))).unwrap().task.status, TaskStatus::TimedOut);
}

#[test]
fn an_edit_raises_the_version_and_names_what_changed() {
    let (task, ids) = (State::Pending.task(), CountedIds::default());
    let patch = TaskPatch {
        name: Some("x".into()),
        due_date: Some(Some(now())),
        schedule: Some(Some(hourly())),
        ..TaskPatch::default()
    };
    let change = update(&task, &patch, &moment(&ids, now())).unwrap();
    assert_eq!(
        (change.task.version, change.task.status),
        (2, TaskStatus::Scheduled),
        "a timetable takes a resting task along"
    );
    assert_eq!(types(&change), [EventType::Updated, EventType::StatusChanged]);
    assert_eq!(change.events[0].payload.object()["updated_fields"], json!(["name", "schedule", "due_date"]));
    let run = execute(&task, None, &moment(&ids, now())).unwrap();
    assert_eq!(run.task.version, 1, "only an owner's edit is a new version");
}

/// A bus takes messages up to a size; the whole text stays with the execution.
#[test]
fn a_long_error_is_shortened_in_the_event_only() {
    let (task, ids) = (State::Running.task(), CountedIds::default());
    let failure = Failure { message: "é".repeat(100_000), ..Failure::default() };
    let change = fail(&task, token_of(&task), failure.clone(), &moment(&ids, now())).unwrap();
    for (event, key) in change.events.iter().zip(["error", "reason"]) {
        assert_eq!(event.payload.object()[key].as_str().unwrap(), "é".repeat(1000), "{key}");
    }
    assert_eq!(change.finished.unwrap().error_message, Some(failure.message));
}

#[test]
fn nothing_tells_of_a_task_after_its_end() {
    let ids = CountedIds::default();
    for state in [State::Queued, State::Running, State::Paused] {
        let change = task_domain::decide::delete(&state.task(), &moment(&ids, now())).unwrap();
        assert_eq!(types(&change).last(), Some(&EventType::Deleted), "{state:?}");
    }
}

#[test]
fn a_run_whose_workers_were_lost_has_failed_for_its_subscribers() {
    let ids = CountedIds::default();
    let mut task = State::Queued.task();
    let mut last = None;
    for _ in 1..=MAX_LOST_LEASES {
        let change = lease_lost(&claimed(&task, &ids), &moment(&ids, now() + secs(60))).unwrap();
        task = change.task.clone();
        last = Some(change);
    }
    let executed = last.unwrap().events.into_iter().find(|e| e.event_type == EventType::Executed).unwrap();
    assert_eq!(executed.payload.object()["status"], "failed");
}

/// domain.md: a run over the daily limit is skipped to the first time after midnight, not dropped.
#[test]
fn the_only_run_of_a_schedule_is_put_off_and_not_dropped() {
    let ids = CountedIds::default();
    let once = json!({"type": "once", "run_time": (now() + secs(60)).to_rfc3339()});
    let schedule = Some(task_domain::Schedule::parse(&once).unwrap());
    let new = task_domain::decide::NewTask { schedule, ..crate::support::new_task() };
    let task = task_domain::decide::create(new, &moment(&ids, now())).unwrap().task;
    let until = now() + secs(7200);
    let skipped =
        task_domain::decide::skip_due_until(&task, until, "limit", &moment(&ids, now() + secs(61))).unwrap().task;
    assert_eq!((skipped.status, skipped.next_run_time), (TaskStatus::Scheduled, Some(until)));
    let run = due(&skipped, &moment(&ids, until)).unwrap().task;
    assert_eq!((run.status, run.next_run_time), (TaskStatus::Queued, None));
}

#[test]
fn a_finished_task_takes_a_new_timetable_and_goes_on() {
    let ids = CountedIds::default();
    let once = |at| task_domain::Schedule::parse(&json!({"type": "once", "run_time": at})).unwrap();
    let mut task = Task { schedule_runs: 1, schedule: Some(once("2001-01-01T00:00:00Z")), ..State::Completed.task() };
    let later = (now() + secs(600)).to_rfc3339();
    let patch =
        TaskPatch { schedule: Some(Some(once(&later))), status: Some(TaskStatus::Scheduled), ..TaskPatch::default() };
    let both = update(&task, &patch, &moment(&ids, now())).unwrap().task;
    assert_eq!((both.status, both.next_run_time), (TaskStatus::Scheduled, Some(now() + secs(600))));
    let only = TaskPatch { status: None, ..patch.clone() };
    task = update(&task, &only, &moment(&ids, now())).unwrap().task;
    assert_eq!((task.status, task.next_run_time), (TaskStatus::Completed, None));
    let then = TaskPatch { status: Some(TaskStatus::Scheduled), ..TaskPatch::default() };
    assert_eq!(update(&task, &then, &moment(&ids, now())).unwrap().task.status, TaskStatus::Scheduled);
    let never = TaskPatch { schedule: Some(Some(once("2001-01-01T00:00:00Z"))), ..TaskPatch::default() };
    assert!(update(&State::Completed.task(), &never, &moment(&ids, now())).is_err());
}

#[test]
fn a_status_that_the_edit_names_wins_over_the_timetable() {
    let ids = CountedIds::default();
    let patch = TaskPatch { schedule: Some(Some(hourly())), status: Some(TaskStatus::Pending), ..TaskPatch::default() };
    assert_eq!(update(&State::Pending.task(), &patch, &moment(&ids, now())).unwrap().task.status, TaskStatus::Pending);
}
