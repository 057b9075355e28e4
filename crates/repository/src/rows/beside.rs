//! What stands beside the tasks: templates, conversations, facts, keys. Read by position.

use diesel::prelude::*;
use serde_json::Value;
use task_domain::{Conversation, Fact, JsonObject, SubscriptionLevel, TaskId, Template, TenantId, UserId};
use task_protocols::ApiKey;

use crate::columns::{Id, Json, Stamp, Word};

#[derive(Debug, Clone, Queryable)]
pub(crate) struct TemplateRow {
    id: i64,
    template_id: String,
    name: String,
    description: Option<String>,
    category: String,
    task_type: String,
    default_config: Json<JsonObject>,
    required_fields: Json<Vec<String>>,
    optional_fields: Json<Vec<String>>,
    config_schema: Option<Json<Value>>,
    required_level: Word<SubscriptionLevel>,
    credits_per_run: f64,
    tags: Json<Vec<String>>,
    metadata: Option<Json<JsonObject>>,
    is_active: bool,
    created_at: Stamp,
    updated_at: Stamp,
}

impl From<TemplateRow> for Template {
    fn from(row: TemplateRow) -> Self {
        Self {
            id: row.id,
            template_id: row.template_id,
            name: row.name,
            description: row.description,
            category: row.category,
            task_type: row.task_type,
            default_config: row.default_config.0,
            required_fields: row.required_fields.0,
            optional_fields: row.optional_fields.0,
            config_schema: row.config_schema.map(|schema| schema.0),
            required_level: row.required_level.0,
            credits_per_run: row.credits_per_run,
            tags: row.tags.0,
            metadata: row.metadata.map(|metadata| metadata.0),
            is_active: row.is_active,
            created_at: row.created_at.0,
            updated_at: row.updated_at.0,
        }
    }
}

/// The columns of a conversation without its keys: id, content, status, created, updated.
pub(crate) type ConversationRow = (i64, String, String, Stamp, Stamp);

pub(crate) fn conversation(task_id: TaskId, (id, content, status, created, updated): ConversationRow) -> Conversation {
    Conversation { id, task_id, content, status, created_at: created.0, updated_at: updated.0 }
}

#[derive(Debug, Clone, Queryable)]
pub(crate) struct FactRow {
    tenant_id: String,
    id: Id,
    user_id: Option<String>,
    text: String,
    tags: Json<Vec<String>>,
    meta_data: Json<JsonObject>,
    created_at: Stamp,
    updated_at: Stamp,
}

impl From<FactRow> for Fact {
    fn from(row: FactRow) -> Self {
        Self {
            id: row.id.0,
            tenant_id: TenantId::from_stored(row.tenant_id),
            user_id: row.user_id.map(UserId::from_stored),
            text: row.text,
            tags: row.tags.0,
            meta_data: row.meta_data.0,
            created_at: row.created_at.0,
            updated_at: row.updated_at.0,
        }
    }
}

#[derive(Debug, Clone, Queryable)]
pub(crate) struct ApiKeyRow {
    tenant_id: String,
    id: String,
    name: String,
    secret_hash: String,
    scopes: Json<Vec<String>>,
    task_types: Json<Vec<String>>,
    created_at: Stamp,
    expires_at: Option<Stamp>,
    revoked_at: Option<Stamp>,
    last_used_at: Option<Stamp>,
}

impl From<ApiKeyRow> for ApiKey {
    fn from(row: ApiKeyRow) -> Self {
        Self {
            id: row.id,
            tenant_id: TenantId::from_stored(row.tenant_id),
            name: row.name,
            secret_hash: row.secret_hash,
            scopes: row.scopes.0,
            task_types: row.task_types.0,
            created_at: row.created_at.0,
            expires_at: row.expires_at.map(|at| at.0),
            revoked_at: row.revoked_at.map(|at| at.0),
            last_used_at: row.last_used_at.map(|at| at.0),
        }
    }
}
