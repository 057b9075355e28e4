//! Facts: the tenant's, the same ones that the canonical API serves.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, delete, get, patch, post, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Map, Value, json};
use task_domain::{Fact, FactPatch};
use task_server::plumbing::{ApiError, Fields, Query, uuid};
use task_service::{FactDraft, FactSearch, ServiceError};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::common::{Answer, Authorised, Body, Detail, DropIn, Refusal};

/// Longest text of a fact and of a search, characters.
const MAX_FACT: usize = 10_000;
const MAX_SEARCH: usize = 200;

/// A fact.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct FactDto {
    id: Uuid,
    text: String,
    tags: Vec<String>,
    #[schema(value_type = Object)]
    meta_data: Map<String, Value>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Fact> for FactDto {
    fn from(fact: Fact) -> Self {
        let Fact { id, text, tags, meta_data, created_at, updated_at, .. } = fact;
        Self { id, text, tags, meta_data, created_at, updated_at }
    }
}

/// A new fact.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body in the OpenAPI document")]
pub(crate) struct NewFact {
    #[schema(min_length = 1, max_length = 10000)]
    text: String,
    tags: Option<Vec<String>>,
    #[schema(value_type = Option<Object>)]
    meta_data: Option<Value>,
}

/// What may be changed; keys that are absent stay as they are.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body in the OpenAPI document")]
pub(crate) struct Edit {
    #[schema(min_length = 1, max_length = 10000)]
    text: Option<String>,
    tags: Option<Vec<String>>,
    #[schema(value_type = Option<Object>)]
    meta_data: Option<Value>,
}

/// A fact that is not there has words of its own; everything else is refused as everywhere.
fn refused(error: ApiError, id: Uuid) -> Refusal<Detail> {
    match error {
        ApiError::Service(ServiceError::FactNotFound { .. }) => {
            Refusal::new(StatusCode::NOT_FOUND, format!("Fact '{id}' not found"))
        }
        other => other.into(),
    }
}

/// Adds a fact.
#[utoipa::path(tag = "Facts", request_body = NewFact, responses((status = 200, body = FactDto), (status = 422, body = Value)))]
#[post("/api/v1/facts")]
pub(crate) async fn create_fact(
    drop_in: web::Data<DropIn>,
    caller: Authorised<Detail>,
    body: Body<Detail>,
) -> Answer<Detail> {
    let mut fields = Fields::of_body(body.0, false)?;
    let draft = FactDraft {
        text: fields.required_text("text", 1..=MAX_FACT),
        tags: fields.tags("tags").unwrap_or_default(),
        meta_data: fields.object("meta_data").unwrap_or_default(),
    };
    fields.finish_leniently()?;
    let facts = Arc::clone(&drop_in.engine.facts);
    let fact = drop_in.engine.to_the_end(async move { facts.add(&caller.0, draft).await }).await?;
    Ok(HttpResponse::Ok().json(FactDto::from(fact)))
}

/// Searches facts, newest first; `q` and `tag` must both hold.
#[utoipa::path(
    tag = "Facts",
    params(
        ("q" = Option<String>, Query, max_length = 200, description = "Part of the text or of the metadata, in either case"),
        ("tag" = Option<String>, Query, description = "A whole tag"),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 1000), ("offset" = Option<i64>, Query, minimum = 0),
    ),
    responses((status = 200, body = Value), (status = 422, body = Value))
)]
#[get("/api/v1/facts")]
pub(crate) async fn search_facts(
    drop_in: web::Data<DropIn>,
    caller: Authorised<Detail>,
    request: HttpRequest,
) -> Answer<Detail> {
    let mut query = Query::of(request.query_string())?;
    let search = FactSearch {
        text: query.short_text("q", MAX_SEARCH),
        tag: query.short_text("tag", MAX_SEARCH),
        limit: query.whole("limit", 1..=1000, 100),
        offset: query.whole("offset", 0..=i64::MAX, 0),
    };
    query.finish_leniently()?;
    let page = drop_in.engine.facts.search(&caller.0, search).await?;
    let items: Vec<_> = page.facts.into_iter().map(FactDto::from).collect();
    Ok(HttpResponse::Ok().json(json!({"total": page.total, "items": items})))
}

/// Reads a fact.
#[utoipa::path(
    tag = "Facts",
    params(("fact_id" = uuid::Uuid, Path)),
    responses((status = 200, body = FactDto), (status = 404, body = Value), (status = 422, body = Value))
)]
#[get("/api/v1/facts/{fact_id}")]
pub(crate) async fn get_fact(
    drop_in: web::Data<DropIn>,
    caller: Authorised<Detail>,
    path: web::Path<String>,
) -> Answer<Detail> {
    let id = uuid("fact_id", &path)?;
    let fact = drop_in.engine.facts.get(&caller.0, id).await.map_err(|error| refused(error.into(), id))?;
    Ok(HttpResponse::Ok().json(FactDto::from(fact)))
}

/// Replaces what is given; `{}` changes nothing.
#[utoipa::path(
    tag = "Facts",
    params(("fact_id" = uuid::Uuid, Path)),
    request_body = Edit,
    responses((status = 200, body = FactDto), (status = 404, body = Value), (status = 422, body = Value))
)]
#[patch("/api/v1/facts/{fact_id}")]
pub(crate) async fn patch_fact(
    drop_in: web::Data<DropIn>,
    caller: Authorised<Detail>,
    path: web::Path<String>,
    body: Body<Detail>,
) -> Answer<Detail> {
    let id = uuid("fact_id", &path)?;
    let mut fields = Fields::of_body(body.0, false)?;
    let patch = FactPatch {
        text: fields.kept_text("text", 1..=MAX_FACT),
        tags: fields.tags("tags"),
        meta_data: fields.object("meta_data"),
    };
    fields.finish_leniently()?;
    let facts = Arc::clone(&drop_in.engine.facts);
    let edited = drop_in.engine.to_the_end(async move { facts.edit(&caller.0, id, &patch).await }).await;
    Ok(HttpResponse::Ok().json(FactDto::from(edited.map_err(|error| refused(error, id))?)))
}

/// Deletes a fact.
#[utoipa::path(
    tag = "Facts",
    params(("fact_id" = uuid::Uuid, Path)),
    responses((status = 200, body = Value), (status = 404, body = Value), (status = 422, body = Value))
)]
#[delete("/api/v1/facts/{fact_id}")]
pub(crate) async fn delete_fact(
    drop_in: web::Data<DropIn>,
    caller: Authorised<Detail>,
    path: web::Path<String>,
) -> Answer<Detail> {
    let id = uuid("fact_id", &path)?;
    let facts = Arc::clone(&drop_in.engine.facts);
    let deleted = drop_in.engine.to_the_end(async move { facts.delete(&caller.0, id).await }).await;
    deleted.map_err(|error| refused(error, id))?;
    Ok(HttpResponse::Ok().json(json!({"deleted": id})))
}
