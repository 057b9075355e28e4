//! The names of the built-in task types.

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
    "conversation",
    "organism",
];

/// The type whose `reminder_time` is its run time.
pub const REMINDER: &str = "reminder";

pub fn is_builtin(task_type: &str) -> bool {
    BUILTIN.contains(&task_type)
}
