//! Conversations of tasks.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, get, post, put, web};
use task_domain::Conversation;
use task_server::plumbing::{ApiError, Fields};
use task_service::{ConversationPatch, ServiceError};
use utoipa::ToSchema;

use super::dto::ConversationDto;
use super::tasks::{MAX_CONTENT, MOST, NewEntry, number};
use crate::common::{Answer, Authorised, Body, Detail, DropIn, Refusal};

/// What may be changed.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body in the OpenAPI document")]
pub(crate) struct ConversationEdit {
    content: Option<String>,
    status: Option<String>,
}

/// Adds an entry to a task.
#[utoipa::path(
    tag = "Conversations",
    params(("task_id" = i64, Path)),
    request_body = NewEntry,
    responses((status = 200, body = ConversationDto), (status = 404, body = Value), (status = 422, body = Value))
)]
#[post("/tasks/{task_id}/conversations/")]
pub(crate) async fn create_conversation(
    drop_in: web::Data<DropIn>,
    caller: Authorised<Detail>,
    id: web::Path<String>,
    body: Body<Detail>,
) -> Answer<Detail> {
    let id = number("task_id", &id)?;
    let mut fields = Fields::of_body(body.0, false)?;
    let content = fields.required_text("content", 0..=MAX_CONTENT);
    let status = fields.text("status", 1..=64).unwrap_or_else(|| Conversation::ACTIVE.to_owned());
    fields.finish_leniently()?;
    let (task, _) = drop_in.tasks.get_by_number(&caller.0, id).await?;
    let engine = Arc::clone(&drop_in.engine);
    let added = async move { engine.conversations.add(&caller.0, &task.task_id, &content, &status).await };
    let conversation = drop_in.engine.to_the_end(added).await?;
    Ok(HttpResponse::Ok().json(ConversationDto::new(id, conversation)))
}

/// The entries of a task, oldest first.
#[utoipa::path(
    tag = "Conversations",
    params(("task_id" = i64, Path)),
    responses((status = 200, body = [ConversationDto]), (status = 404, body = Value), (status = 422, body = Value))
)]
#[get("/tasks/{task_id}/conversations/")]
pub(crate) async fn list_conversations(
    drop_in: web::Data<DropIn>,
    caller: Authorised<Detail>,
    id: web::Path<String>,
) -> Answer<Detail> {
    let (task, _) = drop_in.tasks.get_by_number(&caller.0, number("task_id", &id)?).await?;
    let entries = drop_in.engine.conversations.of(&task, 0, MOST).await?;
    let entries: Vec<_> = entries.into_iter().map(|entry| ConversationDto::new(task.id, entry)).collect();
    Ok(HttpResponse::Ok().json(entries))
}

fn refusal(error: ApiError) -> Refusal<Detail> {
    match error {
        ApiError::Service(ServiceError::TaskNotFound { .. } | ServiceError::ConversationNotFound { .. }) => {
            Refusal::new(StatusCode::NOT_FOUND, "Conversation not found")
        }
        other => other.into(),
    }
}

/// Changes an entry.
#[utoipa::path(
    tag = "Conversations",
    params(("conversation_id" = i64, Path)),
    request_body = ConversationEdit,
    responses((status = 200, body = ConversationDto), (status = 404, body = Value), (status = 422, body = Value))
)]
#[put("/conversations/{conversation_id}")]
pub(crate) async fn put_conversation(
    drop_in: web::Data<DropIn>,
    caller: Authorised<Detail>,
    id: web::Path<String>,
    body: Body<Detail>,
) -> Answer<Detail> {
    let id = number("conversation_id", &id)?;
    let mut fields = Fields::of_body(body.0, false)?;
    let patch =
        ConversationPatch { content: fields.text("content", 0..=MAX_CONTENT), status: fields.text("status", 1..=64) };
    fields.finish_leniently()?;
    let engine = Arc::clone(&drop_in.engine);
    let changed = async move {
        let conversation = drop_in.engine.conversations.get(&caller.0, id).await?;
        let task = drop_in.tasks.get(&caller.0, &conversation.task_id).await?;
        let conversation = drop_in.engine.conversations.edit(&caller.0, id, &patch).await?;
        Ok(ConversationDto::new(task.id, conversation))
    };
    Ok(HttpResponse::Ok().json(engine.to_the_end(changed).await.map_err(refusal)?))
}
