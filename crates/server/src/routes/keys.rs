//! `POST /api/v1/keys`, `GET /api/v1/keys`, `DELETE /api/v1/keys/{id}`: for keys with scope `admin`, in
//! their own tenant.

use actix_web::{HttpResponse, delete, get, post, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::json;
use task_protocols::ApiKey;
use task_service::KeyDraft;
use utoipa::ToSchema;

use super::tasks::dto::ErrorDto;
use crate::auth::Authenticated;
use crate::errors::ApiError;
use crate::fields::Fields;
use crate::json::JsonBody;
use crate::state::ApiState;

#[derive(Serialize, ToSchema)]
pub(crate) struct NewKey {
    #[schema(min_length = 1, max_length = 100)]
    name: String,
    /// Any of `tasks:write`, `tasks:work`, `facts`, `act_as_user`, `admin`.
    #[schema(min_items = 1)]
    scopes: Vec<String>,
    /// Left out or empty: every type.
    #[schema(max_items = 100)]
    task_types: Option<Vec<String>>,
    /// Left out: it does not expire.
    #[schema(minimum = 1, maximum = 3650)]
    expires_in_days: Option<i64>,
}

/// A key without its secret, which nobody can read again.
#[derive(Serialize, ToSchema)]
pub(crate) struct KeyDto {
    id: String,
    name: String,
    tenant_id: String,
    scopes: Vec<String>,
    task_types: Vec<String>,
    created_at: DateTime<Utc>,
    expires_at: Option<DateTime<Utc>>,
    revoked_at: Option<DateTime<Utc>>,
    /// To the minute.
    last_used_at: Option<DateTime<Utc>>,
}

/// A key that was just made.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreatedKeyDto {
    #[serde(flatten)]
    record: KeyDto,
    /// Shown this once; send it as `X-API-Key`.
    key: String,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct KeysDto {
    keys: Vec<KeyDto>,
    count: usize,
}

impl From<ApiKey> for KeyDto {
    fn from(key: ApiKey) -> Self {
        Self {
            id: key.id,
            name: key.name,
            tenant_id: key.tenant_id.to_string(),
            scopes: key.scopes,
            task_types: key.task_types,
            created_at: key.created_at,
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
            last_used_at: key.last_used_at,
        }
    }
}

fn draft(body: JsonBody) -> Result<KeyDraft, ApiError> {
    let mut fields = Fields::of_body(body.0, false)?;
    let name = fields.required_text("name", 1..=100);
    let scopes = fields.texts("scopes", 5, 1..=64).unwrap_or_default();
    let mut parsed = Vec::new();
    for scope in &scopes {
        match scope.parse() {
            Ok(scope) => parsed.push(scope),
            Err(message) => fields.problem("scopes", message, "value_error"),
        }
    }
    if scopes.is_empty() {
        fields.problem(
            "scopes",
            "needs at least one of: tasks:write, tasks:work, facts, act_as_user, admin",
            "missing",
        );
    }
    let task_types = fields.texts("task_types", 100, 1..=255).unwrap_or_default();
    let expires_in_days = fields.whole("expires_in_days", 1..=3650).flatten();
    fields.finish()?;
    Ok(KeyDraft { name, scopes: parsed, task_types, expires_in_days })
}

/// Makes a key in the caller's tenant. Its text is in this answer and nowhere else.
#[utoipa::path(
    tag = "Keys",
    request_body = NewKey,
    responses(
        (status = 201, description = "The key", body = CreatedKeyDto),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 413, body = ErrorDto), (status = 415, body = ErrorDto),
        (status = 422, body = ErrorDto), (status = 503, body = ErrorDto),
    )
)]
#[post("/api/v1/keys")]
pub(crate) async fn create_key(
    state: web::Data<ApiState>,
    caller: Authenticated,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let draft = draft(body)?;
    let keys = state.keys.clone();
    let (key, text) = state.to_the_end(async move { keys.create(&caller.0, draft).await }).await?;
    let body = CreatedKeyDto { record: key.into(), key: text };
    Ok(HttpResponse::Created().insert_header(("Cache-Control", "no-store")).json(body))
}

/// The keys of the caller's tenant, oldest first, revoked and expired ones included.
#[utoipa::path(
    tag = "Keys",
    responses(
        (status = 200, description = "Without their secrets", body = KeysDto),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 503, body = ErrorDto),
    )
)]
#[get("/api/v1/keys")]
pub(crate) async fn list_keys(state: web::Data<ApiState>, caller: Authenticated) -> Result<HttpResponse, ApiError> {
    let keys: Vec<KeyDto> = state.keys.list(&caller.0).await?.into_iter().map(KeyDto::from).collect();
    Ok(HttpResponse::Ok().json(KeysDto { count: keys.len(), keys }))
}

/// Ends a key: at once in this instance, within 5 s in others. Ending it again changes nothing.
#[utoipa::path(
    tag = "Keys",
    params(("id" = String, Path)),
    responses(
        (status = 200, description = "Revoked", body = Value),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 404, body = ErrorDto), (status = 503, body = ErrorDto),
    )
)]
#[delete("/api/v1/keys/{id}")]
pub(crate) async fn revoke_key(
    state: web::Data<ApiState>,
    caller: Authenticated,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let (keys, key_id) = (state.keys.clone(), id.into_inner());
    let revoked = key_id.clone();
    state.to_the_end(async move { keys.revoke(&caller.0, &revoked).await }).await?;
    Ok(HttpResponse::Ok().json(json!({"message": "Key revoked", "id": key_id})))
}
