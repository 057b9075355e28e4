//! From a template and a customization to a task.
//!
//! The config is the defaults overlaid with the customization's `config` and with what it gives of
//! the template's fields beside it; nothing that was given is taken out again, so what you wrote you
//! see. Fields that a task has itself are lifted out of the config, and what a template calls by
//! another name than its type is added under the type's name.

use chrono::{DateTime, NaiveDateTime};
use serde_json::{Value, json};

use super::Template;
use crate::JsonObject;

/// What a customization may give beside `config` and the template's own fields.
const TASK_FIELDS: &[&str] =
    &["name", "description", "priority", "tags", "metadata", "schedule", "due_date", "reminder_time"];

/// One thing wrong with a customization.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TemplateProblem {
    /// The key below `customization`, dots between the parts.
    pub field: String,
    pub message: String,
    pub kind: ProblemKind,
}

/// What sort of thing is wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ProblemKind {
    /// A required field is not there.
    Missing,
    /// A key that nobody reads.
    Unknown,
    /// A value that cannot stand.
    Value,
}

pub(super) fn fill(template: &Template, mut customization: JsonObject) -> Result<JsonObject, Vec<TemplateProblem>> {
    let mut problems = Vec::new();
    let given = match customization.remove("config") {
        None | Some(Value::Null) => JsonObject::new(),
        Some(Value::Object(config)) => config,
        Some(_) => {
            problems.push(problem("config", "must be an object", ProblemKind::Value));
            JsonObject::new()
        }
    };
    let mut config = template.default_config.clone();
    config.extend(given);
    let mut task = JsonObject::new();
    for (key, value) in customization {
        if TASK_FIELDS.contains(&key.as_str()) {
            task.insert(key, value);
        } else if template.has_field(&key) {
            config.insert(key, value);
        } else {
            let message = format!("is not a field of a task or of this template, which has: {}", template.fields());
            problems.push(problem(&key, message, ProblemKind::Unknown));
        }
    }
    // A field of the task that stands in the config, as a default or because its writer put it there.
    for &field in TASK_FIELDS {
        let stands = config.get(field).filter(|value| !value.is_null());
        if let Some(value) = stands.filter(|_| template.has_field(field) && !task.contains_key(field)) {
            task.insert(field.to_owned(), value.clone());
        }
    }
    for field in &template.required_fields {
        if !is_given(&task, field) && !is_given(&config, field) {
            let message = format!("is required by the template; give it here or in config.{field}");
            problems.push(problem(field, message, ProblemKind::Missing));
        }
    }
    task.entry("name").or_insert_with(|| json!(template.name));
    schedule(&mut task, &config, &mut problems);
    by_the_types_names(&template.task_type, &task, &mut config);
    if !template.tags.is_empty() {
        task.entry("tags").or_insert_with(|| json!(template.tags));
    }
    task.insert("task_type".to_owned(), json!(template.task_type));
    task.insert("credits_per_run".to_owned(), json!(template.credits_per_run));
    task.insert("config".to_owned(), Value::Object(config));
    if problems.is_empty() { Ok(task) } else { Err(problems) }
}

impl Template {
    fn has_field(&self, name: &str) -> bool {
        self.required_fields.iter().chain(&self.optional_fields).any(|field| field == name)
            || self.default_config.contains_key(name)
    }

    /// Its fields, for messages.
    fn fields(&self) -> String {
        let fields: Vec<&str> = self.required_fields.iter().chain(&self.optional_fields).map(String::as_str).collect();
        fields.join(", ")
    }
}

fn problem(field: &str, message: impl Into<String>, kind: ProblemKind) -> TemplateProblem {
    TemplateProblem { field: field.to_owned(), message: message.into(), kind }
}

fn is_given(map: &JsonObject, key: &str) -> bool {
    map.get(key).is_some_and(|value| !value.is_null())
}

/// `time` and `check_interval` are the schedule, unless one was given.
fn schedule(task: &mut JsonObject, config: &JsonObject, problems: &mut Vec<TemplateProblem>) {
    // A null says: none.
    if task.contains_key("schedule") {
        return;
    }
    let present = |key: &str| config.get(key).filter(|value| !value.is_null());
    if let Some(time) = present("time") {
        task.insert("schedule".to_owned(), json!({"type": "daily", "run_time": time}));
    } else if let Some(interval) = present("check_interval") {
        match every(interval) {
            Some(schedule) => {
                task.insert("schedule".to_owned(), schedule);
            }
            None => {
                let message = "must be hourly, daily, weekly, monthly, or a whole number of minutes from 1 to 525600";
                problems.push(problem("config.check_interval", message, ProblemKind::Value));
            }
        }
    }
}

fn every(interval: &Value) -> Option<Value> {
    match interval {
        Value::String(word) => match word.as_str() {
            "hourly" => Some(json!({"type": "interval", "interval_minutes": 60})),
            "daily" => Some(json!({"type": "daily"})),
            "weekly" => Some(json!({"type": "weekly", "weekday": 0})),
            "monthly" => Some(json!({"type": "monthly", "day": 1})),
            _ => None,
        },
        other => {
            let minutes = other.as_i64().filter(|n| (1..=525_600).contains(n))?;
            Some(json!({"type": "interval", "interval_minutes": minutes}))
        }
    }
}

/// Adds what the type reads and the template calls otherwise, unless it was given. Whether the
/// values can stand is for the type to say.
fn by_the_types_names(task_type: &str, task: &JsonObject, config: &mut JsonObject) {
    let add = |config: &mut JsonObject, key: &str, value: Option<Value>| {
        if let Some(value) = value.filter(|value| !value.is_null() && !is_given(config, key)) {
            config.insert(key.to_owned(), value);
        }
    };
    match task_type {
        "reminder" => add(config, "reminder_message", task.get("name").map(printable)),
        "calendar_event" => {
            add(config, "event_title", task.get("name").map(printable));
            add(config, "event_time", config.get("start_time").cloned());
            add(config, "duration_minutes", minutes(config).map(Value::from));
        }
        _ => {}
    }
}

/// A name may have a line break, a title may not.
fn printable(name: &Value) -> Value {
    match name {
        Value::String(text) => json!(text.replace(char::is_control, " ")),
        other => other.clone(),
    }
}

/// Minutes from `start_time` to `end_time`, begun ones counted, where that is more than none.
fn minutes(config: &JsonObject) -> Option<i64> {
    let instant = |key: &str| {
        let text = config.get(key)?.as_str()?;
        let zoned = DateTime::parse_from_rfc3339(text).map(|at| at.to_utc());
        zoned.or_else(|_| text.parse::<NaiveDateTime>().map(|at| at.and_utc())).ok()
    };
    let seconds = (instant("end_time")? - instant("start_time")?).num_seconds();
    (seconds > 0).then_some((seconds + 59) / 60)
}
