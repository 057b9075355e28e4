//! Reads the fields of a JSON object and collects every problem, so that a caller learns of all at once.

mod task;

use std::ops::RangeInclusive;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use serde_json::{Map, Value};
use task_domain::JsonObject;

use crate::errors::{ApiError, FieldError};
use crate::json::MAX_PROBLEMS;

pub struct Fields {
    map: Map<String, Value>,
    problems: Vec<FieldError>,
}

impl Fields {
    /// The body must be an object; an empty body counts as `{}` where `empty_is_fine`.
    pub fn of_body(body: Option<Value>, empty_is_fine: bool) -> Result<Self, ApiError> {
        match body {
            Some(Value::Object(map)) => Ok(Self { map, problems: Vec::new() }),
            None if empty_is_fine => Ok(Self { map: Map::new(), problems: Vec::new() }),
            _ => Err(ApiError::Invalid(vec![FieldError::body("must be a JSON object", "type_error")])),
        }
    }

    pub fn problem(&mut self, field: &str, msg: impl Into<String>, kind: &'static str) {
        let loc = std::iter::once("body").chain(field.split('.')).map(str::to_owned).collect();
        self.problems.push(FieldError { loc, msg: msg.into(), kind });
    }

    /// Adds problems that were found elsewhere.
    pub fn extend(&mut self, problems: impl IntoIterator<Item = FieldError>) {
        self.problems.extend(problems);
    }

    /// Closes the reading: keys that nobody read are problems too.
    pub fn finish(mut self) -> Result<(), ApiError> {
        let unknown: Vec<String> = std::mem::take(&mut self.map).into_iter().map(|(key, _)| key).collect();
        for key in unknown {
            self.problems.push(FieldError {
                loc: vec!["body".into(), key],
                msg: "is not a field of this call".into(),
                kind: "extra_forbidden",
            });
        }
        self.problems.truncate(MAX_PROBLEMS);
        if self.problems.is_empty() { Ok(()) } else { Err(ApiError::Invalid(self.problems)) }
    }

    /// Closes the reading where callers may send keys that mean nothing here.
    pub fn finish_leniently(mut self) -> Result<(), ApiError> {
        self.map.clear();
        self.finish()
    }

    /// The value of a key: `None` absent, `Some(None)` null.
    pub fn take(&mut self, key: &str) -> Option<Option<Value>> {
        self.map.remove(key).map(|value| if value.is_null() { None } else { Some(value) })
    }

    /// A value through `read`; a failure is noted under the key.
    fn read<T>(&mut self, key: &str, read: impl FnOnce(Value) -> Result<T, String>) -> Option<Option<T>> {
        match self.take(key)? {
            None => Some(None),
            Some(value) => match read(value) {
                Ok(value) => Some(Some(value)),
                Err(message) => {
                    self.problem(key, message, "value_error");
                    None
                }
            },
        }
    }

    /// For a new thing: null in these fields means the same as their absence.
    pub(crate) fn null_is_absent(&mut self, keys: &[&str]) {
        self.map.retain(|key, value| !(value.is_null() && keys.contains(&key.as_str())));
    }

    /// For fields that may be absent or null, which mean the same.
    fn optional<T>(&mut self, key: &str, read: impl FnOnce(Value) -> Result<T, String>) -> Option<T> {
        self.read(key, read).flatten()
    }

    /// For fields of an edit that cannot be cleared.
    fn never_null<T>(&mut self, key: &str, read: impl FnOnce(Value) -> Result<T, String>) -> Option<T> {
        match self.read(key, read) {
            Some(None) => {
                self.problem(key, "must not be null", "value_error");
                None
            }
            other => other.flatten(),
        }
    }

    pub fn required_text(&mut self, key: &str, length: RangeInclusive<usize>) -> String {
        if !self.map.contains_key(key) {
            self.problem(key, "is required", "missing");
            return String::new();
        }
        self.never_null(key, |value| text(value, length)).unwrap_or_default()
    }

    pub fn text(&mut self, key: &str, length: RangeInclusive<usize>) -> Option<String> {
        self.optional(key, |value| text(value, length))
    }

    pub fn kept_text(&mut self, key: &str, length: RangeInclusive<usize>) -> Option<String> {
        self.never_null(key, |value| text(value, length))
    }

    pub fn clearable_text(&mut self, key: &str, length: RangeInclusive<usize>) -> Option<Option<String>> {
        self.read(key, |value| text(value, length))
    }

    pub fn word<T: FromStr<Err = String>>(&mut self, key: &str) -> Option<T> {
        self.optional(key, |value| text(value, 0..=64)?.parse())
    }

    pub fn id<T, E: std::fmt::Display>(&mut self, key: &str, parse: fn(&str) -> Result<T, E>) -> Option<T> {
        self.optional(key, |value| {
            let text = value.as_str().ok_or_else(|| "must be a text".to_owned())?;
            parse(text).map_err(|problem| problem.to_string())
        })
    }

    pub fn required_id<T, E: std::fmt::Display>(&mut self, key: &str, parse: fn(&str) -> Result<T, E>) -> Option<T> {
        if self.map.get(key).is_none_or(Value::is_null) {
            self.problem(key, "is required", "missing");
        }
        self.id(key, parse)
    }

    pub fn flag(&mut self, key: &str) -> bool {
        self.flag_or(key, false)
    }

    pub(crate) fn flag_or(&mut self, key: &str, default: bool) -> bool {
        let read = self.optional(key, |value| value.as_bool().ok_or_else(|| "must be true or false".to_owned()));
        read.unwrap_or(default)
    }

    pub(crate) fn is_object(&self, key: &str) -> bool {
        self.map.get(key).is_some_and(Value::is_object)
    }

    /// An object inside this one, read by `read` with all of its problems.
    pub(crate) fn nested<T>(&mut self, key: &str, read: impl FnOnce(&mut Fields) -> T) -> Option<T> {
        let map = self.optional(key, object)?;
        let mut fields = Self { map, problems: Vec::new() };
        let read = read(&mut fields);
        match fields.finish() {
            Ok(()) => return Some(read),
            Err(ApiError::Invalid(problems)) => self.problems.extend(problems.into_iter().map(|mut problem| {
                problem.loc.insert(1, key.to_owned());
                problem
            })),
            Err(_) => {}
        }
        None
    }

    pub(crate) fn required_texts(
        &mut self,
        key: &str,
        count: RangeInclusive<usize>,
        length: RangeInclusive<usize>,
    ) -> Vec<String> {
        let mut texts = Vec::new();
        for (n, item) in self.list(key, count).into_iter().enumerate() {
            match text(item, length.clone()) {
                Ok(text) => texts.push(text),
                Err(message) => self.problem(&format!("{key}.{n}"), message, "value_error"),
            }
        }
        texts
    }

    /// An amount that may be absent or null, which mean the same.
    pub(crate) fn take_amount(&mut self, key: &str) -> Option<f64> {
        self.optional(key, amount)
    }

    pub fn whole(&mut self, key: &str, range: RangeInclusive<i64>) -> Option<Option<i64>> {
        self.read(key, |value| {
            let number = value.as_i64().filter(|n| range.contains(n));
            number.ok_or_else(|| format!("must be a whole number from {} to {}", range.start(), range.end()))
        })
    }

    pub fn amount(&mut self, key: &str) -> Option<f64> {
        self.never_null(key, amount)
    }

    /// A required list of so many values.
    pub fn list(&mut self, key: &str, length: RangeInclusive<usize>) -> Vec<Value> {
        match self.take(key) {
            Some(Some(Value::Array(items))) if length.contains(&items.len()) => return items,
            None => self.problem(key, "is required", "missing"),
            _ => {
                let message = format!("must be a list of {} to {} entries", length.start(), length.end());
                self.problem(key, message, "value_error");
            }
        }
        Vec::new()
    }

    pub fn object(&mut self, key: &str) -> Option<JsonObject> {
        self.never_null(key, object)
    }

    pub fn required_object(&mut self, key: &str) -> JsonObject {
        if !self.map.contains_key(key) {
            self.problem(key, "is required", "missing");
            return JsonObject::new();
        }
        self.object(key).unwrap_or_default()
    }

    pub fn clearable_object(&mut self, key: &str) -> Option<Option<JsonObject>> {
        self.read(key, object)
    }

    pub fn instant(&mut self, key: &str) -> Option<Option<DateTime<Utc>>> {
        self.read(key, |value| value.as_str().ok_or_else(|| NO_INSTANT.to_owned()).and_then(instant))
    }

    /// At most `most` texts; absent and null mean the same.
    pub(crate) fn texts(&mut self, key: &str, most: usize, length: RangeInclusive<usize>) -> Option<Vec<String>> {
        self.optional(key, |value| {
            let Value::Array(items) = value else { return Err("must be a list of texts".into()) };
            if items.len() > most {
                return Err(format!("must have at most {most} entries"));
            }
            let texts: Result<_, _> = items.into_iter().map(|item| text(item, length.clone())).collect();
            texts.map_err(|m| format!("every entry {m}"))
        })
    }
}

fn text(value: Value, length: RangeInclusive<usize>) -> Result<String, String> {
    let Value::String(text) = value else { return Err("must be a text".into()) };
    if !length.contains(&text.chars().count()) {
        return Err(format!("must have {} to {} characters", length.start(), length.end()));
    }
    if *length.start() > 0 && text.trim().is_empty() {
        return Err("must not be blank".into());
    }
    Ok(text)
}

fn amount(value: Value) -> Result<f64, String> {
    let number = value.as_f64().filter(|n| (0.0..=1e12).contains(n));
    number.ok_or_else(|| "must be a number from 0 to 1e12".to_owned())
}

fn object(value: Value) -> Result<JsonObject, String> {
    match value {
        Value::Object(map) => Ok(map),
        _ => Err("must be an object".into()),
    }
}

const NO_INSTANT: &str = "must be an RFC 3339 instant such as 2030-01-31T09:00:00Z";

/// Reads an RFC 3339 instant, to the microsecond that both engines keep.
pub(crate) fn instant(text: &str) -> Result<DateTime<Utc>, String> {
    let at = DateTime::parse_from_rfc3339(text).map_err(|_| NO_INSTANT.to_owned())?.with_timezone(&Utc);
    // A leap second becomes the second after it.
    let at = DateTime::from_timestamp_micros(at.timestamp_micros()).ok_or_else(|| NO_INSTANT.to_owned())?;
    // What both engines can keep; a year of five digits is a typing error anyway.
    if !(1970..=9999).contains(&chrono::Datelike::year(&at)) {
        return Err("must lie between the years 1970 and 9999".into());
    }
    Ok(at)
}
