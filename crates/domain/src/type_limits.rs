//! The operator's limits on how many tasks of a type run at once.
//!
//! A task of a limited type is made with a concurrency key of the operator's, so what enforces
//! `concurrency_key` enforces these, too. Callers cannot name such a key, and are not shown it.

use std::collections::HashMap;

use crate::Task;

/// What the keys of limited types begin with; callers' own must not.
pub const TYPE_KEY: &str = "type:";

/// How many tasks of one concurrency key may be allowed to run at once, at most.
pub const MAX_CONCURRENT: i32 = 1_000_000;

/// By type, 1 to [`MAX_CONCURRENT`]: so many tasks of it run at once in each tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TypeLimits(HashMap<String, i32>);

impl TypeLimits {
    pub fn new(by_type: HashMap<String, i32>) -> Self {
        Self(by_type)
    }

    /// The limit of a type; `None` = none.
    pub fn of(&self, task_type: &str) -> Option<i32> {
        self.0.get(task_type).copied()
    }

    /// The concurrency key that a new task of this type gets, and its limit.
    pub fn key_of(&self, task_type: &str) -> Option<(String, i32)> {
        self.of(task_type).map(|limit| (format!("{TYPE_KEY}{task_type}"), limit))
    }
}

impl Task {
    /// Whether its concurrency key is the operator's.
    pub fn is_limited_by_type(&self) -> bool {
        self.concurrency_key.as_ref().is_some_and(|key| key.starts_with(TYPE_KEY))
    }
}
