//! Templates: `GET /api/v1/templates` and `/templates/{template_id}`.

use actix_web::{HttpRequest, HttpResponse, get, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use task_domain::Template;
use utoipa::ToSchema;

use super::query::Query;
use super::tasks::dto::ErrorDto;
use crate::auth::Authenticated;
use crate::errors::ApiError;
use crate::state::ApiState;

/// A kind of task with defaults; `POST /api/v1/tasks/from-template` fills it in.
#[derive(Serialize, ToSchema)]
pub(crate) struct TemplateDto {
    id: i64,
    #[schema(example = "tpl_todo_basic")]
    template_id: String,
    name: String,
    description: Option<String>,
    category: String,
    task_type: String,
    #[schema(value_type = Object)]
    default_config: Map<String, Value>,
    /// The customization, its `config` or the defaults must have these.
    required_fields: Vec<String>,
    optional_fields: Vec<String>,
    /// JSON Schema of the config, where there is one.
    #[schema(value_type = Option<Object>)]
    config_schema: Option<Value>,
    /// `free`, `basic`, `pro` or `enterprise`.
    #[schema(example = "free")]
    required_subscription_level: &'static str,
    credits_per_run: f64,
    tags: Vec<String>,
    #[schema(value_type = Option<Object>)]
    metadata: Option<Map<String, Value>>,
    is_active: bool,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Template> for TemplateDto {
    fn from(template: Template) -> Self {
        Self {
            id: template.id,
            template_id: template.template_id,
            name: template.name,
            description: template.description,
            category: template.category,
            task_type: template.task_type,
            default_config: template.default_config,
            required_fields: template.required_fields,
            optional_fields: template.optional_fields,
            config_schema: template.config_schema,
            required_subscription_level: template.required_level.as_str(),
            credits_per_run: template.credits_per_run,
            tags: template.tags,
            metadata: template.metadata,
            is_active: template.is_active,
            created_at: template.created_at,
            updated_at: template.updated_at,
        }
    }
}

/// Lists the templates that the caller's subscription level may use, by category and name.
#[utoipa::path(
    tag = "Templates",
    params(("category" = Option<String>, Query), ("task_type" = Option<String>, Query)),
    responses(
        (status = 200, description = "The templates", body = [TemplateDto]),
        (status = 401, body = ErrorDto), (status = 422, body = ErrorDto), (status = 503, body = ErrorDto),
    )
)]
#[get("/api/v1/templates")]
pub(crate) async fn list_templates(
    state: web::Data<ApiState>,
    caller: Authenticated,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let mut query = Query::of(request.query_string())?;
    let (category, task_type) = (query.get::<String>("category"), query.get::<String>("task_type"));
    query.finish()?;
    let templates = state.templates.list(&caller.0, category.as_deref(), task_type.as_deref()).await?;
    Ok(HttpResponse::Ok().json(templates.into_iter().map(TemplateDto::from).collect::<Vec<_>>()))
}

/// Reads a template.
#[utoipa::path(
    tag = "Templates",
    params(("template_id" = String, Path)),
    responses(
        (status = 200, description = "The template", body = TemplateDto),
        (status = 401, body = ErrorDto), (status = 403, description = "`required_level` says which level may use it", body = ErrorDto),
        (status = 404, body = ErrorDto), (status = 503, body = ErrorDto),
    )
)]
#[get("/api/v1/templates/{template_id}")]
pub(crate) async fn get_template(
    state: web::Data<ApiState>,
    caller: Authenticated,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let template = state.templates.get(&caller.0, &id).await?;
    Ok(HttpResponse::Ok().json(TemplateDto::from(template)))
}
