//! execute, claim, complete, fail, release: how a run begins and ends.

use chrono::Duration;
use task_domain::decide::{
    Change, Claimer, Failure, Moment, Rejection, Report, claim, complete, execute, fail, release, unblock,
};
use task_domain::{LeaseLost, LeaseToken, Task, TaskStatus};
use uuid::Uuid;

use crate::support::states::State::*;
use crate::support::table::Expect::{Lost, Refused, To};
use crate::support::table::{check, check_rows};
use crate::support::token_of;

/// domain.md: pending, scheduled, paused, completed, failed, timed_out → queued; blocked, queued, running, cancelled → 409.
/// A paused task whose run is held back or still going has its one current execution already.
#[test]
fn execute_starts_a_run_of_a_task_at_rest() {
    check_rows(
        |task, moment| execute(task, None, moment),
        &[
            (Pending, To(TaskStatus::Queued)),
            (PendingWithSchedule, To(TaskStatus::Queued)),
            (Scheduled, To(TaskStatus::Queued)),
            (ScheduledDue, To(TaskStatus::Queued)),
            (ReminderDue, To(TaskStatus::Queued)),
            (Blocked, Refused),
            (Queued, Refused),
            (QueuedDelayed, Refused),
            (QueuedOfScheduled, Refused),
            (Running, Refused),
            (RunningOfScheduled, Refused),
            (RunningExpired, Refused),
            (RunningOfPaused, Refused),
            (Paused, To(TaskStatus::Queued)),
            (PausedWithSchedule, To(TaskStatus::Queued)),
            (PausedHeld, Refused),
            (PausedRunning, Refused),
            (Completed, To(TaskStatus::Queued)),
            (Failed, To(TaskStatus::Queued)),
            (Cancelled, Refused),
            (TimedOut, To(TaskStatus::Queued)),
        ],
    );
}

/// domain.md: queued → running. Paused tasks and attempts that wait for their backoff are not claimable.
#[test]
fn claim_takes_what_is_queued_and_due_and_nothing_else() {
    check(
        |task, moment| claim(task, &Claimer { worker_id: "w2".into(), lease_seconds: 60 }, moment),
        &[
            (Pending, Refused),
            (PendingWithSchedule, Refused),
            (Scheduled, Refused),
            (ScheduledDue, Refused),
            (ReminderDue, Refused),
            (Blocked, Refused),
            (Queued, To(TaskStatus::Running)),
            (QueuedDelayed, Refused),
            (QueuedOfScheduled, To(TaskStatus::Running)),
            (Running, Refused),
            (RunningOfScheduled, Refused),
            (RunningExpired, Refused),
            (RunningOfPaused, Refused),
            (Paused, Refused),
            (PausedWithSchedule, Refused),
            (PausedHeld, Refused),
            (PausedRunning, Refused),
            (Completed, Refused),
            (Failed, Refused),
            (Cancelled, Refused),
            (TimedOut, Refused),
            (Deleted, Refused),
        ],
    );
}

#[test]
fn unblock_queues_a_blocked_task_and_no_other() {
    check_rows(
        unblock,
        &[
            (Pending, Refused),
            (PendingWithSchedule, Refused),
            (Scheduled, Refused),
            (ScheduledDue, Refused),
            (ReminderDue, Refused),
            (Blocked, To(TaskStatus::Queued)),
            (Queued, Refused),
            (QueuedDelayed, Refused),
            (QueuedOfScheduled, Refused),
            (Running, Refused),
            (RunningOfScheduled, Refused),
            (RunningExpired, Refused),
            (RunningOfPaused, Refused),
            (Paused, Refused),
            (PausedWithSchedule, Refused),
            (PausedHeld, Refused),
            (PausedRunning, Refused),
            (Completed, Refused),
            (Failed, Refused),
            (Cancelled, Refused),
            (TimedOut, Refused),
            (Deleted, Refused),
        ],
    );
}

/// The states in which the current token is a live lease, with where the command leads from each;
/// in every other state the token is lost.
fn check_holder(
    command: impl Fn(&Task, &Moment<'_>) -> Result<Change, Rejection>,
    plain: TaskStatus,
    of_scheduled: TaskStatus,
    of_paused: TaskStatus,
    paused_meanwhile: TaskStatus,
) {
    check(
        command,
        &[
            (Pending, Lost(LeaseLost::Unknown)),
            (PendingWithSchedule, Lost(LeaseLost::Unknown)),
            (Scheduled, Lost(LeaseLost::Unknown)),
            (ScheduledDue, Lost(LeaseLost::Unknown)),
            (ReminderDue, Lost(LeaseLost::Unknown)),
            (Blocked, Lost(LeaseLost::Unknown)),
            (Queued, Lost(LeaseLost::Unknown)),
            (QueuedDelayed, Lost(LeaseLost::Unknown)),
            (QueuedOfScheduled, Lost(LeaseLost::Unknown)),
            (Running, To(plain)),
            (RunningOfScheduled, To(of_scheduled)),
            (RunningExpired, Lost(LeaseLost::Expired)),
            (RunningOfPaused, To(of_paused)),
            (Paused, Lost(LeaseLost::Unknown)),
            (PausedWithSchedule, Lost(LeaseLost::Unknown)),
            (PausedHeld, Lost(LeaseLost::Unknown)),
            (PausedRunning, To(paused_meanwhile)),
            (Completed, Lost(LeaseLost::Unknown)),
            (Failed, Lost(LeaseLost::Unknown)),
            (Cancelled, Lost(LeaseLost::Unknown)),
            (TimedOut, Lost(LeaseLost::Unknown)),
            (Deleted, Lost(LeaseLost::Unknown)),
        ],
    );
}

/// domain.md: running + lease → completed, or back to scheduled / paused.
#[test]
fn complete_ends_the_run_of_its_holder() {
    check_holder(
        |task, moment| complete(task, token_of(task), Report::default(), moment),
        TaskStatus::Completed,
        TaskStatus::Scheduled,
        TaskStatus::Paused,
        TaskStatus::Paused,
    );
}

/// domain.md: queued again after backoff while attempts are left and the failure is retryable.
#[test]
fn a_retryable_failure_with_attempts_left_is_queued_again_or_held_back_while_paused() {
    check_holder(
        |task, moment| fail(task, token_of(task), Failure { retryable: true, ..Failure::default() }, moment),
        TaskStatus::Queued,
        TaskStatus::Queued,
        TaskStatus::Queued,
        TaskStatus::Paused,
    );
}

/// domain.md: else failed, or back to scheduled / paused.
#[test]
fn a_failure_that_is_not_retryable_ends_the_run() {
    check_holder(
        |task, moment| fail(task, token_of(task), Failure { retryable: false, ..Failure::default() }, moment),
        TaskStatus::Failed,
        TaskStatus::Scheduled,
        TaskStatus::Paused,
        TaskStatus::Paused,
    );
}

#[test]
fn a_retryable_failure_of_the_last_attempt_ends_the_run() {
    let last = |task: &Task| {
        let mut task = task.clone();
        task.retry.max_attempts = 1;
        task
    };
    check_holder(
        |task, moment| fail(&last(task), token_of(task), Failure { retryable: true, ..Failure::default() }, moment),
        TaskStatus::Failed,
        TaskStatus::Scheduled,
        TaskStatus::Paused,
        TaskStatus::Paused,
    );
}

/// domain.md: running + lease → queued; a paused one is held back.
#[test]
fn release_gives_the_run_back_to_the_queue() {
    check_holder(
        |task, moment| release(task, token_of(task), None, Duration::zero(), moment),
        TaskStatus::Queued,
        TaskStatus::Queued,
        TaskStatus::Queued,
        TaskStatus::Paused,
    );
}

/// Another token than the current one is refused in every state; of a live lease, too.
#[test]
fn a_strange_token_is_refused_in_every_state_by_complete_fail_and_release() {
    let strange = LeaseToken::new(Uuid::from_u128(7));
    let refused: Vec<_> = crate::support::states::State::ALL.map(|state| (state, Lost(LeaseLost::Unknown))).to_vec();
    check(|task, moment| complete(task, strange, Report::default(), moment), &refused);
    check(|task, moment| fail(task, strange, Failure { retryable: true, ..Failure::default() }, moment), &refused);
    check(|task, moment| fail(task, strange, Failure::default(), moment), &refused);
    check(|task, moment| release(task, strange, None, Duration::zero(), moment), &refused);
}
