//! One task, the commands it was given, and all that has come of them.

use std::collections::{HashMap, HashSet};

use chrono::{DateTime, Utc};
use task_domain::decide::{self, Change, Claimer, Failure, Rejection, Report};
use task_domain::{EventType, Execution, ExecutionStatus, LeaseToken, MAX_LOST_LEASES, Task, TaskPatch, TaskStatus};
use uuid::Uuid;

use super::{CountedIds, assert_well_formed, moment, now, secs};

/// Whose token a worker shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Token {
    Current,
    Earlier,
    Strange,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Command {
    Execute,
    Unblock,
    Claim { lease_seconds: i64 },
    Complete(Token),
    Fail { token: Token, retryable: bool },
    Release { token: Token, delay: i64 },
    LeaseLost,
    Deadline,
    Cancel,
    Pause,
    Resume,
    Delete,
    Due,
    Skip,
    Remind,
    SetStatus(TaskStatus),
    Update(Box<TaskPatch>),
}

pub(crate) struct World {
    pub(crate) task: Task,
    pub(crate) now: DateTime<Utc>,
    ids: CountedIds,
    tokens: Vec<LeaseToken>,
    /// Every execution that reached its outcome.
    ended: HashSet<Uuid>,
    /// The last attempt seen of every run.
    runs: HashMap<Uuid, Execution>,
    ended_runs: HashSet<Uuid>,
}

impl World {
    pub(crate) fn new(new: decide::NewTask) -> Self {
        let ids = CountedIds::default();
        let change = decide::create(new, &moment(&ids, now())).unwrap();
        assert_well_formed(None, &change, now());
        let mut world = Self {
            task: change.task,
            now: now(),
            ids,
            tokens: Vec::new(),
            ended: HashSet::new(),
            runs: HashMap::new(),
            ended_runs: HashSet::new(),
        };
        world.runs.extend(world.task.current.iter().map(|e| (e.run_id, e.clone())));
        assert_at_rest_or_running(&world.task);
        world
    }

    fn token(&self, which: Token) -> LeaseToken {
        let current = self.task.current.as_ref().and_then(|e| e.lease).map(|l| l.token);
        let strange = LeaseToken::new(Uuid::max());
        match which {
            Token::Current => current.unwrap_or(strange),
            Token::Earlier => self.tokens.iter().copied().rfind(|t| Some(*t) != current).unwrap_or(strange),
            Token::Strange => strange,
        }
    }

    fn decide(&self, command: &Command) -> Result<Change, Rejection> {
        let (task, at) = (&self.task, moment(&self.ids, self.now));
        match command.clone() {
            Command::Execute => decide::execute(task, None, &at),
            Command::Unblock => decide::unblock(task, &at),
            Command::Claim { lease_seconds } => {
                decide::claim(task, &Claimer { worker_id: "w".into(), lease_seconds }, &at)
            }
            Command::Complete(token) => decide::complete(task, self.token(token), Report::default(), &at),
            Command::Fail { token, retryable } => {
                decide::fail(task, self.token(token), Failure { retryable, ..Failure::default() }, &at)
            }
            Command::Release { token, delay } => decide::release(task, self.token(token), None, secs(delay), &at),
            Command::LeaseLost => decide::lease_lost(task, &at),
            Command::Deadline => decide::deadline(task, &at),
            Command::Cancel => decide::cancel(task, None, &at),
            Command::Pause => decide::pause(task, None, &at),
            Command::Resume => decide::resume(task, None, &at),
            Command::Delete => decide::delete(task, &at),
            Command::Due => decide::due(task, &at),
            Command::Skip => decide::skip_due_until(task, self.now + secs(3600), "limit", &at),
            Command::Remind => decide::remind(task, &at),
            Command::SetStatus(to) => decide::set_status(task, to, &at),
            Command::Update(patch) => decide::update(task, &patch, &at),
        }
    }

    /// Gives the command after `wait` seconds and checks every invariant. Whether it was accepted.
    pub(crate) fn step(&mut self, wait: i64, command: &Command) -> bool {
        self.now += secs(wait);
        let before = self.task.clone();
        match self.decide(command) {
            Err(rejection) => {
                assert_eq!(
                    self.decide(command),
                    Err(rejection),
                    "a refused command is refused again, and left no trace"
                );
                assert_eq!(self.task, before);
                false
            }
            Ok(change) => {
                self.assert_fenced(command);
                self.accept(&before, command, change);
                true
            }
        }
    }

    /// Only the current token of a lease that has not run out moves anything.
    fn assert_fenced(&self, command: &Command) {
        if let Command::Complete(token) | Command::Fail { token, .. } | Command::Release { token, .. } = command {
            let lease = self.task.current.as_ref().and_then(|e| e.lease);
            assert_eq!(*token, Token::Current);
            assert!(lease.is_some_and(|l| l.expires_at > self.now), "an expired token was accepted");
        }
    }

    fn accept(&mut self, before: &Task, command: &Command, change: Change) {
        assert_well_formed(Some(before), &change, self.now);
        let after = &change.task;
        assert_at_rest_or_running(after);
        let run_ended = self.check_attempts(before, &change);
        check_counters(before, &change, run_ended);
        let count = |kind| change.events.iter().filter(|e| e.event_type == kind).count();
        assert_eq!(count(EventType::Executed), usize::from(run_ended), "task.executed tells that a run ended");
        assert_eq!(count(EventType::StatusChanged), usize::from(before.status != after.status));
        assert_eq!(count(EventType::Deleted), usize::from(*command == Command::Delete));
        assert_eq!(
            after.version - before.version,
            i64::from(matches!(command, Command::Update(_))),
            "version counts owners' edits"
        );
        assert_eq!(
            change.demand.active_task,
            before.status.is_terminal() && !after.status.is_terminal(),
            "what becomes active again is counted"
        );
        self.tokens.extend(after.current.iter().filter_map(|e| e.lease).map(|l| l.token));
        self.tokens.dedup();
        self.task = change.task;
    }

    /// The attempt that ended, and the one that is current now. Whether a run ended.
    fn check_attempts(&mut self, before: &Task, change: &Change) -> bool {
        let current = change.task.current.as_ref();
        let mut run_ended = false;
        if let Some(ended) = &change.finished {
            assert!(ended.status.is_terminal());
            assert_eq!(
                before.current.as_ref().map(|e| e.execution_id),
                Some(ended.execution_id),
                "what ends was the current one"
            );
            assert!(self.ended.insert(ended.execution_id), "an execution ends once");
            run_ended = current.is_none_or(|e| e.run_id != ended.run_id);
            self.check_run(ended);
            if run_ended {
                assert!(self.ended_runs.insert(ended.run_id), "a run ends once");
            }
        } else {
            let kept =
                before.current.as_ref().is_none_or(|b| current.is_some_and(|e| e.execution_id == b.execution_id));
            assert!(kept, "an attempt is never replaced without an outcome");
        }
        if let Some(execution) = current {
            assert!(!execution.status.is_terminal());
            assert!(!self.ended.contains(&execution.execution_id), "a terminal execution never comes back");
            assert!(!self.ended_runs.contains(&execution.run_id), "an ended run never comes back");
            let is_new = !self.runs.contains_key(&execution.run_id);
            assert_eq!(change.demand.run, is_new, "a run is counted when it is queued, once");
            self.check_run(execution);
        } else {
            assert!(!change.demand.run);
        }
        if let (Some(ended), Some(next)) = (&change.finished, current)
            && !run_ended
        {
            assert!(
                next.failures == ended.failures || next.failures < before.retry.max_attempts,
                "max_attempts is respected"
            );
            assert!(next.lost_leases < MAX_LOST_LEASES, "max_lost_leases is respected");
        }
        run_ended
    }

    /// What is constant within a run, and what only rises.
    fn check_run(&mut self, now: &Execution) {
        if let Some(last) = self.runs.insert(now.run_id, now.clone()) {
            assert_eq!(
                (last.queued_at, last.timeout_at),
                (now.queued_at, now.timeout_at),
                "the run's deadline never moves"
            );
            assert_eq!((last.trigger_type, &last.trigger_data), (now.trigger_type, &now.trigger_data));
            assert!(now.attempt - last.attempt == 0 || now.attempt - last.attempt == 1, "a claim is one attempt");
            assert!(now.failures >= last.failures && now.lost_leases >= last.lost_leases);
            assert!(now.failures + now.lost_leases <= now.attempt, "every failure and lost lease was claimed first");
        }
    }
}

/// Status, current execution, lease and times go together.
fn assert_at_rest_or_running(task: &Task) {
    let current = task.current.as_ref();
    let leased = current.is_some_and(|e| e.lease.is_some());
    assert_eq!(
        leased,
        current.is_some_and(|e| e.status == ExecutionStatus::Running),
        "a lease is what a running execution has"
    );
    match task.status {
        TaskStatus::Running => assert!(leased),
        TaskStatus::Queued => assert!(current.is_some() && !leased),
        TaskStatus::Paused => {}
        _ => assert!(current.is_none(), "{} has no current execution", task.status),
    }
    if task.status == TaskStatus::Scheduled && task.deleted_at.is_none() {
        assert!(task.next_run_time.is_some(), "a scheduled task has a next run time");
    }
    if task.status.is_terminal() || task.deleted_at.is_some() {
        assert_eq!(task.next_run_time, None, "what is done has no next run");
        assert_eq!(task.return_to, None);
        assert!(task.current.is_none());
    }
    assert_eq!(task.completed_at.is_some(), task.status.is_terminal(), "completed_at is when it was done");
    assert!(task.run_count >= task.success_count + task.failure_count);
}

/// Counters count runs; credits are taken for success only.
fn check_counters(before: &Task, change: &Change, run_ended: bool) {
    let after = &change.task;
    let outcome = change.finished.as_ref().map(|e| e.status).filter(|_| run_ended);
    let succeeded = outcome == Some(ExecutionStatus::Completed);
    let failed = matches!(outcome, Some(ExecutionStatus::Failed | ExecutionStatus::TimedOut | ExecutionStatus::Lost));
    assert_eq!(after.run_count - before.run_count, i64::from(run_ended));
    assert_eq!(after.success_count - before.success_count, i64::from(succeeded));
    assert_eq!(after.failure_count - before.failure_count, i64::from(failed));
    let credits = if succeeded { change.finished.as_ref().map_or(0.0, |e| e.credits_consumed) } else { 0.0 };
    assert_eq!(after.total_credits_consumed, before.total_credits_consumed + credits);
    if !succeeded {
        assert_eq!((&after.last_result, after.last_success_time), (&before.last_result, before.last_success_time));
    }
    assert_eq!(after.last_run_time, if run_ended { Some(after.updated_at) } else { before.last_run_time });
    if let Some(ended) = &change.finished {
        assert_eq!(ended.completed_at, Some(after.updated_at));
    }
}
