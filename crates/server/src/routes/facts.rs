//! Facts: `POST` and `GET /api/v1/facts`, `GET`, `PATCH` and `DELETE /api/v1/facts/{fact_id}`.

use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value};
use task_domain::{Fact, FactPatch};
use task_service::{FactDraft, FactSearch};
use utoipa::ToSchema;

use super::query::{MAX_TEXT, Query, uuid};
use super::tasks::dto::ErrorDto;
use crate::auth::Authenticated;
use crate::errors::ApiError;
use crate::fields::Fields;
use crate::json::JsonBody;
use crate::state::ApiState;

/// Longest text of a fact, characters.
const MAX_FACT: usize = 10_000;

/// A fact.
#[derive(Serialize, ToSchema)]
pub(crate) struct FactDto {
    id: String,
    tenant_id: String,
    /// The owner; null for the tenant's.
    user_id: Option<String>,
    #[schema(example = "Ann's flight lands at 09:40")]
    text: String,
    tags: Vec<String>,
    #[schema(value_type = Object)]
    meta_data: Map<String, Value>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Fact> for FactDto {
    fn from(fact: Fact) -> Self {
        Self {
            id: fact.id.to_string(),
            tenant_id: fact.tenant_id.to_string(),
            user_id: fact.user_id.map(|id| id.to_string()),
            text: fact.text,
            tags: fact.tags,
            meta_data: fact.meta_data,
            created_at: fact.created_at,
            updated_at: fact.updated_at,
        }
    }
}

/// One page of facts, newest first.
#[derive(Serialize, ToSchema)]
pub(crate) struct FactPageDto {
    /// How many fit in all.
    total: i64,
    items: Vec<FactDto>,
}

#[derive(Serialize, ToSchema)]
pub(crate) struct DeletedFactDto {
    #[schema(example = "Fact deleted successfully")]
    message: &'static str,
    fact_id: String,
}

/// A new fact.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreateFact {
    #[schema(min_length = 1, max_length = 10000)]
    text: String,
    #[schema(max_items = 32)]
    tags: Option<Vec<String>>,
    #[schema(value_type = Option<Object>)]
    meta_data: Option<Map<String, Value>>,
}

/// An edit; keys that are absent stay as they are.
#[derive(Serialize, ToSchema)]
pub(crate) struct UpdateFact {
    #[schema(value_type = String, required = false, min_length = 1, max_length = 10000)]
    text: Option<String>,
    #[schema(value_type = Vec<String>, required = false, max_items = 32)]
    tags: Option<Vec<String>>,
    #[schema(value_type = Object, required = false)]
    meta_data: Option<Map<String, Value>>,
}

/// Adds a fact. It belongs to the user that the call is for; without one, to the tenant: its users
/// read it, keys with scope `facts` edit it.
#[utoipa::path(
    tag = "Facts",
    request_body = CreateFact,
    responses(
        (status = 201, description = "The fact", body = FactDto, headers(("Location" = String))),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 413, body = ErrorDto), (status = 415, body = ErrorDto),
        (status = 422, body = ErrorDto), (status = 503, body = ErrorDto),
    )
)]
#[post("/api/v1/facts")]
pub(crate) async fn create_fact(
    state: web::Data<ApiState>,
    caller: Authenticated,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let mut fields = Fields::of_body(body.0, false)?;
    fields.null_is_absent(&["tags", "meta_data"]);
    let draft = FactDraft {
        text: fields.required_text("text", 1..=MAX_FACT),
        tags: fields.tags("tags").unwrap_or_default(),
        meta_data: fields.object("meta_data").unwrap_or_default(),
    };
    fields.finish()?;
    let facts = state.facts.clone();
    let fact = state.to_the_end(async move { facts.add(&caller.0, draft).await }).await?;
    let location = format!("/api/v1/facts/{}", fact.id);
    Ok(HttpResponse::Created().insert_header(("Location", location)).json(FactDto::from(fact)))
}

/// Searches the facts that the caller sees, newest first.
#[utoipa::path(
    tag = "Facts",
    params(
        ("q" = Option<String>, Query, max_length = 200, description = "Part of the text or of the metadata as JSON text, in either case"),
        ("tag" = Option<String>, Query, description = "A whole tag"),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 1000, description = "100 when absent"), ("offset" = Option<i64>, Query, minimum = 0),
    ),
    responses(
        (status = 200, description = "One page", body = FactPageDto),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 422, body = ErrorDto), (status = 503, body = ErrorDto),
    )
)]
#[get("/api/v1/facts")]
pub(crate) async fn search_facts(
    state: web::Data<ApiState>,
    caller: Authenticated,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    let mut query = Query::of(request.query_string())?;
    let search = FactSearch {
        text: query.short_text("q", MAX_TEXT),
        tag: query.short_text("tag", MAX_TEXT),
        limit: query.whole("limit", 1..=1000, 100),
        offset: query.whole("offset", 0..=1_000_000, 0),
    };
    query.finish()?;
    let page = state.facts.search(&caller.0, search).await?;
    let items = page.facts.into_iter().map(FactDto::from).collect();
    Ok(HttpResponse::Ok().json(FactPageDto { total: page.total, items }))
}

/// Reads a fact.
#[utoipa::path(
    tag = "Facts",
    params(("fact_id" = uuid::Uuid, Path)),
    responses(
        (status = 200, description = "The fact", body = FactDto),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 404, body = ErrorDto), (status = 422, body = ErrorDto),
        (status = 503, body = ErrorDto),
    )
)]
#[get("/api/v1/facts/{fact_id}")]
pub(crate) async fn get_fact(
    state: web::Data<ApiState>,
    caller: Authenticated,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let fact = state.facts.get(&caller.0, uuid("fact_id", &id)?).await?;
    Ok(HttpResponse::Ok().json(FactDto::from(fact)))
}

/// Replaces what is given; `{}` changes nothing.
#[utoipa::path(
    tag = "Facts",
    params(("fact_id" = uuid::Uuid, Path)),
    request_body = UpdateFact,
    responses(
        (status = 200, description = "The fact after the edit", body = FactDto),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 404, body = ErrorDto), (status = 413, body = ErrorDto),
        (status = 415, body = ErrorDto), (status = 422, body = ErrorDto), (status = 503, body = ErrorDto),
    )
)]
#[patch("/api/v1/facts/{fact_id}")]
pub(crate) async fn patch_fact(
    state: web::Data<ApiState>,
    caller: Authenticated,
    id: web::Path<String>,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let id = uuid("fact_id", &id)?;
    let mut fields = Fields::of_body(body.0, false)?;
    let patch = FactPatch {
        text: fields.kept_text("text", 1..=MAX_FACT),
        tags: fields.tags("tags"),
        meta_data: fields.object("meta_data"),
    };
    fields.finish()?;
    let facts = state.facts.clone();
    let fact = state.to_the_end(async move { facts.edit(&caller.0, id, &patch).await }).await?;
    Ok(HttpResponse::Ok().json(FactDto::from(fact)))
}

/// Deletes a fact.
#[utoipa::path(
    tag = "Facts",
    params(("fact_id" = uuid::Uuid, Path)),
    responses(
        (status = 200, description = "It is gone", body = DeletedFactDto),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 404, body = ErrorDto), (status = 422, body = ErrorDto),
        (status = 503, body = ErrorDto),
    )
)]
#[delete("/api/v1/facts/{fact_id}")]
pub(crate) async fn delete_fact(
    state: web::Data<ApiState>,
    caller: Authenticated,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let id = uuid("fact_id", &id)?;
    let facts = state.facts.clone();
    state.to_the_end(async move { facts.delete(&caller.0, id).await }).await?;
    Ok(HttpResponse::Ok().json(DeletedFactDto { message: "Fact deleted successfully", fact_id: id.to_string() }))
}
