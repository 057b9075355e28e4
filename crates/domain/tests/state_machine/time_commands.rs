//! due, skip, remind, lease_lost, deadline: what time does to a task.

use task_domain::decide::{deadline, due, lease_lost, remind, skip_due_until};
use task_domain::{LeaseLost, Task, TaskStatus};

use crate::support::states::State::*;
use crate::support::table::Expect::{Lost, Nothing, Refused, To};
use crate::support::table::check;
use crate::support::{now, secs};

/// domain.md: scheduled → queued, when its time has come.
#[test]
fn due_queues_a_scheduled_task_whose_time_has_come() {
    check(
        due,
        &[
            (Pending, Refused),
            (PendingWithSchedule, Refused),
            (Scheduled, Nothing),
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

/// domain.md: a scheduled run over the daily limit is skipped to the first time after midnight UTC.
#[test]
fn skip_leaves_a_due_task_scheduled_for_later() {
    check(
        |task, moment| skip_due_until(task, now() + secs(12 * 3600), "daily limit", moment),
        &[
            (Pending, Nothing),
            (PendingWithSchedule, Nothing),
            (Scheduled, Nothing),
            (ScheduledDue, To(TaskStatus::Scheduled)),
            (ReminderDue, To(TaskStatus::Scheduled)),
            (Blocked, Nothing),
            (Queued, Nothing),
            (QueuedDelayed, Nothing),
            (QueuedOfScheduled, Nothing),
            (Running, Nothing),
            (RunningOfScheduled, Nothing),
            (RunningExpired, Nothing),
            (RunningOfPaused, Nothing),
            (Paused, Nothing),
            (PausedWithSchedule, Nothing),
            (PausedHeld, Nothing),
            (PausedRunning, Nothing),
            (Completed, Nothing),
            (Failed, Nothing),
            (Cancelled, Nothing),
            (TimedOut, Nothing),
            (Deleted, Nothing),
        ],
    );
}

/// domain.md: any but terminal, once, at `reminder_time`; the status stays.
#[test]
fn remind_tells_the_owner_of_any_task_that_is_not_done() {
    let with_reminder = |task: &Task| Task { reminder_time: Some(now() - secs(1)), ..task.clone() };
    check(
        |task, moment| remind(&with_reminder(task), moment),
        &[
            (Pending, To(TaskStatus::Pending)),
            (PendingWithSchedule, To(TaskStatus::Pending)),
            (Scheduled, To(TaskStatus::Scheduled)),
            (ScheduledDue, To(TaskStatus::Scheduled)),
            // The run itself is the reminder.
            (ReminderDue, Nothing),
            (Blocked, To(TaskStatus::Blocked)),
            (Queued, To(TaskStatus::Queued)),
            (QueuedDelayed, To(TaskStatus::Queued)),
            (QueuedOfScheduled, To(TaskStatus::Queued)),
            (Running, To(TaskStatus::Running)),
            (RunningOfScheduled, To(TaskStatus::Running)),
            (RunningExpired, To(TaskStatus::Running)),
            (RunningOfPaused, To(TaskStatus::Running)),
            (Paused, To(TaskStatus::Paused)),
            (PausedWithSchedule, To(TaskStatus::Paused)),
            (PausedHeld, To(TaskStatus::Paused)),
            (PausedRunning, To(TaskStatus::Paused)),
            (Completed, Nothing),
            (Failed, Nothing),
            (Cancelled, Nothing),
            (TimedOut, Nothing),
            (Deleted, Nothing),
        ],
    );
}

/// domain.md: running → queued, when the lease has run out. While paused the attempt is held back.
#[test]
fn a_lost_lease_is_a_matter_of_running_executions_whose_lease_ran_out() {
    check(
        lease_lost,
        &[
            (Pending, Lost(LeaseLost::Finished)),
            (PendingWithSchedule, Lost(LeaseLost::Finished)),
            (Scheduled, Lost(LeaseLost::Finished)),
            (ScheduledDue, Lost(LeaseLost::Finished)),
            (ReminderDue, Lost(LeaseLost::Finished)),
            (Blocked, Lost(LeaseLost::Finished)),
            (Queued, Lost(LeaseLost::Finished)),
            (QueuedDelayed, Lost(LeaseLost::Finished)),
            (QueuedOfScheduled, Lost(LeaseLost::Finished)),
            (Running, Nothing),
            (RunningOfScheduled, Nothing),
            (RunningExpired, To(TaskStatus::Queued)),
            (RunningOfPaused, Nothing),
            (Paused, Lost(LeaseLost::Finished)),
            (PausedWithSchedule, Lost(LeaseLost::Finished)),
            (PausedHeld, Lost(LeaseLost::Finished)),
            (PausedRunning, Nothing),
            (Completed, Lost(LeaseLost::Finished)),
            (Failed, Lost(LeaseLost::Finished)),
            (Cancelled, Lost(LeaseLost::Finished)),
            (TimedOut, Lost(LeaseLost::Finished)),
            (Deleted, Lost(LeaseLost::Finished)),
        ],
    );
}

fn with_deadline(task: &Task, in_seconds: i64) -> Task {
    let mut task = task.clone();
    if let Some(execution) = &mut task.current {
        execution.timeout_at = Some(now() + secs(in_seconds));
    }
    task
}

/// domain.md: queued, running past the run's `timeout_at` → timed_out, or back to scheduled. The
/// run of a paused task ends, too; the task stays paused.
#[test]
fn a_deadline_that_has_passed_ends_the_run() {
    check(
        |task, moment| deadline(&with_deadline(task, 0), moment),
        &[
            (Pending, Refused),
            (PendingWithSchedule, Refused),
            (Scheduled, Refused),
            (ScheduledDue, Refused),
            (ReminderDue, Refused),
            (Blocked, Refused),
            (Queued, To(TaskStatus::TimedOut)),
            (QueuedDelayed, To(TaskStatus::TimedOut)),
            (QueuedOfScheduled, To(TaskStatus::Scheduled)),
            (Running, To(TaskStatus::TimedOut)),
            (RunningOfScheduled, To(TaskStatus::Scheduled)),
            (RunningExpired, To(TaskStatus::TimedOut)),
            (RunningOfPaused, To(TaskStatus::Paused)),
            (Paused, Refused),
            (PausedWithSchedule, Refused),
            (PausedHeld, To(TaskStatus::Paused)),
            (PausedRunning, To(TaskStatus::Paused)),
            (Completed, Refused),
            (Failed, Refused),
            (Cancelled, Refused),
            (TimedOut, Refused),
            (Deleted, Refused),
        ],
    );
}

#[test]
fn a_deadline_that_has_not_come_and_a_run_without_one_change_nothing() {
    use crate::support::states::State;
    for state in State::ALL.into_iter().filter(|s| s.task().current.is_some()) {
        let row = [(state, Nothing)];
        crate::support::table::check_rows(|task, moment| deadline(&with_deadline(task, 1), moment), &row);
        crate::support::table::check_rows(deadline, &row);
    }
}
