//! `calendar_event`: keeps an event in the owner's calendar.

use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Duration, NaiveDateTime, SecondsFormat, Utc};
use serde_json::{Value, json};
use task_domain::{JsonObject, Task};
use task_protocols::{
    CalendarClient, CalendarEvent, ConfigProblem, ExecutionContext, ExecutorError, Outcome, TaskExecutor, TaskStore,
};

use crate::echo::cancelled;
use crate::fields::{Fields, invalid_config};
use crate::shared::{failure, neighbour, progress, unless_cancelled};

/// Key in the task's metadata where its owner finds the event; never read here.
const EVENT_ID: &str = "calendar_event_id";
const MAX_TITLE: usize = 255;
const MAX_LOCATION: usize = 500;
const MAX_ATTENDEES: usize = 100;
const DEFAULT_MINUTES: u64 = 60;
/// A year.
const MAX_MINUTES: u64 = 366 * 24 * 60;

/// Config: `event_title`, `event_time` (RFC 3339; without a zone it is UTC), `duration_minutes` 60 or
/// `end_time`, `location`, `attendees` (one or a list). The task's description is the event's.
#[derive(Clone)]
pub struct CalendarEvents {
    calendar: Arc<dyn CalendarClient>,
    /// For the last result: claims come without it.
    tasks: Arc<dyn TaskStore>,
}

struct Wanted {
    title: String,
    starts_at: DateTime<Utc>,
    ends_at: DateTime<Utc>,
    location: Option<String>,
    attendees: Vec<String>,
}

impl CalendarEvents {
    pub fn new(calendar: Arc<dyn CalendarClient>, tasks: Arc<dyn TaskStore>) -> Self {
        Self { calendar, tasks }
    }

    async fn run(&self, context: &ExecutionContext) -> Result<Outcome, ExecutorError> {
        let task = &context.task;
        let event = read(&task.config).map_err(invalid_config)?.of(task);
        let failed = |error| neighbour("calendar_failed", &error);
        let mut calls = 0;
        if let Some(known) = self.known_event(task).await? {
            progress(context, 0, "Changing the event").await;
            calls += 1;
            let key = format!("{}:update", context.execution.run_id);
            if self.calendar.update(&known, &event, &key).await.map_err(failed)? {
                return Ok(outcome(&event, known, "updated", calls));
            }
        }
        // Never made, or deleted in the calendar meanwhile.
        progress(context, 50, "Creating the event").await;
        let key = context.execution.run_id.to_string();
        let id = self.calendar.create(&event, &key).await.map_err(failed)?;
        Ok(outcome(&event, id, "created", calls + 1))
    }

    /// The event that an earlier run made. The calendar believes this service whatever event it
    /// names, so it must be one that the calendar gave this task.
    async fn known_event(&self, task: &Task) -> Result<Option<String>, ExecutorError> {
        let found = self.tasks.find(&task.tenant_id, &task.task_id).await.map_err(|error| {
            tracing::warn!(task_id = %task.task_id, error = &error as &dyn std::error::Error, "the last result was not read");
            failure("store_unavailable", "The event of the last run could not be looked up", true)
        })?;
        // A task that is gone is not wanted in the calendar.
        let stored = found.ok_or_else(cancelled)?.task;
        Ok(stored.calendar_event().map(str::to_owned))
    }
}

impl Wanted {
    fn of(self, task: &Task) -> CalendarEvent {
        CalendarEvent {
            user_id: task.user_id.clone(),
            title: self.title,
            description: task.description.clone(),
            starts_at: self.starts_at,
            ends_at: self.ends_at,
            location: self.location,
            attendees: self.attendees,
        }
    }
}

fn outcome(event: &CalendarEvent, id: String, action: &str, calls: i64) -> Outcome {
    let stamp = |at: DateTime<Utc>| at.to_rfc3339_opts(SecondsFormat::Secs, true);
    let data = json!({
        "event_id": id,
        "action": action,
        "event_title": event.title,
        "start_time": stamp(event.starts_at),
        "end_time": stamp(event.ends_at),
        "location": event.location,
        "attendees": event.attendees,
    });
    let message = format!("The event `{}` was {action}", event.title);
    let result = json!({"status": "success", "message": message, "calendar_data": data});
    let mut metadata = JsonObject::new();
    metadata.insert(EVENT_ID.into(), json!(id));
    Outcome { result, api_calls_made: calls, metadata, tokens_used: 0 }
}

fn instant(value: &Value) -> Option<DateTime<Utc>> {
    let text = value.as_str()?.trim();
    let zoned = DateTime::parse_from_rfc3339(text).map(|at| at.to_utc());
    let at = zoned.or_else(|_| text.parse::<NaiveDateTime>().map(|at| at.and_utc())).ok()?;
    // What RFC 3339 can write.
    (0..=9999).contains(&chrono::Datelike::year(&at)).then_some(at)
}

fn read(config: &JsonObject) -> Result<Wanted, Vec<ConfigProblem>> {
    let mut fields = Fields::of(config);
    fields.required("event_title");
    let title = fields.text("event_title", MAX_TITLE).unwrap_or_default();
    let moment = |fields: &mut Fields<'_>, key: &str| {
        let at = fields.present(key).map(instant);
        if at == Some(None) {
            fields.problem(key, "must be a time such as 2030-01-31T09:30:00Z");
        }
        at.flatten()
    };
    fields.required("event_time");
    let starts_at = moment(&mut fields, "event_time").unwrap_or_default();
    let ends_at = moment(&mut fields, "end_time");
    let minutes = fields.number("duration_minutes", DEFAULT_MINUTES, 1, MAX_MINUTES);
    if ends_at.is_some_and(|end| end <= starts_at) {
        fields.problem("end_time", "must be later than event_time");
    }
    let location = fields.text("location", MAX_LOCATION);
    let attendees = fields.texts("attendees", MAX_ATTENDEES, MAX_TITLE);
    let minutes = i64::try_from(minutes).unwrap_or_default();
    let ends_at = ends_at.or_else(|| starts_at.checked_add_signed(Duration::minutes(minutes))).unwrap_or(starts_at);
    fields.finish(Wanted { title, starts_at, ends_at, location, attendees })
}

#[async_trait]
impl TaskExecutor for CalendarEvents {
    fn task_types(&self) -> &'static [&'static str] {
        &["calendar_event"]
    }

    fn validate_config(&self, config: &JsonObject) -> Vec<ConfigProblem> {
        read(config).err().unwrap_or_default()
    }

    async fn execute(&self, context: ExecutionContext) -> Result<Outcome, ExecutorError> {
        unless_cancelled(&context, self.run(&context)).await
    }
}
