//! The closed vocabularies of the model.

use crate::text_enum::text_enum;

text_enum! {
    /// Where a task stands. See the state table in `docs/ARCHITECTURE.md`.
    TaskStatus {
        /// Exists, not queued; a person, an execute or a schedule moves it.
        Pending = "pending",
        /// Has a next run time; the scheduler queues it when due.
        Scheduled = "scheduled",
        /// Waits for the tasks in `depends_on`.
        Blocked = "blocked",
        /// Has a queued execution that a worker may claim.
        Queued = "queued",
        /// Its execution is leased to a worker.
        Running = "running",
        /// Suspended by its owner; a queued execution is held back.
        Paused = "paused",
        Completed = "completed",
        Failed = "failed",
        Cancelled = "cancelled",
        TimedOut = "timed_out",
    }
}

impl TaskStatus {
    /// Neither done nor at work: what older services call pending.
    pub const WAITING: [Self; 5] = [Self::Pending, Self::Scheduled, Self::Blocked, Self::Queued, Self::Paused];

    /// Done: nothing moves it but an owner's edit, `execute` or a drop-in *set status*.
    pub const fn is_terminal(self) -> bool {
        matches!(self, Self::Completed | Self::Failed | Self::Cancelled | Self::TimedOut)
    }
}

text_enum! {
    /// Where one attempt stands. A terminal execution never changes again.
    ExecutionStatus {
        Queued = "queued",
        Running = "running",
        Completed = "completed",
        Failed = "failed",
        Cancelled = "cancelled",
        TimedOut = "timed_out",
        /// Given back by its worker; the run goes on in another execution.
        Released = "released",
        /// Its lease ran out; the run goes on in another execution, or fails.
        Lost = "lost",
    }
}

impl ExecutionStatus {
    pub const fn is_terminal(self) -> bool {
        !matches!(self, Self::Queued | Self::Running)
    }
}

text_enum! {
    /// What started a run.
    TriggerType {
        Manual = "manual",
        Scheduled = "scheduled",
        Created = "created",
        Retry = "retry",
        Event = "event",
    }
}

text_enum! {
    /// What becomes of a blocked task when one of the tasks it waits for does not complete.
    OnDependencyFailure {
        /// It fails, too.
        Fail = "fail",
        /// It runs when all have ended, however they did.
        Run = "run",
    }
}

text_enum! {
    /// Who may claim a task's executions.
    Handler {
        /// The executors inside this service.
        Builtin = "builtin",
        /// Outside workers.
        Worker = "worker",
    }
}

text_enum! {
    /// The API that made a task.
    Origin {
        TaskService = "task_service",
        TaskRepository = "task_repository",
        TaskManagement = "task_management",
        Seedcore = "seedcore",
        TaskTracker = "task_tracker",
    }
}
