//! cancel, pause, resume, delete, retry: what an owner does to a task.

use task_domain::TaskStatus;
use task_domain::decide::{cancel, delete, pause, resume, retry_as_new, time_out};

use crate::support::states::State::*;
use crate::support::table::Expect::{Refused, To};
use crate::support::table::check_rows;

// A deleted task is gone from every read, so these commands never meet one; the contract suite of
// the stores tests that.

/// domain.md: any but terminal → cancelled.
#[test]
fn cancel_ends_every_task_that_is_not_terminal() {
    check_rows(
        |task, moment| cancel(task, None, moment),
        &[
            (Pending, To(TaskStatus::Cancelled)),
            (PendingWithSchedule, To(TaskStatus::Cancelled)),
            (Scheduled, To(TaskStatus::Cancelled)),
            (ScheduledDue, To(TaskStatus::Cancelled)),
            (ReminderDue, To(TaskStatus::Cancelled)),
            (Blocked, To(TaskStatus::Cancelled)),
            (Queued, To(TaskStatus::Cancelled)),
            (QueuedDelayed, To(TaskStatus::Cancelled)),
            (QueuedOfScheduled, To(TaskStatus::Cancelled)),
            (Running, To(TaskStatus::Cancelled)),
            (RunningOfScheduled, To(TaskStatus::Cancelled)),
            (RunningExpired, To(TaskStatus::Cancelled)),
            (RunningOfPaused, To(TaskStatus::Cancelled)),
            (Paused, To(TaskStatus::Cancelled)),
            (PausedWithSchedule, To(TaskStatus::Cancelled)),
            (PausedHeld, To(TaskStatus::Cancelled)),
            (PausedRunning, To(TaskStatus::Cancelled)),
            (Completed, Refused),
            (Failed, Refused),
            (Cancelled, Refused),
            (TimedOut, Refused),
        ],
    );
}

/// domain.md: pending, scheduled, queued, running → paused.
#[test]
fn pause_suspends_what_rests_waits_or_runs() {
    check_rows(
        |task, moment| pause(task, None, moment),
        &[
            (Pending, To(TaskStatus::Paused)),
            (PendingWithSchedule, To(TaskStatus::Paused)),
            (Scheduled, To(TaskStatus::Paused)),
            (ScheduledDue, To(TaskStatus::Paused)),
            (ReminderDue, To(TaskStatus::Paused)),
            (Blocked, Refused),
            (Queued, To(TaskStatus::Paused)),
            (QueuedDelayed, To(TaskStatus::Paused)),
            (QueuedOfScheduled, To(TaskStatus::Paused)),
            (Running, To(TaskStatus::Paused)),
            (RunningOfScheduled, To(TaskStatus::Paused)),
            (RunningExpired, To(TaskStatus::Paused)),
            (RunningOfPaused, To(TaskStatus::Paused)),
            (Paused, Refused),
            (PausedWithSchedule, Refused),
            (PausedHeld, Refused),
            (PausedRunning, Refused),
            (Completed, Refused),
            (Failed, Refused),
            (Cancelled, Refused),
            (TimedOut, Refused),
        ],
    );
}

/// domain.md: queued when a run was held back, else scheduled with a schedule, else pending. A run
/// that was going all the while goes on.
#[test]
fn resume_puts_a_paused_task_back_where_it_belongs() {
    check_rows(
        |task, moment| resume(task, None, moment),
        &[
            (Pending, Refused),
            (PendingWithSchedule, Refused),
            (Scheduled, Refused),
            (ScheduledDue, Refused),
            (ReminderDue, Refused),
            (Blocked, Refused),
            (Queued, Refused),
            (QueuedDelayed, Refused),
            (QueuedOfScheduled, Refused),
            (Running, Refused),
            (RunningOfScheduled, Refused),
            (RunningExpired, Refused),
            (RunningOfPaused, Refused),
            (Paused, To(TaskStatus::Pending)),
            (PausedWithSchedule, To(TaskStatus::Scheduled)),
            (PausedHeld, To(TaskStatus::Queued)),
            (PausedRunning, To(TaskStatus::Running)),
            (Completed, Refused),
            (Failed, Refused),
            (Cancelled, Refused),
            (TimedOut, Refused),
            (Deleted, Refused),
        ],
    );
}

/// domain.md: any → gone; an active execution is cancelled. The row keeps its status otherwise.
#[test]
fn delete_is_possible_in_every_state() {
    check_rows(
        delete,
        &[
            (Pending, To(TaskStatus::Pending)),
            (PendingWithSchedule, To(TaskStatus::Pending)),
            (Scheduled, To(TaskStatus::Scheduled)),
            (ScheduledDue, To(TaskStatus::Scheduled)),
            (ReminderDue, To(TaskStatus::Scheduled)),
            (Blocked, To(TaskStatus::Blocked)),
            (Queued, To(TaskStatus::Cancelled)),
            (QueuedDelayed, To(TaskStatus::Cancelled)),
            (QueuedOfScheduled, To(TaskStatus::Cancelled)),
            (Running, To(TaskStatus::Cancelled)),
            (RunningOfScheduled, To(TaskStatus::Cancelled)),
            (RunningExpired, To(TaskStatus::Cancelled)),
            (RunningOfPaused, To(TaskStatus::Cancelled)),
            (Paused, To(TaskStatus::Paused)),
            (PausedWithSchedule, To(TaskStatus::Paused)),
            (PausedHeld, To(TaskStatus::Cancelled)),
            (PausedRunning, To(TaskStatus::Cancelled)),
            (Completed, To(TaskStatus::Completed)),
            (Failed, To(TaskStatus::Failed)),
            (Cancelled, To(TaskStatus::Cancelled)),
            (TimedOut, To(TaskStatus::TimedOut)),
        ],
    );
}

/// domain.md: failed, timed_out, cancelled → a *new* task, queued.
#[test]
fn retry_makes_a_new_queued_task_of_one_that_did_not_succeed() {
    check_rows(
        |task, moment| retry_as_new(task, None, None, moment),
        &[
            (Pending, Refused),
            (PendingWithSchedule, Refused),
            (Scheduled, Refused),
            (ScheduledDue, Refused),
            (ReminderDue, Refused),
            (Blocked, Refused),
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
            (Failed, To(TaskStatus::Queued)),
            (Cancelled, To(TaskStatus::Queued)),
            (TimedOut, To(TaskStatus::Queued)),
        ],
    );
}

/// On request: any but terminal → timed_out, whatever its deadline and its timetable.
#[test]
fn a_time_out_on_request_ends_every_task_that_is_not_terminal() {
    check_rows(
        time_out,
        &[
            (Pending, To(TaskStatus::TimedOut)),
            (PendingWithSchedule, To(TaskStatus::TimedOut)),
            (Scheduled, To(TaskStatus::TimedOut)),
            (ScheduledDue, To(TaskStatus::TimedOut)),
            (ReminderDue, To(TaskStatus::TimedOut)),
            (Blocked, To(TaskStatus::TimedOut)),
            (Queued, To(TaskStatus::TimedOut)),
            (QueuedDelayed, To(TaskStatus::TimedOut)),
            (QueuedOfScheduled, To(TaskStatus::TimedOut)),
            (Running, To(TaskStatus::TimedOut)),
            (RunningOfScheduled, To(TaskStatus::TimedOut)),
            (RunningExpired, To(TaskStatus::TimedOut)),
            (RunningOfPaused, To(TaskStatus::TimedOut)),
            (Paused, To(TaskStatus::TimedOut)),
            (PausedWithSchedule, To(TaskStatus::TimedOut)),
            (PausedHeld, To(TaskStatus::TimedOut)),
            (PausedRunning, To(TaskStatus::TimedOut)),
            (Completed, Refused),
            (Failed, Refused),
            (Cancelled, Refused),
            (TimedOut, Refused),
        ],
    );
}
