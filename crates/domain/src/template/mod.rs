//! Templates: tasks that are filled in.

mod fill;

use chrono::{DateTime, Utc};
use serde_json::Value;

pub use fill::{ProblemKind, TemplateProblem};

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

impl Template {
    /// Fills the template in: what a create of the task that a customization asks for would say
    /// (`name`, `task_type`, `config`, …). Only the template's own rules are checked here.
    ///
    /// # Errors
    /// Every problem at once: a required field that is missing, a key that neither a task nor this
    /// template has, a `check_interval` that is none.
    pub fn fill(&self, customization: JsonObject) -> Result<JsonObject, Vec<TemplateProblem>> {
        fill::fill(self, customization)
    }
}
