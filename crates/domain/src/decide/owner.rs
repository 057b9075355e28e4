//! What an owner does to a task: edit, cancel, pause, resume, delete.

use super::change::{Change, Draft, Moment, Rejection};
use super::create::first_run;
use crate::{EventType, ExecutionStatus, Task, TaskPatch, TaskStatus, TriggerType, types};

impl Draft<'_> {
    /// Ends an active run as cancelled; its lease is fenced by that.
    fn cancel_run(&mut self, message: &str) {
        if let Some(mut execution) = self.task.current.take() {
            execution.error_message = Some(message.to_owned());
            // The timetable is not the run's: whoever cancels the task itself ends it, too.
            let next_run_time = self.task.next_run_time;
            self.end_run(execution, ExecutionStatus::Cancelled, TaskStatus::Cancelled);
            self.task.next_run_time = next_run_time;
        }
    }

    /// Moves a task without a run; a terminal status ends it, another one reopens it.
    pub(super) fn move_to(&mut self, status: TaskStatus) {
        self.demand.active_task |= self.task.status.is_terminal() && !status.is_terminal();
        self.task.status = status;
        self.task.return_to = None;
        self.task.completed_at = status.is_terminal().then(|| self.now());
        if status.is_terminal() {
            self.task.next_run_time = None;
        }
    }
}

/// Cancels a task in any status but a terminal one.
pub fn cancel(task: &Task, reason: Option<String>, moment: &Moment<'_>) -> Result<Change, Rejection> {
    if task.status.is_terminal() {
        return Err(Rejection::InvalidTransition {
            action: "cancel",
            from: task.status,
            to: Some(TaskStatus::Cancelled),
        });
    }
    let mut draft = Draft::of(task, moment);
    draft.cancel_run(reason.as_deref().unwrap_or("Cancelled"));
    draft.reason = reason;
    draft.move_to(TaskStatus::Cancelled);
    Ok(draft.finish("cancel"))
}

/// Suspends a task: a queued run is held back, a running one may finish and is recorded.
pub fn pause(task: &Task, reason: Option<String>, moment: &Moment<'_>) -> Result<Change, Rejection> {
    use TaskStatus::{Pending, Queued, Running, Scheduled};
    if !matches!(task.status, Pending | Scheduled | Queued | Running) {
        return Err(Rejection::InvalidTransition { action: "pause", from: task.status, to: Some(TaskStatus::Paused) });
    }
    let mut draft = Draft::of(task, moment);
    draft.reason = reason;
    draft.task.status = TaskStatus::Paused;
    draft.task.return_to = task.current.as_ref().map(|_| TaskStatus::Paused);
    Ok(draft.finish("pause"))
}

/// Resumes a paused task: a held-back run is queued again, a run that is still going goes on; else
/// scheduled with a schedule, else pending.
pub fn resume(task: &Task, reason: Option<String>, moment: &Moment<'_>) -> Result<Change, Rejection> {
    if task.status != TaskStatus::Paused {
        return Err(Rejection::InvalidTransition { action: "resume", from: task.status, to: None });
    }
    let mut draft = Draft::of(task, moment);
    draft.reason = reason;
    draft.refresh_next_run();
    let waits = draft.task.next_run_time.is_some();
    draft.task.status = match &task.current {
        Some(execution) if execution.status == ExecutionStatus::Running => TaskStatus::Running,
        Some(_) => TaskStatus::Queued,
        None if waits => TaskStatus::Scheduled,
        None => TaskStatus::Pending,
    };
    draft.task.return_to = (waits && task.current.is_some()).then_some(TaskStatus::Scheduled);
    Ok(draft.finish("resume"))
}

impl Draft<'_> {
    /// What fell due while the task rested is not made up for: the schedule goes on from now.
    fn refresh_next_run(&mut self) {
        let now = self.now();
        if let Some(schedule) = &self.task.schedule
            && self.task.next_run_time.is_none_or(|at| at <= now)
        {
            let anchor = self.task.next_run_time.unwrap_or(now);
            self.task.next_run_time = schedule.next_after(now, anchor, super::run_end::count(self.task.schedule_runs));
        }
    }
}

/// Deletes a task: gone from every list and read; row and history stay. An active run is cancelled.
pub fn delete(task: &Task, moment: &Moment<'_>) -> Result<Change, Rejection> {
    let mut draft = Draft::of(task, moment);
    draft.cancel_run("Task deleted");
    draft.task.deleted_at = Some(moment.now);
    draft.task.next_run_time = None;
    draft.definition_changed = true;
    // Last of all, so that nothing tells of the task after its end.
    draft.announce_status();
    draft.emit(EventType::Deleted, serde_json::Value::Null);
    Ok(draft.finish("delete"))
}

/// Ends a task that is not done as timed out, before its deadline; a running lease is fenced.
pub fn time_out(task: &Task, moment: &Moment<'_>) -> Result<Change, Rejection> {
    let to = TaskStatus::TimedOut;
    if task.status.is_terminal() {
        return Err(Rejection::InvalidTransition { action: "time out", from: task.status, to: Some(to) });
    }
    let mut draft = Draft::of(task, moment);
    if let Some(mut execution) = draft.task.current.take() {
        execution.error_message = Some("Timed out on request".into());
        draft.end_run(execution, ExecutionStatus::TimedOut, to);
    }
    draft.move_to(to);
    Ok(draft.finish("timeout"))
}

/// The drop-in APIs' *set status*: from any status to queued, completed, failed or cancelled. A
/// live lease is fenced; the history says who.
pub fn set_status(task: &Task, to: TaskStatus, moment: &Moment<'_>) -> Result<Change, Rejection> {
    let mut draft = Draft::of(task, moment);
    let message = format!("Status set to {to}");
    draft.reason = Some(message.clone());
    match to {
        TaskStatus::Queued => {
            draft.cancel_run(&message);
            draft.demand.active_task = task.status.is_terminal();
            draft.queue_run(TriggerType::Manual, None, None);
        }
        TaskStatus::Completed | TaskStatus::Failed | TaskStatus::Cancelled => {
            draft.cancel_run(&message);
            draft.move_to(to);
        }
        _ => return Err(Rejection::InvalidTransition { action: "set the status of", from: task.status, to: Some(to) }),
    }
    Ok(draft.finish("set_status"))
}

/// Whether an owner's edit may move a task so.
fn owner_may_move(from: TaskStatus, to: TaskStatus) -> bool {
    use TaskStatus::{Cancelled, Completed, Failed, Paused, Pending, Queued, Scheduled, TimedOut};
    match from {
        Pending => matches!(to, Scheduled | Queued | Paused | Completed | Cancelled),
        Scheduled => matches!(to, Pending | Paused | Completed | Cancelled),
        Paused => matches!(to, Pending | Scheduled | Completed | Cancelled),
        Completed | Failed | TimedOut => matches!(to, Pending | Scheduled),
        _ => false,
    }
}

/// An owner's edit. Only the fields given change; `Unchanged` when none of them differs.
pub fn update(task: &Task, patch: &TaskPatch, moment: &Moment<'_>) -> Result<Change, Rejection> {
    let mut draft = Draft::of(task, moment);
    let mut fields = apply(&mut draft.task, patch);
    let reschedule = fields.contains(&"schedule")
        || (fields.contains(&"reminder_time") && task.task_type == types::REMINDER && task.schedule.is_none());
    if reschedule && patch.next_run_time.is_none() {
        draft.task.schedule_runs = 0;
        draft.task.next_run_time = first_run(&draft.task, moment.now)?;
    }
    // A new time takes a resting task along, unless the edit names a status.
    if patch.status.is_none() && (reschedule || fields.contains(&"next_run_time")) {
        draft.task.status = match (draft.task.status, draft.task.next_run_time) {
            (TaskStatus::Pending, Some(_)) => TaskStatus::Scheduled,
            (TaskStatus::Scheduled, None) if reschedule => TaskStatus::Pending,
            (status, _) => status,
        };
    }
    if fields.contains(&"reminder_time") {
        draft.task.reminded_at = None;
    }
    if let Some(to) = patch.status.filter(|to| *to != task.status) {
        set_owner_status(&mut draft, task.status, to)?;
        fields.push("status");
    }
    if draft.task.status == TaskStatus::Scheduled && draft.task.next_run_time.is_none() {
        let message = "a scheduled task needs a next_run_time or a schedule".into();
        return Err(Rejection::Invalid { field: "next_run_time", message });
    }
    if draft.task.status.is_terminal() {
        // What is done has no next run.
        draft.task.next_run_time = None;
        fields.retain(|field| *field != "next_run_time");
    }
    if fields.is_empty() {
        return Err(Rejection::Unchanged);
    }
    draft.task.version += 1;
    draft.definition_changed = true;
    draft.emit(EventType::Updated, serde_json::json!({"updated_fields": fields}));
    Ok(draft.finish("update"))
}

fn set_owner_status(draft: &mut Draft<'_>, from: TaskStatus, to: TaskStatus) -> Result<(), Rejection> {
    let refused = Rejection::InvalidTransition { action: "set the status of", from, to: Some(to) };
    // A paused task may still have a run that is held back or finishing: resume or cancel it.
    if !owner_may_move(from, to) || (draft.task.current.is_some() && to != TaskStatus::Cancelled) {
        return Err(refused);
    }
    if to == TaskStatus::Queued {
        draft.task.status = from;
        let return_to = draft.task.next_run_time.map(|_| TaskStatus::Scheduled);
        draft.queue_run(TriggerType::Manual, None, return_to);
        return Ok(());
    }
    draft.cancel_run("Cancelled");
    draft.task.status = from;
    draft.move_to(to);
    if to == TaskStatus::Scheduled {
        draft.refresh_next_run();
        if draft.task.next_run_time.is_none() {
            let message = "`scheduled` needs a schedule or a next_run_time".into();
            return Err(Rejection::Invalid { field: "status", message });
        }
    }
    Ok(())
}

/// Writes the given fields into the task; the names of those that differ.
fn apply(task: &mut Task, patch: &TaskPatch) -> Vec<&'static str> {
    let mut fields = Vec::new();
    macro_rules! set {
        ($($field:ident),+) => {$(
            if let Some(value) = &patch.$field && *value != task.$field {
                task.$field = value.clone();
                fields.push(stringify!($field));
            }
        )+};
    }
    set!(name, description, config, metadata, tags, labels, priority, schedule, next_run_time, due_date);
    set!(reminder_time, timeout_seconds, retry, credits_per_run, attributes);
    fields
}
