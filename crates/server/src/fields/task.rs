//! Fields that mean something to a task.

use std::collections::BTreeMap;

use serde_json::Value;
use task_domain::{Priority, RetryPolicy, Schedule, TaskId};

use super::{Fields, object, text};

impl Fields {
    pub fn priority(&mut self, key: &str) -> Option<Priority> {
        self.never_null(key, |value| {
            let read = match &value {
                Value::String(name) => Priority::from_name(name),
                other => other.as_i64().and_then(Priority::from_number),
            };
            read.ok_or_else(|| Priority::ALLOWED.to_owned())
        })
    }

    /// At most `most` ids of tasks, each once.
    pub fn ids(&mut self, key: &str, most: usize) -> Vec<TaskId> {
        let read = self.optional(key, |value| {
            let Value::Array(items) = value else { return Err("must be a list of task ids".into()) };
            if items.len() > most {
                return Err(format!("must have at most {most} entries"));
            }
            let mut ids: Vec<TaskId> = Vec::with_capacity(items.len());
            for item in items {
                if item.get("ref").is_some() {
                    return Err("names a ref that no task of the batch has; only a batch has refs".into());
                }
                let text = item.as_str().ok_or_else(|| "every entry must be the id of a task".to_owned())?;
                let id = TaskId::new(text).map_err(|problem| format!("every entry {problem}"))?;
                if !ids.contains(&id) {
                    ids.push(id);
                }
            }
            Ok(ids)
        });
        read.unwrap_or_default()
    }

    /// At most 32 tags of 1–64 characters.
    pub fn tags(&mut self, key: &str) -> Option<Vec<String>> {
        self.never_null(key, |value| {
            let Value::Array(items) = value else { return Err("must be a list of texts".into()) };
            if items.len() > 32 {
                return Err("must have at most 32 entries".into());
            }
            items
                .into_iter()
                .map(|item| text(item, 1..=64))
                .collect::<Result<_, _>>()
                .map_err(|m| format!("every entry {m}"))
        })
    }

    /// At most 32 labels, keys and values of at most 64 characters.
    pub fn labels(&mut self, key: &str) -> Option<BTreeMap<String, String>> {
        self.never_null(key, |value| {
            let map = object(value)?;
            if map.len() > 32 {
                return Err("must have at most 32 entries".into());
            }
            map.into_iter()
                .map(|(name, value)| Ok((text(Value::String(name), 1..=64)?, text(value, 0..=64)?)))
                .collect::<Result<_, String>>()
                .map_err(|m| format!("every key and value {m}"))
        })
    }

    pub fn schedule(&mut self, key: &str) -> Option<Option<Schedule>> {
        match self.take(key)? {
            None => Some(None),
            Some(value) => match Schedule::parse(&value) {
                Ok(schedule) => Some(Some(schedule)),
                Err(problems) => {
                    for problem in problems {
                        let field =
                            if problem.field.is_empty() { key.to_owned() } else { format!("{key}.{}", problem.field) };
                        self.problem(&field, problem.message, "value_error");
                    }
                    None
                }
            },
        }
    }

    pub fn retry(&mut self, key: &str) -> Option<RetryPolicy> {
        let policy: RetryPolicy =
            // Not serde alone: it would read a struct from an array as well.
            self.never_null(key, |value| {
                serde_json::from_value(Value::Object(object(value)?)).map_err(|e| e.to_string())
            })?;
        let problems = policy.problems();
        for (field, message) in &problems {
            self.problem(&format!("{key}.{field}"), *message, "value_error");
        }
        problems.is_empty().then_some(policy)
    }
}
