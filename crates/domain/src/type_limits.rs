//! The operator's limits on how many tasks of a type run at once.
//!
//! A run of a limited type is queued under a concurrency key of the operator's, so what enforces
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

    /// The concurrency key and the limit under which a run of this task is to be queued, where they are
    /// others than the task has: its type came under a limit, or the limit was changed or lifted. A
    /// caller's own key stays, because a task has one only.
    pub fn change_of(&self, task: &Task) -> Option<(Option<String>, Option<i32>)> {
        if task.concurrency_key.is_some() && !task.is_limited_by_type() {
            return None;
        }
        let limit = self.of(&task.task_type);
        let differs = limit != task.max_concurrent;
        differs.then(|| (limit.map(|_| format!("{TYPE_KEY}{}", task.task_type)), limit))
    }
}

impl Task {
    /// Whether its concurrency key is the operator's.
    pub fn is_limited_by_type(&self) -> bool {
        self.concurrency_key.as_ref().is_some_and(|key| key.starts_with(TYPE_KEY))
    }
}
