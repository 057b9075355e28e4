//! Why a task is not running.

use chrono::{DateTime, Duration, Utc};

use crate::event::stamp;
use crate::{ExecutionStatus, Handler, LimitType, Task, TaskId, TaskStatus};

/// Tasks ahead in a queue are counted up to this many.
pub const MAX_COUNTED: i64 = 10_000;

/// Who asked for a type, or started one of it, within this time is taken to be there still. A waiting
/// claim lasts 30 s and a worker asks again after it.
const THERE_STILL: Duration = Duration::seconds(60);

/// Where a queued task stands in its queue. Counts stop at what was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct QueuePlace {
    /// A claim may take it.
    pub claimable: bool,
    /// Held back because as many tasks of its key run as may.
    pub parked: bool,
    /// Claimable tasks of its handler and type that a claim takes before it; 0 unless it is claimable.
    pub ahead: i64,
    /// Tasks of its concurrency key that are claimable or leased; 0 unless it is parked.
    pub key_used: i64,
}

/// What was done lately of a task's type, by whatever instance.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct TypeActivity {
    /// Somebody holds a task of it.
    pub leased: bool,
    /// When the youngest of the executions that were looked at started.
    pub last_started: Option<DateTime<Utc>>,
    /// Executions of it that ended within `over_seconds`.
    pub ended: i64,
    pub over_seconds: f64,
}

/// A task that another one waits for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unfinished {
    pub task_id: TaskId,
    pub status: TaskStatus,
}

/// What is known beside the task itself; what does not matter in its status may be left out.
#[derive(Debug, Clone, PartialEq)]
pub struct Facts {
    pub now: DateTime<Utc>,
    /// Of a blocked task.
    pub waiting_for: Vec<Unfinished>,
    /// The last thing that happened to a scheduled task: its run met this limit.
    pub put_off: Option<LimitType>,
    /// Of a queued task, and the rest as well.
    pub place: QueuePlace,
    pub activity: TypeActivity,
    /// This instance runs the built-in type itself.
    pub served_here: bool,
    /// When somebody last asked this instance for work of the type, as far as it remembers.
    pub last_asked: Option<DateTime<Utc>>,
}

impl Facts {
    /// Nothing is known but the time.
    pub fn at(now: DateTime<Utc>) -> Self {
        Self {
            now,
            waiting_for: Vec::new(),
            put_off: None,
            place: QueuePlace::default(),
            activity: TypeActivity::default(),
            served_here: false,
            last_asked: None,
        }
    }
}

/// Why a task is not running, or that it is.
#[derive(Debug, Clone, PartialEq)]
pub enum Reason {
    Running { worker_id: Option<String>, attempt: i32, lease_expires_at: DateTime<Utc> },
    Terminal { completed_at: Option<DateTime<Utc>>, last_error: Option<String> },
    NotScheduled,
    NotDue { next_run_time: Option<DateTime<Utc>>, due: bool },
    Paused { held_back: bool },
    Blocked { waiting_for: Vec<Unfinished> },
    Backoff { until: DateTime<Utc>, failures: i32, lost_leases: i32 },
    ConcurrencyLimit { key: String, used: i64, limit: i32 },
    TypeLimit { task_type: String, used: i64, limit: i32 },
    Quota { limit_type: LimitType, until: Option<DateTime<Utc>> },
    NoWorkerSeen { task_type: String, handler: Handler, last_seen: Option<DateTime<Utc>> },
    Queued { position: Option<i64>, more_than: Option<i64>, estimated_wait_seconds: Option<i64> },
}

/// Decides why `task` is not running.
pub fn explain(task: &Task, facts: &Facts) -> Reason {
    let leased = task.current.as_ref().filter(|e| e.status == ExecutionStatus::Running);
    if let Some((execution, lease)) = leased.and_then(|e| Some((e, e.lease?))) {
        return Reason::Running {
            worker_id: execution.worker_id.clone(),
            attempt: execution.attempt,
            lease_expires_at: lease.expires_at,
        };
    }
    match task.status {
        TaskStatus::Completed | TaskStatus::Failed | TaskStatus::Cancelled | TaskStatus::TimedOut => {
            Reason::Terminal { completed_at: task.completed_at, last_error: task.last_error.clone() }
        }
        TaskStatus::Pending => Reason::NotScheduled,
        TaskStatus::Scheduled => scheduled(task, facts),
        TaskStatus::Blocked => Reason::Blocked { waiting_for: facts.waiting_for.clone() },
        TaskStatus::Paused => Reason::Paused { held_back: task.current.is_some() },
        TaskStatus::Queued | TaskStatus::Running => queued(task, facts),
    }
}

fn scheduled(task: &Task, facts: &Facts) -> Reason {
    let due = task.next_run_time.is_some_and(|at| at <= facts.now);
    match facts.put_off.filter(|_| !due) {
        Some(limit_type) => Reason::Quota { limit_type, until: task.next_run_time },
        None => Reason::NotDue { next_run_time: task.next_run_time, due },
    }
}

fn queued(task: &Task, facts: &Facts) -> Reason {
    if let Some(execution) = task.current.as_ref().filter(|e| e.run_at > facts.now) {
        let (failures, lost_leases) = (execution.failures, execution.lost_leases);
        return Reason::Backoff { until: execution.run_at, failures, lost_leases };
    }
    let (place, activity) = (facts.place, facts.activity);
    if place.parked {
        let (used, limit) = (place.key_used, task.max_concurrent.unwrap_or(1));
        if task.is_limited_by_type() {
            return Reason::TypeLimit { task_type: task.task_type.clone(), used, limit };
        }
        return Reason::ConcurrencyLimit { key: task.concurrency_key.clone().unwrap_or_default(), used, limit };
    }
    let last_seen = facts.last_asked.max(activity.last_started);
    let is_there = last_seen.is_some_and(|at| facts.now - at <= THERE_STILL);
    if !(is_there || activity.leased || activity.ended > 0 || facts.served_here) {
        let task_type = task.claimed_as().to_owned();
        return Reason::NoWorkerSeen { task_type, handler: task.handler, last_seen };
    }
    let all_counted = place.claimable && place.ahead < MAX_COUNTED;
    let position = all_counted.then_some(place.ahead + 1);
    Reason::Queued {
        position,
        more_than: (place.claimable && !all_counted).then_some(MAX_COUNTED),
        estimated_wait_seconds: position.and_then(|position| wait_seconds(position, &activity)),
    }
}

/// How long `position` tasks take at the rate at which they ended lately.
fn wait_seconds(position: i64, activity: &TypeActivity) -> Option<i64> {
    if activity.ended < 1 || activity.over_seconds <= 0.0 {
        return None;
    }
    // A wait is no more exact than a second, and both are far below 2^53.
    let seconds = (position as f64 * activity.over_seconds / activity.ended as f64).ceil() as i64;
    Some(seconds)
}

impl Reason {
    /// Stable, for programs.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Running { .. } => "running",
            Self::Terminal { .. } => "terminal",
            Self::NotScheduled => "not_scheduled",
            Self::NotDue { .. } => "not_due",
            Self::Paused { .. } => "paused",
            Self::Blocked { .. } => "blocked",
            Self::Backoff { .. } => "backoff",
            Self::ConcurrencyLimit { .. } => "concurrency_limit",
            Self::TypeLimit { .. } => "type_limit",
            Self::Quota { .. } => "quota",
            Self::NoWorkerSeen { .. } => "no_worker_seen",
            Self::Queued { .. } => "queued",
        }
    }

    /// One sentence for people. `status` is the task's.
    pub fn message(&self, status: TaskStatus) -> String {
        match self {
            Self::Running { worker_id, attempt, lease_expires_at } => format!(
                "It is running: worker {} holds attempt {attempt} until {} unless it renews the lease.",
                worker_id.as_deref().unwrap_or("(unnamed)"),
                stamp(*lease_expires_at)
            ),
            Self::Terminal { last_error: Some(error), .. } => {
                format!(
                    "It is done with status {status}: {error}; `retry` or `execute` starts it again where its status allows."
                )
            }
            Self::Terminal { last_error: None, .. } => format!("It is done with status {status}."),
            Self::NotScheduled => {
                "Nothing has started it: `execute` it, or give it a schedule or a next_run_time.".to_owned()
            }
            Self::NotDue { due: true, .. } => "Its time has come and it is being queued.".to_owned(),
            Self::NotDue { next_run_time: Some(at), .. } => format!("Its next run is due at {}.", stamp(*at)),
            Self::NotDue { next_run_time: None, .. } => "It is scheduled and has no next run.".to_owned(),
            Self::Paused { held_back: true } => {
                "It is paused and its queued run is held back until `resume`.".to_owned()
            }
            Self::Paused { held_back: false } => "It is paused: nothing runs until `resume` or `execute`.".to_owned(),
            Self::Blocked { waiting_for } => blocked(waiting_for),
            Self::Backoff { until, failures: 0, lost_leases: 0 } => {
                format!("It was given back with a delay and may be claimed from {}.", stamp(*until))
            }
            Self::Backoff { until, .. } => {
                format!("An attempt failed; the next one may be claimed from {}.", stamp(*until))
            }
            Self::ConcurrencyLimit { key, used, limit } => {
                format!(
                    "{used} tasks of concurrency key {key:?} are running or next in line, and its limit is {limit}."
                )
            }
            Self::TypeLimit { task_type, used, limit } => {
                format!(
                    "{used} tasks of type {task_type:?} are running or next in line, and the operator's limit is {limit}."
                )
            }
            Self::Quota { limit_type, until: Some(until) } => {
                format!(
                    "Its owner's limit {limit_type} was used up when its run was due; it was put off until {}.",
                    stamp(*until)
                )
            }
            Self::Quota { limit_type, until: None } => {
                format!("Its owner's limit {limit_type} was used up when its run was due.")
            }
            Self::NoWorkerSeen { task_type, handler, last_seen } => no_worker(task_type, *handler, *last_seen),
            Self::Queued { more_than: Some(count), .. } => {
                format!("It is queued behind more than {count} tasks of its type.")
            }
            Self::Queued { position: Some(position), estimated_wait_seconds: Some(seconds), .. } => {
                format!("It is number {position} in the queue of its type, about {seconds} s from its turn.")
            }
            Self::Queued { position: Some(position), .. } => {
                format!("It is number {position} in the queue of its type.")
            }
            Self::Queued { .. } => "It is queued and about to become claimable.".to_owned(),
        }
    }
}

fn blocked(waiting_for: &[Unfinished]) -> String {
    let one = |task: &Unfinished| format!("{} ({})", task.task_id, task.status);
    match waiting_for {
        [] => "What it waited for has ended; it goes on in a moment, or, where its owner's daily limit is used up, after midnight UTC."
            .to_owned(),
        [only] => format!("It waits for task {}.", one(only)),
        [first, others @ ..] => format!("It waits for task {} and {} more.", one(first), others.len()),
    }
}

fn no_worker(task_type: &str, handler: Handler, last_seen: Option<DateTime<Utc>>) -> String {
    let who = match handler {
        Handler::Builtin => "No instance that runs",
        Handler::Worker => "No worker for",
    };
    match last_seen {
        Some(at) => format!("{who} tasks of type {task_type:?} was seen since {}.", stamp(at)),
        None => format!("{who} tasks of type {task_type:?} was seen lately; start one, or check the types it claims."),
    }
}
