//! Query strings, read strictly: an unknown or doubled parameter is a problem, not a no-op.

use std::collections::BTreeMap;
use std::fmt::Display;
use std::ops::RangeInclusive;
use std::str::FromStr;

use chrono::{DateTime, Utc};
use percent_encoding::percent_decode_str;
use task_domain::TaskId;
use uuid::Uuid;

use crate::errors::{ApiError, FieldError};

/// How often a parameter that may be repeated may be given.
const MAX_REPEATS: usize = 32;
/// Longest text that is searched for, characters.
pub(super) const MAX_TEXT: usize = 200;

pub struct Query {
    values: BTreeMap<String, Vec<String>>,
    problems: Vec<FieldError>,
}

impl Query {
    pub fn of(query_string: &str) -> Result<Self, ApiError> {
        let pairs: Vec<(String, String)> = serde_urlencoded::from_str(query_string).map_err(|_| {
            ApiError::Invalid(vec![FieldError {
                loc: vec!["query".into()],
                msg: "is not a valid query string".into(),
                kind: "value_error",
            }])
        })?;
        let mut query = Self { values: BTreeMap::new(), problems: Vec::new() };
        // What is no UTF-8 was decoded to replacement characters: another value than was sent.
        for pair in query_string.split('&').filter(|pair| percent_decode_str(pair).decode_utf8().is_err()) {
            let name = pair.split('=').next().unwrap_or_default();
            query.problems.push(FieldError::query(name, "must be UTF-8"));
        }
        for (name, value) in pairs {
            if value.contains('\0') {
                query.problems.push(FieldError::query(&name, "must not have a NUL character"));
            }
            query.values.entry(name).or_default().push(value);
        }
        Ok(query)
    }

    /// A parameter through `FromStr`; an empty one counts as absent.
    pub fn get<T>(&mut self, name: &str) -> Option<T>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.get_with(name, |text| text.parse().map_err(|e: T::Err| e.to_string()))
    }

    pub fn get_with<T>(&mut self, name: &str, read: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let mut texts = self.values.remove(name)?;
        if texts.len() > 1 {
            self.problems.push(FieldError::query(name, "must be given once"));
            return None;
        }
        let text = texts.pop().filter(|text| !text.is_empty())?;
        match read(&text) {
            Ok(value) => Some(value),
            Err(message) => {
                self.problems.push(FieldError::query(name, message));
                None
            }
        }
    }

    /// A text of at most so many characters.
    pub fn short_text(&mut self, name: &str, max_chars: usize) -> Option<String> {
        self.get_with(name, |text| {
            let fits = text.chars().count() <= max_chars;
            fits.then(|| text.to_owned()).ok_or_else(|| format!("must have at most {max_chars} characters"))
        })
    }

    /// A parameter that may be given several times.
    pub fn all_with<T>(&mut self, name: &str, read: impl Fn(&str) -> Result<T, String>) -> Vec<T> {
        let texts = self.values.remove(name).unwrap_or_default();
        let mut values = Vec::new();
        if texts.len() > MAX_REPEATS {
            self.problems.push(FieldError::query(name, format!("must be given at most {MAX_REPEATS} times")));
            return values;
        }
        for text in texts {
            match read(&text) {
                Ok(value) => values.push(value),
                Err(message) => self.problems.push(FieldError::query(name, message)),
            }
        }
        values
    }

    /// An RFC 3339 instant. A `+` that was not percent-encoded arrives as a blank and is understood.
    pub fn instant(&mut self, name: &str) -> Option<DateTime<Utc>> {
        self.get_with(name, |text| crate::fields::instant(&text.replace(' ', "+")))
    }

    pub fn flag(&mut self, name: &str) -> bool {
        let read = |text: &str| text.parse::<bool>().map_err(|_| "must be true or false".to_owned());
        self.get_with(name, read).unwrap_or(false)
    }

    pub fn whole(&mut self, name: &str, range: RangeInclusive<i64>, default: i64) -> i64 {
        let read = |text: &str| {
            let number = text.parse::<i64>().ok().filter(|n| range.contains(n));
            number.ok_or_else(|| format!("must be a whole number from {} to {}", range.start(), range.end()))
        };
        self.get_with(name, read).unwrap_or(default)
    }

    /// Closes the reading: parameters that nobody read are problems too.
    pub fn finish(mut self) -> Result<(), ApiError> {
        self.problems.extend(self.values.keys().map(|name| FieldError::query(name, "is not a parameter of this call")));
        if self.problems.is_empty() { Ok(()) } else { Err(ApiError::Invalid(self.problems)) }
    }

    /// Closes the reading where callers may send parameters that mean nothing here.
    pub fn finish_leniently(mut self) -> Result<(), ApiError> {
        self.values.clear();
        self.finish()
    }
}

/// The task id of a path; one that no task can have is simply not found.
pub fn task_id(text: &str) -> Result<TaskId, ApiError> {
    TaskId::new(text)
        .map_err(|_| task_service::ServiceError::TaskNotFound { task_id: text.chars().take(64).collect() }.into())
}

/// A number of a path, as the store gives them.
pub fn number(name: &str, text: &str) -> Result<i64, ApiError> {
    let number = text.parse().ok().filter(|n| *n >= 0);
    number.ok_or_else(|| ApiError::Invalid(vec![FieldError::path(name, "must be a whole number")]))
}

pub fn uuid(name: &str, text: &str) -> Result<Uuid, ApiError> {
    Uuid::try_parse(text).map_err(|_| ApiError::Invalid(vec![FieldError::path(name, "must be a UUID")]))
}
