//! Every state that a task can be in, each reached by commands alone.

use task_domain::decide::{
    Claimer, Failure, Report, cancel, claim, complete, create, deadline, delete, execute, fail, pause,
};
use task_domain::{RetryPolicy, Task, TaskStatus};

use super::{CountedIds, hourly, moment, new_task, now, secs, token_of};

/// A row of the tables: a status and what else of the task a command looks at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    Pending,
    /// Its owner put it to rest, the timetable is still there.
    PendingWithSchedule,
    Scheduled,
    /// `next_run_time` has come.
    ScheduledDue,
    /// A reminder: a time without a timetable, and it has come.
    ReminderDue,
    Blocked,
    Queued,
    /// Waits for its backoff.
    QueuedDelayed,
    /// A run of a scheduled task.
    QueuedOfScheduled,
    Running,
    RunningOfScheduled,
    /// Its lease has run out and the reaper has not been there yet.
    RunningExpired,
    /// Executed while paused.
    RunningOfPaused,
    Paused,
    PausedWithSchedule,
    /// A queued run is held back.
    PausedHeld,
    /// A run was going when the owner paused it, and still is.
    PausedRunning,
    Completed,
    Failed,
    Cancelled,
    TimedOut,
    /// Deleted while it was running.
    Deleted,
}

impl State {
    pub(crate) const ALL: [State; 22] = {
        use State::*;
        [
            Pending,
            PendingWithSchedule,
            Scheduled,
            ScheduledDue,
            ReminderDue,
            Blocked,
            Queued,
            QueuedDelayed,
            QueuedOfScheduled,
            Running,
            RunningOfScheduled,
            RunningExpired,
            RunningOfPaused,
            Paused,
            PausedWithSchedule,
            PausedHeld,
            PausedRunning,
            Completed,
            Failed,
            Cancelled,
            TimedOut,
            Deleted,
        ]
    };

    pub(crate) fn status(self) -> TaskStatus {
        use State::*;
        match self {
            Pending | PendingWithSchedule => TaskStatus::Pending,
            Scheduled | ScheduledDue | ReminderDue => TaskStatus::Scheduled,
            Blocked => TaskStatus::Blocked,
            Queued | QueuedDelayed | QueuedOfScheduled => TaskStatus::Queued,
            Running | RunningOfScheduled | RunningExpired | RunningOfPaused => TaskStatus::Running,
            Paused | PausedWithSchedule | PausedHeld | PausedRunning => TaskStatus::Paused,
            Completed => TaskStatus::Completed,
            Failed => TaskStatus::Failed,
            Cancelled | Deleted => TaskStatus::Cancelled,
            TimedOut => TaskStatus::TimedOut,
        }
    }

    /// A task in this state as [`now`] finds it.
    pub(crate) fn task(self) -> Task {
        let task = build(self);
        assert_eq!(task.status, self.status(), "the fixture {self:?}");
        task
    }
}

fn build(state: State) -> Task {
    use State::*;
    let ids = CountedIds::default();
    let then = moment(&ids, now() - secs(600));
    let plain = || create(new_task(), &then).unwrap().task;
    let scheduled = || {
        let mut task =
            create(task_domain::decide::NewTask { schedule: Some(hourly()), ..new_task() }, &then).unwrap().task;
        task.next_run_time = Some(now() + secs(1800));
        task
    };
    let executed = |task: Task| execute(&task, None, &then).unwrap().task;
    let claimed_for = |task: Task, lease_seconds| {
        let claimer = Claimer { worker_id: "w1".into(), lease_seconds };
        claim(&task, &claimer, &then).unwrap().task
    };
    let claimed = |task: Task| claimed_for(task, 3600);
    let paused = |task: Task| pause(&task, None, &then).unwrap().task;
    match state {
        Pending => plain(),
        PendingWithSchedule => {
            let patch = task_domain::TaskPatch { status: Some(TaskStatus::Pending), ..Default::default() };
            task_domain::decide::update(&scheduled(), &patch, &then).unwrap().task
        }
        Scheduled => scheduled(),
        ScheduledDue => Task { next_run_time: Some(now() - secs(1)), ..scheduled() },
        ReminderDue => {
            let at = Some(now() - secs(1));
            let new = task_domain::decide::NewTask { task_type: "reminder".into(), reminder_time: at, ..new_task() };
            create(new, &then).unwrap().task
        }
        Blocked => create(task_domain::decide::NewTask { blocked: true, ..new_task() }, &then).unwrap().task,
        Queued => executed(plain()),
        QueuedDelayed => {
            let retry =
                RetryPolicy { max_attempts: 3, base_seconds: 3600.0, max_seconds: 3600.0, ..RetryPolicy::default() };
            let task = claimed(executed(Task { retry, ..plain() }));
            fail(&task, token_of(&task), Failure { retryable: true, ..Failure::default() }, &then).unwrap().task
        }
        QueuedOfScheduled => executed(scheduled()),
        Running => claimed(executed(plain())),
        RunningOfScheduled => claimed(executed(scheduled())),
        RunningExpired => claimed_for(executed(plain()), 60),
        RunningOfPaused => claimed(executed(paused(plain()))),
        Paused => paused(plain()),
        PausedWithSchedule => paused(scheduled()),
        PausedHeld => paused(executed(plain())),
        PausedRunning => paused(claimed(executed(plain()))),
        Completed => {
            let task = claimed(executed(plain()));
            complete(&task, token_of(&task), Report::default(), &then).unwrap().task
        }
        Failed => {
            let task = claimed(executed(plain()));
            fail(&task, token_of(&task), Failure::default(), &then).unwrap().task
        }
        Cancelled => cancel(&plain(), None, &then).unwrap().task,
        TimedOut => {
            let task = executed(Task { timeout_seconds: Some(1), ..plain() });
            deadline(&task, &moment(&ids, now() - secs(500))).unwrap().task
        }
        Deleted => delete(&claimed(executed(plain())), &then).unwrap().task,
    }
}
