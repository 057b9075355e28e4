//! Reads a task's config and collects every problem of it.

use serde_json::Value;
use task_domain::JsonObject;
use task_protocols::{ConfigProblem, ExecutorError};

/// A config while it is read.
pub(crate) struct Fields<'a> {
    config: &'a JsonObject,
    problems: Vec<ConfigProblem>,
}

impl<'a> Fields<'a> {
    pub(crate) fn of(config: &'a JsonObject) -> Self {
        Self { config, problems: Vec::new() }
    }

    /// A key that is there and not null.
    pub(crate) fn present(&self, key: &str) -> Option<&'a Value> {
        self.config.get(key).filter(|value| !value.is_null())
    }

    /// The same; its absence is a problem.
    pub(crate) fn required(&mut self, key: &str) -> Option<&'a Value> {
        let value = self.present(key);
        if value.is_none() {
            self.problem(key, "is required");
        }
        value
    }

    pub(crate) fn problem(&mut self, field: &str, message: impl Into<String>) {
        self.problems.push(ConfigProblem { field: field.into(), message: message.into() });
    }

    /// A list of up to `max_items` texts of up to `max_chars` characters, or one such text; trimmed.
    pub(crate) fn texts(&mut self, key: &str, max_items: usize, max_chars: usize) -> Vec<String> {
        let read = match self.present(key) {
            None => return Vec::new(),
            Some(Value::Array(items)) if (1..=max_items).contains(&items.len()) => {
                items.iter().map(|item| text(item, max_chars)).collect()
            }
            Some(Value::Array(_)) => None,
            Some(one) => text(one, max_chars).map(|text| vec![text]),
        };
        read.unwrap_or_else(|| {
            self.problem(
                key,
                format!("must be a list of 1 to {max_items} texts of 1 to {max_chars} characters, or one such text"),
            );
            Vec::new()
        })
    }

    /// A text of 1 to `max_chars` characters on one line, trimmed, if there is one.
    pub(crate) fn text(&mut self, key: &str, max_chars: usize) -> Option<String> {
        let value = self.present(key)?;
        let read = text(value, max_chars);
        if read.is_none() {
            self.problem(key, format!("must be a text of 1 to {max_chars} characters"));
        }
        read
    }

    /// The same, with line breaks and tabs allowed.
    pub(crate) fn lines(&mut self, key: &str, max_chars: usize) -> Option<String> {
        let value = self.present(key)?;
        let fits = |text: &&str| {
            (1..=max_chars).contains(&text.chars().count())
                && !text.chars().any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
        };
        let read = value.as_str().map(str::trim).filter(fits).map(str::to_owned);
        if read.is_none() {
            self.problem(key, format!("must be a text of 1 to {max_chars} characters"));
        }
        read
    }

    /// A whole number within bounds; `default` when absent.
    pub(crate) fn number(&mut self, key: &str, default: u64, min: u64, max: u64) -> u64 {
        let Some(value) = self.present(key) else { return default };
        value.as_u64().filter(|n| (min..=max).contains(n)).unwrap_or_else(|| {
            self.problem(key, format!("must be a whole number from {min} to {max}"));
            default
        })
    }

    pub(crate) fn flag(&mut self, key: &str, default: bool) -> bool {
        let Some(value) = self.present(key) else { return default };
        value.as_bool().unwrap_or_else(|| {
            self.problem(key, "must be true or false");
            default
        })
    }

    /// What was read, or every problem.
    pub(crate) fn finish<T>(self, read: T) -> Result<T, Vec<ConfigProblem>> {
        if self.problems.is_empty() { Ok(read) } else { Err(self.problems) }
    }
}

/// A text of 1 to `max_chars` characters, trimmed, none of them a control character.
pub(crate) fn text(value: &Value, max_chars: usize) -> Option<String> {
    let text = value.as_str()?.trim();
    let fits = (1..=max_chars).contains(&text.chars().count()) && !text.chars().any(char::is_control);
    fits.then(|| text.to_owned())
}

/// Whether a text is a URL that the guarded client may be asked to call.
pub(crate) fn is_web_url(text: &str) -> bool {
    url::Url::parse(text).is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host())
}

/// The failure of a run whose config is not valid (any more).
pub(crate) fn invalid_config(problems: Vec<ConfigProblem>) -> ExecutorError {
    let message = problems.iter().map(|p| format!("config.{} {}", p.field, p.message)).collect::<Vec<_>>().join("; ");
    ExecutorError { code: "invalid_config", message, details: None, retryable: false }
}
