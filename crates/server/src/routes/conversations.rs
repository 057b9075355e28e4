//! Conversations: `POST` and `GET /api/v1/tasks/{task_id}/conversations`, `GET`, `PUT` and
//! `DELETE /api/v1/conversations/{conversation_id}`.

use actix_web::{HttpRequest, HttpResponse, delete, get, post, put, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use task_domain::Conversation;
use task_service::ConversationPatch;
use utoipa::ToSchema;

use super::query::{Query, number, task_id};
use super::tasks::dto::ErrorDto;
use crate::auth::Authenticated;
use crate::errors::ApiError;
use crate::fields::Fields;
use crate::json::JsonBody;
use crate::state::ApiState;

/// Longest content of one entry, characters.
const MAX_CONTENT: usize = 10_000;

/// One entry of what is said about a task.
#[derive(Serialize, ToSchema)]
pub(crate) struct ConversationDto {
    /// Per database; rises with time.
    id: i64,
    task_id: String,
    content: String,
    /// `active`, `processed`, `archived`, or what its writer calls it.
    #[schema(example = "active")]
    status: String,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Conversation> for ConversationDto {
    fn from(conversation: Conversation) -> Self {
        Self {
            id: conversation.id,
            task_id: conversation.task_id.to_string(),
            content: conversation.content,
            status: conversation.status,
            created_at: conversation.created_at,
            updated_at: conversation.updated_at,
        }
    }
}

#[derive(Serialize, ToSchema)]
pub(crate) struct DeletedConversationDto {
    #[schema(example = "Conversation deleted successfully")]
    message: &'static str,
    conversation_id: i64,
}

/// A new entry.
#[derive(Serialize, ToSchema)]
pub(crate) struct CreateConversation {
    #[schema(min_length = 1, max_length = 10000)]
    content: String,
    /// `active` when absent.
    #[schema(min_length = 1, max_length = 64)]
    status: Option<String>,
}

/// An edit; keys that are absent stay as they are.
#[derive(Serialize, ToSchema)]
pub(crate) struct UpdateConversation {
    #[schema(value_type = String, required = false, min_length = 1, max_length = 10000)]
    content: Option<String>,
    #[schema(value_type = String, required = false, min_length = 1, max_length = 64)]
    status: Option<String>,
}

/// Adds an entry to a task's conversation.
#[utoipa::path(
    tag = "Conversations",
    params(("task_id" = String, Path)),
    request_body = CreateConversation,
    responses(
        (status = 201, description = "The entry", body = ConversationDto, headers(("Location" = String))),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 404, body = ErrorDto), (status = 413, body = ErrorDto),
        (status = 415, body = ErrorDto), (status = 422, body = ErrorDto), (status = 503, body = ErrorDto),
    )
)]
#[post("/api/v1/tasks/{task_id}/conversations")]
pub(crate) async fn create_conversation(
    state: web::Data<ApiState>,
    caller: Authenticated,
    id: web::Path<String>,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let task_id = task_id(&id)?;
    let mut fields = Fields::of_body(body.0, false)?;
    let content = fields.required_text("content", 1..=MAX_CONTENT);
    let status = fields.kept_text("status", 1..=64).unwrap_or_else(|| Conversation::ACTIVE.to_owned());
    fields.finish()?;
    let conversations = state.conversations.clone();
    let add = async move { conversations.add(&caller.0, &task_id, &content, &status).await };
    let added = state.to_the_end(add).await?;
    let location = format!("/api/v1/conversations/{}", added.id);
    Ok(HttpResponse::Created().insert_header(("Location", location)).json(ConversationDto::from(added)))
}

/// The entries of a task's conversation, oldest first.
#[utoipa::path(
    tag = "Conversations",
    params(
        ("task_id" = String, Path), ("after" = Option<i64>, Query, minimum = 0, description = "Only entries with a higher id"),
        ("limit" = Option<i64>, Query, minimum = 1, maximum = 100, description = "100 when absent"),
    ),
    responses(
        (status = 200, description = "The entries", body = [ConversationDto]),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 404, body = ErrorDto), (status = 422, body = ErrorDto),
        (status = 503, body = ErrorDto),
    )
)]
#[get("/api/v1/tasks/{task_id}/conversations")]
pub(crate) async fn list_conversations(
    state: web::Data<ApiState>,
    caller: Authenticated,
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let mut query = Query::of(request.query_string())?;
    let after = query.whole("after", 0..=i64::MAX, 0);
    let limit = query.whole("limit", 1..=100, 100);
    query.finish()?;
    let entries = state.conversations.list(&caller.0, &task_id(&id)?, after, limit).await?;
    Ok(HttpResponse::Ok().json(entries.into_iter().map(ConversationDto::from).collect::<Vec<_>>()))
}

/// Reads one entry.
#[utoipa::path(
    tag = "Conversations",
    params(("conversation_id" = i64, Path)),
    responses(
        (status = 200, description = "The entry", body = ConversationDto),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 404, body = ErrorDto), (status = 422, body = ErrorDto),
        (status = 503, body = ErrorDto),
    )
)]
#[get("/api/v1/conversations/{conversation_id}")]
pub(crate) async fn get_conversation(
    state: web::Data<ApiState>,
    caller: Authenticated,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let conversation = state.conversations.get(&caller.0, number("conversation_id", &id)?).await?;
    Ok(HttpResponse::Ok().json(ConversationDto::from(conversation)))
}

/// Edits one entry; only the keys given change.
#[utoipa::path(
    tag = "Conversations",
    params(("conversation_id" = i64, Path)),
    request_body = UpdateConversation,
    responses(
        (status = 200, description = "The entry after the edit", body = ConversationDto),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 404, body = ErrorDto), (status = 413, body = ErrorDto),
        (status = 415, body = ErrorDto), (status = 422, body = ErrorDto), (status = 503, body = ErrorDto),
    )
)]
#[put("/api/v1/conversations/{conversation_id}")]
pub(crate) async fn put_conversation(
    state: web::Data<ApiState>,
    caller: Authenticated,
    id: web::Path<String>,
    body: JsonBody,
) -> Result<HttpResponse, ApiError> {
    let id = number("conversation_id", &id)?;
    let mut fields = Fields::of_body(body.0, false)?;
    let patch = ConversationPatch {
        content: fields.kept_text("content", 1..=MAX_CONTENT),
        status: fields.kept_text("status", 1..=64),
    };
    fields.finish()?;
    let conversations = state.conversations.clone();
    let conversation = state.to_the_end(async move { conversations.edit(&caller.0, id, &patch).await }).await?;
    Ok(HttpResponse::Ok().json(ConversationDto::from(conversation)))
}

/// Deletes one entry.
#[utoipa::path(
    tag = "Conversations",
    params(("conversation_id" = i64, Path)),
    responses(
        (status = 200, description = "It is gone", body = DeletedConversationDto),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 404, body = ErrorDto), (status = 422, body = ErrorDto),
        (status = 503, body = ErrorDto),
    )
)]
#[delete("/api/v1/conversations/{conversation_id}")]
pub(crate) async fn delete_conversation(
    state: web::Data<ApiState>,
    caller: Authenticated,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let id = number("conversation_id", &id)?;
    let conversations = state.conversations.clone();
    state.to_the_end(async move { conversations.delete(&caller.0, id).await }).await?;
    let message = "Conversation deleted successfully";
    Ok(HttpResponse::Ok().json(DeletedConversationDto { message, conversation_id: id }))
}
