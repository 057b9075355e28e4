//! Templates: tasks that are filled in.

use chrono::{DateTime, Utc};
use serde_json::Value;

use crate::{JsonObject, SubscriptionLevel};

/// A kind of task with defaults.
#[derive(Debug, Clone, PartialEq)]
pub struct Template {
    pub id: i64,
    pub template_id: String,
    pub name: String,
    pub description: Option<String>,
    pub category: String,
    pub task_type: String,
    pub default_config: JsonObject,
    /// Names that the customization, its config or the defaults must fill.
    pub required_fields: Vec<String>,
    pub optional_fields: Vec<String>,
    /// JSON Schema of the config, where there is one.
    pub config_schema: Option<Value>,
    pub required_level: SubscriptionLevel,
    pub credits_per_run: f64,
    pub tags: Vec<String>,
    pub metadata: Option<JsonObject>,
    pub is_active: bool,
    pub created_at: DateTime<Utc>,
    pub updated_at: DateTime<Utc>,
}
