//! An owner's edit of the status, and the drop-in APIs' *set status*: from × to.

use task_domain::decide::{set_status, update};
use task_domain::{TaskPatch, TaskStatus};

use crate::support::states::State::{self, *};
use crate::support::table::Expect::{Invalid, Nothing, Refused, To};
use crate::support::table::check_rows;
use crate::support::{hourly, now, secs};

const S: TaskStatus = TaskStatus::Scheduled;
const P: TaskStatus = TaskStatus::Pending;
const Q: TaskStatus = TaskStatus::Queued;
const PAUSED: TaskStatus = TaskStatus::Paused;
const DONE: TaskStatus = TaskStatus::Completed;
const GONE: TaskStatus = TaskStatus::Cancelled;

fn to(status: TaskStatus) -> TaskPatch {
    TaskPatch { status: Some(status), ..TaskPatch::default() }
}

/// domain.md: pending→ scheduled, queued, paused, completed, cancelled; scheduled→ pending, paused,
/// completed, cancelled; paused→ pending, scheduled, completed, cancelled; completed, failed,
/// timed_out→ pending, scheduled. Same status: nothing to do. Anything else is refused.
/// Every task here has an hourly schedule, so that `scheduled` is possible.
#[test]
fn an_owner_may_move_a_task_at_rest_as_the_design_lists() {
    let allowed: [(State, &[TaskStatus]); 21] = [
        (Pending, &[S, Q, PAUSED, DONE, GONE]),
        (PendingWithSchedule, &[S, Q, PAUSED, DONE, GONE]),
        (Scheduled, &[P, PAUSED, DONE, GONE]),
        (ScheduledDue, &[P, PAUSED, DONE, GONE]),
        (ReminderDue, &[P, PAUSED, DONE, GONE]),
        (Blocked, &[]),
        (Queued, &[]),
        (QueuedDelayed, &[]),
        (QueuedOfScheduled, &[]),
        (Running, &[]),
        (RunningOfScheduled, &[]),
        (RunningExpired, &[]),
        (RunningOfPaused, &[]),
        (Paused, &[P, S, DONE, GONE]),
        (PausedWithSchedule, &[P, S, DONE, GONE]),
        // A held-back run returns on resume and a running one is recorded: only a cancel ends it.
        (PausedHeld, &[GONE]),
        (PausedRunning, &[GONE]),
        (Completed, &[P, S]),
        (Failed, &[P, S]),
        (Cancelled, &[]),
        (TimedOut, &[P, S]),
    ];
    for (state, targets) in allowed {
        for target in TaskStatus::ALL.iter().copied() {
            let expected = match target {
                _ if target == state.status() => Nothing,
                _ if targets.contains(&target) => To(target),
                _ => Refused,
            };
            check_rows(
                |task, moment| {
                    let mut task = task.clone();
                    task.schedule.get_or_insert_with(hourly);
                    update(&task, &to(target), moment)
                },
                &[(state, expected)],
            );
        }
    }
}

/// domain.md: `scheduled` needs a schedule or a `next_run_time`.
#[test]
fn an_owner_cannot_schedule_a_task_without_a_time() {
    check_rows(
        |task, moment| update(task, &to(S), moment),
        &[
            (Pending, Invalid("status")),
            (PendingWithSchedule, To(S)),
            (Paused, Invalid("status")),
            (PausedWithSchedule, To(S)),
            (Completed, Invalid("status")),
            (Failed, Invalid("status")),
            (TimedOut, Invalid("status")),
        ],
    );
    let with_time = TaskPatch { next_run_time: Some(Some(now() + secs(60))), ..to(S) };
    check_rows(
        |task, moment| update(task, &with_time, moment),
        &[(Pending, To(S)), (Paused, To(S)), (Completed, To(S)), (Failed, To(S)), (TimedOut, To(S))],
    );
}

/// A time to run at starts a resting task as a schedule does. The time alone cannot be taken from a
/// scheduled task, which would wait for nothing.
#[test]
fn a_time_to_run_at_takes_a_pending_task_along() {
    let at = |time| TaskPatch { next_run_time: Some(time), ..TaskPatch::default() };
    let later = at(Some(now() + secs(60)));
    check_rows(
        |task, moment| update(task, &later, moment),
        &[(Pending, To(S)), (Scheduled, To(S)), (Paused, To(TaskStatus::Paused)), (Queued, To(TaskStatus::Queued))],
    );
    let named = TaskPatch { status: Some(P), ..later };
    check_rows(|task, moment| update(task, &named, moment), &[(Pending, To(P))]);
    let neither = TaskPatch { schedule: Some(None), ..at(None) };
    check_rows(|task, moment| update(task, &at(None), moment), &[(Scheduled, Invalid("next_run_time"))]);
    check_rows(|task, moment| update(task, &neither, moment), &[(Scheduled, To(P))]);
}

/// An edit of anything else is possible in every state and leaves the status alone.
#[test]
fn an_edit_of_the_name_is_possible_in_every_state_and_leaves_the_status() {
    let patch = TaskPatch { name: Some("feed the cat".into()), ..TaskPatch::default() };
    for state in State::ALL.into_iter().filter(|s| *s != Deleted) {
        check_rows(|task, moment| update(task, &patch, moment), &[(state, To(state.status()))]);
        check_rows(
            |task, moment| update(task, &TaskPatch { status: Some(state.status()), ..patch.clone() }, moment),
            &[(state, To(state.status()))],
        );
    }
}

/// domain.md: same status is a no-op; and so is an edit that changes nothing.
#[test]
fn an_edit_that_changes_nothing_is_nothing_in_every_state() {
    for state in State::ALL.into_iter().filter(|s| *s != Deleted) {
        let same = TaskPatch { name: Some(state.task().name), status: Some(state.status()), ..TaskPatch::default() };
        check_rows(|task, moment| update(task, &same, moment), &[(state, Nothing)]);
        check_rows(|task, moment| update(task, &TaskPatch::default(), moment), &[(state, Nothing)]);
    }
}

/// domain.md: any → queued, completed, failed, cancelled (drop-in APIs only); nothing else.
#[test]
fn set_status_reaches_its_four_from_every_state_and_no_other() {
    let reachable = [TaskStatus::Queued, TaskStatus::Completed, TaskStatus::Failed, TaskStatus::Cancelled];
    for state in State::ALL.into_iter().filter(|s| *s != Deleted) {
        for target in TaskStatus::ALL.iter().copied() {
            let expected = if reachable.contains(&target) { To(target) } else { Refused };
            check_rows(|task, moment| set_status(task, target, moment), &[(state, expected)]);
        }
    }
}
