//! Templates on behalf of a caller.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use task_domain::{JsonObject, ProblemKind, SubscriptionLevel, Template, TemplateProblem};
use task_protocols::TemplateStore;

use crate::cache::AgingCache;
use crate::{Caller, Levels, Problem, Scope, ServiceError};

/// Templates change with a migration only.
const TIME_TO_LIVE: Duration = Duration::from_secs(300);
/// Where a customization stands in the body.
const CUSTOMIZATION: &str = "customization";

/// Lists templates and fills them in. A user may use those of its subscription level and below; work
/// without a user is under no level.
pub struct TemplateService {
    templates: Arc<dyn TemplateStore>,
    levels: Arc<Levels>,
    cache: AgingCache<(), Arc<Vec<Template>>>,
}

impl TemplateService {
    pub fn new(templates: Arc<dyn TemplateStore>, levels: Arc<Levels>) -> Self {
        Self { templates, levels, cache: AgingCache::lasting(TIME_TO_LIVE, 1) }
    }

    /// The templates that the caller may use, by category and name; only those of a category and of
    /// a task type where one is given.
    pub async fn list(
        &self,
        caller: &Caller,
        category: Option<&str>,
        task_type: Option<&str>,
    ) -> Result<Vec<Template>, ServiceError> {
        let level = self.level(caller).await?;
        let fits = |template: &&Template| {
            template.required_level <= level
                && category.is_none_or(|category| template.category == category)
                && task_type.is_none_or(|task_type| template.task_type == task_type)
        };
        Ok(self.all().await?.iter().filter(fits).cloned().collect())
    }

    /// One template.
    ///
    /// # Errors
    /// `TemplateNotFound`; `Forbidden` with the level that it needs.
    pub async fn get(&self, caller: &Caller, template_id: &str) -> Result<Template, ServiceError> {
        let all = self.all().await?;
        let found = all.iter().find(|template| template.template_id == template_id);
        let Some(template) = found else {
            return Err(ServiceError::TemplateNotFound { template_id: template_id.to_owned() });
        };
        if template.required_level > self.level(caller).await? {
            let required_level = Some(template.required_level);
            return Err(ServiceError::Forbidden { action: "use_template", required_level });
        }
        Ok(template.clone())
    }

    /// Fills a template in: what a create of the task that a customization asks for would say.
    ///
    /// # Errors
    /// As [`TemplateService::get`]; `Invalid` with every problem of the customization.
    pub async fn fill(
        &self,
        caller: &Caller,
        template_id: &str,
        customization: JsonObject,
    ) -> Result<JsonObject, ServiceError> {
        caller.need(Scope::TasksWrite, "create")?;
        let template = self.get(caller, template_id).await?;
        let task = template.fill(customization).map_err(refused)?;
        let problems = schema_problems(&template, task.get("config").unwrap_or(&Value::Null))?;
        if problems.is_empty() { Ok(task) } else { Err(ServiceError::Invalid(problems)) }
    }

    async fn all(&self) -> Result<Arc<Vec<Template>>, ServiceError> {
        if let Some(kept) = self.cache.value(&()) {
            return Ok(kept);
        }
        let read = Arc::new(self.templates.list_templates().await?);
        self.cache.keep((), Arc::clone(&read));
        Ok(read)
    }

    /// The level whose templates the caller may use.
    async fn level(&self, caller: &Caller) -> Result<SubscriptionLevel, ServiceError> {
        let level = match caller.user_id() {
            None => SubscriptionLevel::Enterprise,
            Some(user_id) => self.levels.level_of(&caller.tenant_id, user_id, caller.level()).await?,
        };
        Ok(level)
    }
}

fn refused(problems: Vec<TemplateProblem>) -> ServiceError {
    let problem = |problem: TemplateProblem| {
        let kind = match problem.kind {
            ProblemKind::Missing => "missing",
            ProblemKind::Unknown => "extra_forbidden",
            ProblemKind::Value => "value_error",
        };
        Problem { kind, ..Problem::new(format!("{CUSTOMIZATION}.{}", problem.field), problem.message) }
    };
    ServiceError::Invalid(problems.into_iter().map(problem).collect())
}

/// What the template's schema says against a config.
fn schema_problems(template: &Template, config: &Value) -> Result<Vec<Problem>, ServiceError> {
    let Some(schema) = &template.config_schema else { return Ok(Vec::new()) };
    let validator = jsonschema::validator_for(schema).map_err(|error| ServiceError::BrokenTemplate {
        template_id: template.template_id.clone(),
        reason: error.to_string(),
    })?;
    let problem = |error: jsonschema::ValidationError<'_>| {
        let path = error.instance_path().to_string().replace('/', ".");
        Problem::new(format!("{CUSTOMIZATION}.config{path}"), error.to_string())
    };
    Ok(validator.iter_errors(config).map(problem).collect())
}
