//! What a decision produces, and the builder that the decisions share.

use chrono::{DateTime, Utc};
use serde_json::Value;
use uuid::Uuid;

use crate::event::status_changed_data;
use crate::{
    Actor, Demand, Event, EventType, Execution, ExecutionStatus, HistoryEntry, LeaseLost, LeaseToken, LevelLimits,
    NewConversation, Task, TaskStatus,
};

/// Where new ids and tokens come from; a test hands in a counter.
pub trait IdSource: Sync {
    /// A time-ordered id (UUIDv7) for events, runs and executions.
    fn id(&self) -> Uuid;
    /// A random UUID (version 4): 122 bits that nobody can guess.
    fn secret(&self) -> Uuid;
}

/// When, by whom, and with which ids a decision is taken.
pub struct Moment<'a> {
    /// The store's clock.
    pub now: DateTime<Utc>,
    pub actor: Actor,
    pub ids: &'a dyn IdSource,
}

/// What must still hold of the lease when the change is saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LeaseGuard {
    /// Nothing: the change fences whoever holds it.
    Any,
    /// This token is current and its lease has not run out.
    Held(LeaseToken),
    /// This token is current and its lease has run out.
    Expired(LeaseToken),
}

/// Everything one accepted command changes. Saved whole, in one transaction, or not at all.
#[derive(Debug, Clone, PartialEq)]
pub struct Change {
    /// The task after the command, its current attempt included.
    pub task: Task,
    /// `event_seq` before the command; the save is refused as stale when it has moved. 0 = a new task.
    pub expected_seq: i64,
    pub lease: LeaseGuard,
    /// Whether anything beside status, run and lease changed.
    pub definition_changed: bool,
    /// The attempt that reached its outcome by this command.
    pub finished: Option<Execution>,
    pub history: HistoryEntry,
    pub events: Vec<Event>,
    pub demand: Demand,
    /// The owner's limits; `None` = not under limits. Set by the service, which knows the level.
    pub limits: Option<LevelLimits>,
    /// Makes a create safe to repeat. Set by the service.
    pub idempotency: Option<Idempotency>,
    /// What is said about a new task from the start. Set by the service.
    pub conversations: Vec<NewConversation>,
}

impl Change {
    /// This change and the edit that it was decided upon, as one: saved whole or not at all. The
    /// history is this one's.
    pub fn after(self, edit: Change) -> Change {
        let history = HistoryEntry { from_status: edit.history.from_status, ..self.history };
        let mut events = edit.events;
        events.extend(self.events);
        Change {
            expected_seq: edit.expected_seq,
            definition_changed: edit.definition_changed || self.definition_changed,
            history,
            events,
            ..self
        }
    }

    /// Whether the task is queued at a new place. An attempt that was released or lost without a
    /// delay goes back to the place that it had, and so does one that was held back.
    pub fn takes_a_place(&self) -> bool {
        let Some(current) = self.task.current.as_ref().filter(|e| e.status == ExecutionStatus::Queued) else {
            return false;
        };
        let goes_back =
            self.finished.as_ref().is_some_and(|e| e.run_id == current.run_id && e.run_at == current.run_at);
        self.expected_seq == 0 || (current.id == 0 && !goes_back)
    }
}

/// What a create is known by when it is repeated.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Idempotency {
    /// Whose key it is: keys of different callers do not meet.
    pub caller: String,
    /// The `Idempotency-Key` header.
    pub key: String,
    /// Of the request: another one under the same key is refused.
    pub fingerprint: String,
}

/// The rule that a command broke. Nothing changes.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    #[error("Cannot {action} a task that is {from}")]
    InvalidTransition { action: &'static str, from: TaskStatus, to: Option<TaskStatus> },
    #[error("The lease is not held any more: {0}")]
    LeaseLost(LeaseLost),
    /// A value that cannot stand; `field` is its path in the body.
    #[error("{field}: {message}")]
    Invalid { field: &'static str, message: String },
    /// The command has nothing to do (a repeat); the task stands as it is.
    #[error("nothing to change")]
    Unchanged,
}

/// A change in the making.
pub(super) struct Draft<'a> {
    pub(super) moment: &'a Moment<'a>,
    pub(super) task: Task,
    before: TaskStatus,
    /// The status that events have told of.
    announced: TaskStatus,
    expected_seq: i64,
    events: Vec<Event>,
    pub(super) lease: LeaseGuard,
    pub(super) definition_changed: bool,
    pub(super) finished: Option<Execution>,
    pub(super) demand: Demand,
    pub(super) reason: Option<String>,
}

impl<'a> Draft<'a> {
    pub(super) fn of(task: &Task, moment: &'a Moment<'a>) -> Self {
        Self {
            moment,
            task: task.clone(),
            before: task.status,
            announced: task.status,
            expected_seq: task.event_seq,
            events: Vec::new(),
            lease: LeaseGuard::Any,
            definition_changed: false,
            finished: None,
            demand: Demand::default(),
            reason: None,
        }
    }

    pub(super) fn now(&self) -> DateTime<Utc> {
        self.moment.now
    }

    /// Appends an event with the task's next `seq`.
    pub(super) fn emit(&mut self, event_type: EventType, data: Value) {
        self.task.event_seq += 1;
        let event = Event::new(&self.task, event_type, self.moment.ids.id(), self.task.event_seq, self.now(), data);
        self.events.push(event);
    }

    fn execution_id(&self) -> Option<Uuid> {
        self.finished.as_ref().or(self.task.current.as_ref()).map(|e| e.execution_id)
    }

    /// Tells of the status, when it is another one than events have told of.
    pub(super) fn announce_status(&mut self) {
        let (before, now) = (self.announced, self.task.status);
        if now != before {
            let data = status_changed_data(before, now, self.execution_id(), self.reason.as_deref());
            self.emit(EventType::StatusChanged, data);
            self.announced = now;
        }
    }

    /// Closes the change of an existing task: status event, history, upkeep.
    pub(super) fn finish(mut self, action: &'static str) -> Change {
        let execution_id = self.execution_id();
        self.announce_status();
        if self.task.event_seq == self.expected_seq {
            // Every accepted command moves `event_seq`, because that is what guards the save.
            self.emit(EventType::Updated, serde_json::json!({"updated_fields": []}));
        }
        let before = self.before;
        self.close(action, Some(before), execution_id)
    }

    /// Closes the creation of a task.
    pub(super) fn finish_created(mut self, action: &'static str) -> Change {
        let data = crate::event::created_data(&self.task);
        self.emit(EventType::Created, data);
        let execution_id = self.task.current.as_ref().map(|e| e.execution_id);
        self.close(action, None, execution_id)
    }

    fn close(mut self, action: &'static str, from: Option<TaskStatus>, execution_id: Option<Uuid>) -> Change {
        self.task.updated_at = self.now();
        let history = HistoryEntry {
            tenant_id: self.task.tenant_id.clone(),
            task_id: self.task.task_id.clone(),
            action: action.to_owned(),
            actor: self.moment.actor.to_string(),
            from_status: from,
            to_status: self.task.status,
            reason: self.reason,
            execution_id,
            occurred_at: self.moment.now,
        };
        Change {
            task: self.task,
            expected_seq: self.expected_seq,
            lease: self.lease,
            definition_changed: self.definition_changed,
            finished: self.finished,
            history,
            events: self.events,
            demand: self.demand,
            limits: None,
            idempotency: None,
            conversations: Vec::new(),
        }
    }
}
