//! A task comes into being: by its owner, or as the retry of a finished one.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};

use super::change::{Change, Draft, Moment, Rejection};
use crate::{
    Handler, JsonObject, OnDependencyFailure, Origin, Priority, RetryPolicy, Schedule, Task, TaskId, TaskStatus,
    TenantId, TriggerType, UserId, types,
};

/// What a caller says of a new task. Texts and sizes were validated at the edge.
#[derive(Debug, Clone, PartialEq)]
pub struct NewTask {
    pub tenant_id: TenantId,
    /// `None`: a UUIDv7.
    pub task_id: Option<TaskId>,
    pub user_id: Option<UserId>,
    /// The API key whose own work it is.
    pub key_id: Option<String>,
    pub origin: Origin,
    pub handler: Handler,
    pub name: String,
    pub description: Option<String>,
    pub task_type: String,
    pub config: JsonObject,
    pub metadata: Option<JsonObject>,
    pub tags: Vec<String>,
    pub labels: BTreeMap<String, String>,
    pub attributes: JsonObject,
    pub priority: Priority,
    pub schedule: Option<Schedule>,
    pub due_date: Option<DateTime<Utc>>,
    pub reminder_time: Option<DateTime<Utc>>,
    pub timeout_seconds: Option<i64>,
    pub depends_on: Vec<TaskId>,
    /// Whether any of `depends_on` is unfinished.
    pub blocked: bool,
    pub on_dependency_failure: OnDependencyFailure,
    pub concurrency_key: Option<String>,
    pub max_concurrent: Option<i32>,
    pub retry: RetryPolicy,
    pub credits_per_run: f64,
    pub run_immediately: bool,
}

/// Creates a task: `blocked`, `queued`, `scheduled` or `pending`, in that order of precedence.
pub fn create(new: NewTask, moment: &Moment<'_>) -> Result<Change, Rejection> {
    let task = bare_task(&new, moment);
    let mut draft = Draft::of(&task, moment);
    draft.definition_changed = true;
    draft.demand.active_task = true;
    draft.task.next_run_time = first_run(&draft.task, moment.now)?;
    let waits = draft.task.next_run_time.is_some();
    if new.blocked {
        draft.task.status = TaskStatus::Blocked;
    } else if new.run_immediately {
        draft.queue_run(TriggerType::Created, None, waits.then_some(TaskStatus::Scheduled));
    } else if waits {
        draft.task.status = TaskStatus::Scheduled;
    }
    Ok(draft.finish_created("create"))
}

/// The first run of a schedule or of a reminder; none when the task has neither.
pub(super) fn first_run(task: &Task, now: DateTime<Utc>) -> Result<Option<DateTime<Utc>>, Rejection> {
    if let Some(schedule) = &task.schedule {
        let Some(at) = schedule.first_run(now) else {
            let message = "can never fire: every run time is in the past or outside start_at and end_at".into();
            return Err(Rejection::Invalid { field: "schedule", message });
        };
        return Ok(Some(at));
    }
    Ok(task.reminder_time.filter(|_| task.task_type == types::REMINDER))
}

fn bare_task(new: &NewTask, moment: &Moment<'_>) -> Task {
    let task_id = new.task_id.clone().unwrap_or_else(|| TaskId::from_stored(moment.ids.id().to_string()));
    Task {
        id: 0,
        tenant_id: new.tenant_id.clone(),
        task_id,
        user_id: new.user_id.clone(),
        key_id: new.key_id.clone(),
        origin: new.origin,
        handler: new.handler,
        name: new.name.clone(),
        description: new.description.clone(),
        task_type: new.task_type.clone(),
        config: new.config.clone(),
        metadata: new.metadata.clone(),
        tags: new.tags.clone(),
        labels: new.labels.clone(),
        attributes: new.attributes.clone(),
        priority: new.priority,
        schedule: new.schedule.clone(),
        next_run_time: None,
        schedule_runs: 0,
        due_date: new.due_date,
        reminder_time: new.reminder_time,
        reminded_at: None,
        timeout_seconds: new.timeout_seconds,
        depends_on: new.depends_on.clone(),
        on_dependency_failure: new.on_dependency_failure,
        concurrency_key: new.concurrency_key.clone(),
        max_concurrent: new.max_concurrent,
        retry: new.retry.clone(),
        original_task_id: None,
        retry_count: 0,
        credits_per_run: new.credits_per_run,
        total_credits_consumed: 0.0,
        status: TaskStatus::Pending,
        return_to: None,
        last_result: None,
        last_error: None,
        last_run_time: None,
        last_success_time: None,
        run_count: 0,
        success_count: 0,
        failure_count: 0,
        completed_at: None,
        version: 1,
        event_seq: 0,
        created_at: moment.now,
        updated_at: moment.now,
        deleted_at: None,
        current: None,
    }
}

/// Repeats a failed, timed out or cancelled task as a *new*, queued one; the old task is untouched.
/// `original_task_id` is the root of the chain, `retry_count` one more. `task_id`: `None` = a UUIDv7.
pub fn retry_as_new(
    task: &Task,
    task_id: Option<TaskId>,
    reason: Option<String>,
    moment: &Moment<'_>,
) -> Result<Change, Rejection> {
    if !matches!(task.status, TaskStatus::Failed | TaskStatus::TimedOut | TaskStatus::Cancelled) {
        return Err(Rejection::InvalidTransition { action: "retry", from: task.status, to: None });
    }
    let new = NewTask {
        tenant_id: task.tenant_id.clone(),
        task_id,
        user_id: task.user_id.clone(),
        key_id: task.key_id.clone(),
        origin: task.origin,
        handler: task.handler,
        name: task.name.clone(),
        description: task.description.clone(),
        task_type: task.task_type.clone(),
        config: task.config.clone(),
        metadata: task.metadata.clone(),
        tags: task.tags.clone(),
        labels: task.labels.clone(),
        attributes: task.attributes.clone(),
        priority: task.priority,
        // A retry is one more try of what failed, not a second copy of the timetable.
        schedule: None,
        due_date: task.due_date,
        reminder_time: None,
        timeout_seconds: task.timeout_seconds,
        depends_on: Vec::new(),
        blocked: false,
        on_dependency_failure: task.on_dependency_failure,
        concurrency_key: task.concurrency_key.clone(),
        max_concurrent: task.max_concurrent,
        retry: task.retry.clone(),
        credits_per_run: task.credits_per_run,
        run_immediately: true,
    };
    let mut bare = bare_task(&new, moment);
    bare.original_task_id = Some(task.original_task_id.clone().unwrap_or_else(|| task.task_id.clone()));
    bare.retry_count = task.retry_count + 1;
    let mut draft = Draft::of(&bare, moment);
    draft.reason = reason;
    draft.definition_changed = true;
    draft.demand.active_task = true;
    draft.queue_run(TriggerType::Retry, None, None);
    Ok(draft.finish_created("retry"))
}
