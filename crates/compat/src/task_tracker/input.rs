//! Bodies, read as the older service read them: keys that mean nothing are let be.

use std::ops::RangeInclusive;

use serde_json::{Value, json};
use task_domain::decide::Failure;
use task_domain::{Handler, JsonObject, Origin, TaskId};
use task_server::plumbing::{ApiError, Fields};
use task_service::TaskDraft;

use super::cuid2;

/// What the older service gave as `params`, within the task's config.
pub(super) const PARAMS: &str = "params";
const WORKER: RangeInclusive<usize> = 1..=255;
const DEFAULT_TIMEOUT: i64 = 86_400;
/// Ten years.
const LONGEST_TIMEOUT: i64 = 315_360_000;
/// Bytes of one progress entry.
const MAX_PROGRESS: usize = 16 * 1024;
const MAX_TYPES: usize = 100;

pub(super) fn draft(body: Option<Value>) -> Result<TaskDraft, ApiError> {
    let mut fields = Fields::of_body(body, false)?;
    let task_id = fields.id("taskId", TaskId::new);
    let task_type = fields.required_text("taskType", 1..=255);
    let metadata = fields.clearable_object("metadata").flatten();
    let params = fields.clearable_object(PARAMS).flatten();
    let timeout_seconds = fields.whole("timeoutSeconds", 1..=LONGEST_TIMEOUT).flatten();
    fields.finish_leniently()?;
    Ok(TaskDraft {
        task_id: Some(task_id.unwrap_or_else(new_id)),
        handler: Some(Handler::Worker),
        config: params.into_iter().map(|params| (PARAMS.to_owned(), Value::Object(params))).collect(),
        metadata,
        timeout_seconds: Some(timeout_seconds.unwrap_or(DEFAULT_TIMEOUT)),
        run_immediately: true,
        ..TaskDraft::new(Origin::TaskTracker, task_type.clone(), task_type)
    })
}

pub(super) fn new_id() -> TaskId {
    TaskId::from_stored(cuid2::generate())
}

/// `workerId` of a call that does not need it.
pub(super) fn worker(body: Option<Value>) -> Result<Option<String>, ApiError> {
    let mut fields = Fields::of_body(body, true)?;
    let worker = fields.text("workerId", WORKER);
    fields.finish_leniently()?;
    Ok(worker)
}

/// `workerId` of a call that needs it.
pub(super) fn named_worker(body: Option<Value>) -> Result<String, ApiError> {
    let mut fields = Fields::of_body(body, true)?;
    let worker = fields.required_text("workerId", WORKER);
    fields.finish_leniently()?;
    Ok(worker)
}

/// `workerId` and `result`.
pub(super) fn completion(body: Option<Value>) -> Result<(Option<String>, Value), ApiError> {
    let mut fields = Fields::of_body(body, true)?;
    let worker = fields.text("workerId", WORKER);
    let result = fields.take("result").flatten().unwrap_or_default();
    fields.finish_leniently()?;
    Ok((worker, result))
}

/// `workerId` and `error`, an object that is kept as it is.
pub(super) fn failure(body: Option<Value>) -> Result<(Option<String>, Failure), ApiError> {
    let mut fields = Fields::of_body(body, true)?;
    let worker = fields.text("workerId", WORKER);
    let error = fields.clearable_object("error").flatten();
    fields.finish_leniently()?;
    let message = error.as_ref().and_then(|error| error.get("message")).and_then(Value::as_str);
    let failure = Failure {
        message: message.filter(|text| !text.is_empty()).unwrap_or("Failed").to_owned(),
        code: None,
        details: error.map(Value::Object),
        retryable: false,
    };
    Ok((worker, failure))
}

pub(super) fn progress(body: Option<Value>) -> Result<JsonObject, ApiError> {
    let mut fields = Fields::of_body(body, false)?;
    let progress = fields.required_object("progress");
    if json!(progress).to_string().len() > MAX_PROGRESS {
        fields.problem("progress", format!("must be at most {MAX_PROGRESS} bytes"), "value_error");
    }
    fields.finish_leniently()?;
    Ok(progress)
}

/// `taskTypes` and `workerId`.
pub(super) fn claim(body: Option<Value>) -> Result<(Vec<String>, String), ApiError> {
    let mut fields = Fields::of_body(body, false)?;
    let worker = fields.required_text("workerId", WORKER);
    let mut types = Vec::new();
    for item in fields.list("taskTypes", 1..=MAX_TYPES) {
        match item {
            Value::String(text) if !text.is_empty() => types.push(text),
            _ => fields.problem("taskTypes", "must be a list of texts", "value_error"),
        }
    }
    fields.finish_leniently()?;
    Ok((types, worker))
}
