//! What time does: due runs, skipped runs, reminders.

use chrono::{DateTime, Utc};

use super::change::{Change, Draft, Moment, Rejection};
use super::run_end::count;
use crate::{HistoryEntry, Task, TaskStatus, TriggerType, types};

/// The scheduled run is due: it is queued and the next run time computed, or, when the misfire
/// rule says so, skipped to the next time in the future.
pub fn due(task: &Task, moment: &Moment<'_>) -> Result<Change, Rejection> {
    let refused = Rejection::InvalidTransition { action: "start", from: task.status, to: Some(TaskStatus::Queued) };
    let Some(due) = task.next_run_time.filter(|_| task.status == TaskStatus::Scheduled) else {
        return Err(refused);
    };
    if due > moment.now {
        return Err(Rejection::Unchanged);
    }
    let mut draft = Draft::of(task, moment);
    let Some(schedule) = &task.schedule else {
        // A reminder, or a time that the owner set by hand: one run.
        draft.task.next_run_time = None;
        draft.queue_run(TriggerType::Scheduled, None, None);
        return Ok(draft.finish("due"));
    };
    if schedule.misfired(due, moment.now) {
        draft.reason = Some(format!("run of {} skipped: missed, and misfire is `skip`", crate::event::stamp(due)));
        let next = schedule.next_after(moment.now, due, count(task.schedule_runs));
        draft.reschedule(next);
        return Ok(draft.finish("skip"));
    }
    let runs = task.schedule_runs + 1;
    let next = schedule.next_run(due, moment.now, count(runs));
    draft.task.schedule_runs = runs;
    draft.task.next_run_time = next;
    draft.queue_run(TriggerType::Scheduled, None, next.map(|_| TaskStatus::Scheduled));
    Ok(draft.finish("due"))
}

/// How the reason begins when a due run met its owner's daily limit.
const DAILY_LIMIT: &str = "daily limit of ";

/// Why a due run is put off, for [`skip_due_until`].
pub fn daily_limit_reason(limit: i64) -> String {
    format!("{DAILY_LIMIT}{limit} runs is used up; skipped until after midnight UTC")
}

/// Whether this was a run that met its owner's daily limit.
pub fn is_put_off(entry: &HistoryEntry) -> bool {
    entry.action == "skip" && entry.reason.as_ref().is_some_and(|reason| reason.starts_with(DAILY_LIMIT))
}

/// The owner's daily limit is used up: the due run is skipped to the first time after `until`; one
/// that has no such time any more is put off to `until` itself.
pub fn skip_due_until(
    task: &Task,
    until: DateTime<Utc>,
    reason: &str,
    moment: &Moment<'_>,
) -> Result<Change, Rejection> {
    let Some(due) = task.next_run_time.filter(|at| task.status == TaskStatus::Scheduled && *at <= moment.now) else {
        return Err(Rejection::Unchanged);
    };
    let mut draft = Draft::of(task, moment);
    draft.reason = Some(reason.to_owned());
    let next = match &task.schedule {
        Some(schedule) => schedule.next_after(until, due, count(task.schedule_runs)),
        None => None,
    };
    draft.reschedule(Some(next.unwrap_or(until)));
    Ok(draft.finish("skip"))
}

/// The owner is reminded, once; no run. Of a task of type `reminder` the run itself is the reminder.
pub fn remind(task: &Task, moment: &Moment<'_>) -> Result<Change, Rejection> {
    let is_due = task.reminder_time.is_some_and(|at| at <= moment.now);
    if !task.is_active() || !is_due || task.reminded_at.is_some() || task.task_type == types::REMINDER {
        return Err(Rejection::Unchanged);
    }
    let mut draft = Draft::of(task, moment);
    draft.task.reminded_at = Some(moment.now);
    draft.definition_changed = true;
    Ok(draft.finish("remind"))
}

impl Draft<'_> {
    /// Sets the next run time; a schedule that has no further run is done.
    fn reschedule(&mut self, next: Option<DateTime<Utc>>) {
        self.task.next_run_time = next;
        if next.is_none() {
            self.task.status = TaskStatus::Completed;
            self.task.completed_at = Some(self.now());
        }
    }
}
