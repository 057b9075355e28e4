//! The names of the built-in task types.

use crate::Origin;

/// Types whose executions our own executors take when the task was made through the canonical API.
pub const BUILTIN: &[&str] = &[
    "echo",
    "http",
    "custom",
    "daily_weather",
    "weather_alert",
    "daily_news",
    "news_monitor",
    "price_tracker",
    "data_backup",
    "todo",
    "reminder",
    "calendar_event",
    CONVERSATION,
    "organism",
];

/// The type whose `reminder_time` is its run time.
pub const REMINDER: &str = "reminder";

/// The type whose entries are worked at one by one; also the type of Task Management's tasks.
pub const CONVERSATION: &str = "conversation";

/// The type whose event goes when the task is deleted.
pub const CALENDAR_EVENT: &str = "calendar_event";

/// The type that the configured organism does; without one it is for outside workers.
pub const ORGANISM: &str = "organism";

/// The built-in type that does a task: of the types of origin `seedcore`, which are their callers'
/// own words, all are `organism`.
pub fn executor_of(origin: Origin, task_type: &str) -> &str {
    if origin == Origin::Seedcore { ORGANISM } else { task_type }
}

pub fn is_builtin(task_type: &str) -> bool {
    BUILTIN.contains(&task_type)
}
