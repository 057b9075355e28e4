//! Reading what workers send.

use std::time::Duration;

use serde_json::Value;
use task_domain::decide::{Failure, Report};
use task_domain::{DEFAULT_LEASE_SECONDS, JsonObject, MAX_LEASE_SECONDS, MIN_LEASE_SECONDS};
use task_service::ClaimOrder;

use crate::errors::ApiError;
use crate::fields::Fields;

/// Bytes of a result.
const MAX_RESULT: usize = 1024 * 1024;
/// Bytes of a progress entry.
const MAX_ENTRY: usize = 16 * 1024;
/// Progress entries of one call.
const MAX_ENTRIES: usize = 100;
const MAX_WAIT_SECONDS: i64 = 30;
/// A token is any text: one that no claim has is simply not current.
const ANY_LENGTH: std::ops::RangeInclusive<usize> = 0..=usize::MAX;

pub(super) fn token(fields: &mut Fields) -> String {
    fields.required_text("lease_token", ANY_LENGTH)
}

pub(super) fn claim(fields: &mut Fields) -> ClaimOrder {
    let task_types = fields.required_texts("task_types", 1..=100, 1..=255);
    claim_of(fields, task_types)
}

/// A claim of a task that the path names.
pub(super) fn claim_task(fields: &mut Fields) -> ClaimOrder {
    claim_of(fields, Vec::new())
}

fn claim_of(fields: &mut Fields, task_types: Vec<String>) -> ClaimOrder {
    ClaimOrder {
        task_types,
        worker_id: worker_id(fields),
        max_tasks: fields.whole("max_tasks", 1..=100).flatten().unwrap_or(1),
        lease_seconds: lease_seconds(fields).unwrap_or(DEFAULT_LEASE_SECONDS),
        wait: seconds(fields.whole("wait_seconds", 0..=MAX_WAIT_SECONDS).flatten().unwrap_or_default()),
        request_id: fields.text("request_id", 1..=128),
    }
}

fn worker_id(fields: &mut Fields) -> String {
    let worker_id = fields.required_text("worker_id", 1..=255);
    if worker_id.chars().any(char::is_control) {
        fields.problem("worker_id", "must have printable characters only", "value_error");
    }
    worker_id
}

pub(super) fn lease_seconds(fields: &mut Fields) -> Option<i64> {
    fields.whole("lease_seconds", MIN_LEASE_SECONDS..=MAX_LEASE_SECONDS).flatten()
}

fn seconds(seconds: i64) -> Duration {
    Duration::from_secs(seconds.unsigned_abs())
}

/// One entry, or a list of them.
pub(super) fn progress(fields: &mut Fields) -> Vec<JsonObject> {
    let given = match fields.take("progress") {
        Some(Some(Value::Array(entries))) => entries,
        Some(Some(entry)) => vec![entry],
        Some(None) | None => {
            fields.problem("progress", "is required", "missing");
            return Vec::new();
        }
    };
    if !(1..=MAX_ENTRIES).contains(&given.len()) {
        fields.problem("progress", format!("must have 1 to {MAX_ENTRIES} entries"), "value_error");
        return Vec::new();
    }
    let mut entries = Vec::with_capacity(given.len());
    for (n, entry) in given.into_iter().enumerate() {
        match entry {
            Value::Object(entry) if size(&entry) <= MAX_ENTRY => entries.push(entry),
            Value::Object(_) => {
                fields.problem(&format!("progress.{n}"), "must not be larger than 16 KiB", "value_error");
            }
            _ => fields.problem(&format!("progress.{n}"), "must be an object", "type_error"),
        }
    }
    entries
}

pub(super) fn report(fields: &mut Fields) -> Report {
    let result = fields.take("result").flatten().unwrap_or_default();
    if size(&result) > MAX_RESULT {
        fields.problem("result", "must not be larger than 1 MiB", "value_error");
    }
    Report {
        result,
        credits_consumed: fields.take_amount("credits_consumed"),
        tokens_used: fields.whole("tokens_used", 0..=i64::MAX).flatten().unwrap_or_default(),
        api_calls_made: fields.whole("api_calls_made", 0..=i64::MAX).flatten().unwrap_or_default(),
        metadata: JsonObject::new(),
    }
}

/// The error is a text or an object.
pub(super) fn failure(fields: &mut Fields) -> Failure {
    let retryable = fields.flag_or("retryable", true);
    let message = 1..=10_000;
    if fields.is_object("error") {
        let error = fields.nested("error", |error| Failure {
            message: error.required_text("message", message),
            code: error.text("code", 1..=255),
            details: error.take("details").flatten(),
            retryable,
        });
        return error.unwrap_or_default();
    }
    Failure { message: fields.required_text("error", message), code: None, details: None, retryable }
}

fn size(value: &impl serde::Serialize) -> usize {
    // Values that were parsed from JSON can be written.
    serde_json::to_vec(value).map_or(usize::MAX, |bytes| bytes.len())
}

/// The items of a batch, each read for itself.
pub(super) fn items<T>(
    body: Option<Value>,
    read: impl Fn(&mut Fields) -> T,
) -> Result<Vec<Result<T, ApiError>>, ApiError> {
    let mut fields = Fields::of_body(body, false)?;
    let items = fields.list("items", 1..=500);
    fields.finish()?;
    Ok(items
        .into_iter()
        .map(|item| {
            let mut fields = Fields::of_body(Some(item), false)?;
            let read = read(&mut fields);
            fields.finish().map(|()| read)
        })
        .collect())
}
