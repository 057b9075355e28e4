//! Tasks.

use actix_web::{HttpRequest, HttpResponse, delete, get, post, put, web};
use serde_json::{Value, json};
use task_domain::decide::Rejection;
use task_domain::types::CONVERSATION;
use task_domain::{Conversation, Handler, NewConversation, Origin, Task};
use task_protocols::TaskFilter;
use task_server::plumbing::{ApiError, FieldError, Fields, Query};
use task_service::{Amendment, Caller, Said, ServiceError, TaskDraft};
use utoipa::ToSchema;

use super::dto::{ItemDto, SETTABLE, TaskDto, status};
use crate::common::{Answer, Authorised, Body, Detail, DropIn};

/// The most entries and tasks of one answer.
pub(super) const MOST: i64 = 10_000;
const MAX_CONVERSATIONS: usize = 1000;
pub(super) const MAX_CONTENT: usize = 100_000;

/// A new task.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body in the OpenAPI document")]
pub(crate) struct NewTask {
    #[schema(max_length = 255)]
    title: String,
    description: Option<String>,
    conversations: Option<Vec<NewEntry>>,
}

/// A new entry.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body in the OpenAPI document")]
pub(crate) struct NewEntry {
    content: String,
    #[schema(default = "active")]
    status: Option<String>,
}

/// What may be changed.
#[derive(ToSchema)]
#[expect(dead_code, reason = "describes the body in the OpenAPI document")]
pub(crate) struct Edit {
    #[schema(max_length = 255)]
    title: Option<String>,
    description: Option<String>,
    #[schema(example = "pending")]
    status: Option<String>,
}

/// The whole number of a path.
pub(super) fn number(name: &str, text: &str) -> Result<i64, ApiError> {
    text.parse().map_err(|_| ApiError::Invalid(vec![FieldError::path(name, "must be a whole number")]))
}

/// A task with its conversations, of which there are so many, as every call answers it.
async fn whole(drop_in: &DropIn, task: Task, entries: i64) -> Result<TaskDto, ServiceError> {
    let conversations = match entries {
        0 => Vec::new(),
        _ => drop_in.engine.conversations.of(&task, 0, MOST).await?,
    };
    Ok(TaskDto::new(task, conversations))
}

fn entries(fields: &mut Fields) -> Vec<NewConversation> {
    let items = match fields.take("conversations").flatten() {
        None => return Vec::new(),
        Some(Value::Array(items)) => items,
        Some(_) => {
            fields.problem("conversations", "must be a list", "value_error");
            return Vec::new();
        }
    };
    if items.len() > MAX_CONVERSATIONS {
        fields.problem("conversations", format!("must have at most {MAX_CONVERSATIONS} entries"), "value_error");
        return Vec::new();
    }
    let mut entries = Vec::new();
    for (n, item) in items.into_iter().enumerate() {
        let content = item.get("content").and_then(Value::as_str).filter(|text| text.chars().count() <= MAX_CONTENT);
        let status = match item.get("status") {
            None | Some(Value::Null) => Some(Conversation::ACTIVE),
            Some(status) => status.as_str().filter(|text| (1..=64).contains(&text.chars().count())),
        };
        match (content, status) {
            (Some(content), Some(status)) => {
                entries.push(NewConversation { content: content.to_owned(), status: status.to_owned() });
            }
            (None, _) => fields.problem(&format!("conversations.{n}.content"), "must be a text", "value_error"),
            (_, None) => {
                fields.problem(&format!("conversations.{n}.status"), "must have 1 to 64 characters", "value_error")
            }
        }
    }
    entries
}

fn draft(body: Option<Value>) -> Result<(TaskDraft, Vec<NewConversation>), ApiError> {
    let mut fields = Fields::of_body(body, false)?;
    let title = fields.required_text("title", 1..=255);
    let description = fields.text("description", 0..=10_000);
    let entries = entries(&mut fields);
    fields.finish_leniently()?;
    let draft = TaskDraft {
        handler: Some(Handler::Builtin),
        description,
        run_immediately: true,
        ..TaskDraft::new(Origin::TaskManagement, CONVERSATION.to_owned(), title)
    };
    Ok((draft, entries))
}

/// The task, and its entries from the start: a crash leaves both or neither.
async fn create(
    drop_in: &DropIn,
    caller: &Caller,
    draft: TaskDraft,
    entries: Vec<NewConversation>,
) -> Result<TaskDto, ServiceError> {
    let count = entries.len() as i64;
    let task = drop_in.tasks.create_with_conversations(caller, draft, entries).await?;
    whole(drop_in, task, count).await
}

/// Creates a task; it is processed in the background.
#[utoipa::path(tag = "Tasks", request_body = NewTask, responses((status = 200, body = TaskDto), (status = 422, body = Value)))]
#[post("/tasks/")]
pub(crate) async fn create_task(
    drop_in: web::Data<DropIn>,
    caller: Authorised<Detail>,
    body: Body<Detail>,
) -> Answer<Detail> {
    let (draft, entries) = draft(body.0)?;
    let engine = std::sync::Arc::clone(&drop_in.engine);
    let task = engine.to_the_end(async move { create(&drop_in, &caller.0, draft, entries).await }).await?;
    Ok(HttpResponse::Ok().json(task))
}

/// Lists tasks, newest first.
#[utoipa::path(
    tag = "Tasks",
    params(("skip" = Option<i64>, Query, minimum = 0), ("limit" = Option<i64>, Query, minimum = 0)),
    responses((status = 200, body = [ItemDto]), (status = 422, body = Value))
)]
#[get("/tasks/")]
pub(crate) async fn list_tasks(
    drop_in: web::Data<DropIn>,
    caller: Authorised<Detail>,
    request: HttpRequest,
) -> Answer<Detail> {
    let mut query = Query::of(request.query_string())?;
    let offset = query.whole("skip", 0..=i64::MAX, 0);
    let limit = query.whole("limit", 0..=i64::MAX, 100).min(MOST);
    query.finish_leniently()?;
    let all = TaskFilter::of(caller.0.tenant_id.clone());
    let filter = TaskFilter { offset, limit, conversations: true, ..all };
    let page = drop_in.tasks.list(&caller.0, filter).await?;
    let items: Vec<_> =
        page.tasks.into_iter().zip(page.conversations).map(|(task, count)| ItemDto::new(task, count)).collect();
    Ok(HttpResponse::Ok().json(items))
}

/// Reads a task with its conversations.
#[utoipa::path(
    tag = "Tasks",
    params(("task_id" = i64, Path)),
    responses((status = 200, body = TaskDto), (status = 404, body = Value), (status = 422, body = Value))
)]
#[get("/tasks/{task_id}")]
pub(crate) async fn get_task(
    drop_in: web::Data<DropIn>,
    caller: Authorised<Detail>,
    id: web::Path<String>,
) -> Answer<Detail> {
    let (task, entries) = drop_in.tasks.get_by_number(&caller.0, number("task_id", &id)?).await?;
    Ok(HttpResponse::Ok().json(whole(&drop_in, task, entries).await?))
}

/// Changes a task; status `pending` has it processed again.
#[utoipa::path(
    tag = "Tasks",
    params(("task_id" = i64, Path)),
    request_body = Edit,
    responses((status = 200, body = TaskDto), (status = 404, body = Value), (status = 422, body = Value))
)]
#[put("/tasks/{task_id}")]
pub(crate) async fn put_task(
    drop_in: web::Data<DropIn>,
    caller: Authorised<Detail>,
    id: web::Path<String>,
    body: Body<Detail>,
) -> Answer<Detail> {
    let id = number("task_id", &id)?;
    let mut fields = Fields::of_body(body.0, false)?;
    let edit = Amendment {
        name: fields.text("title", 1..=255),
        description: fields.clearable_text("description", 0..=10_000),
        ..Amendment::default()
    };
    let said = fields.id("status", status).map_or(Said::Nothing, Said::Set);
    fields.finish_leniently()?;
    let engine = std::sync::Arc::clone(&drop_in.engine);
    let changed = async move {
        let (task, entries) = drop_in.tasks.get_by_number(&caller.0, id).await?;
        let task = drop_in.tasks.put(&caller.0, &task.task_id, None, &said, &edit).await?;
        whole(&drop_in, task, entries).await
    };
    Ok(HttpResponse::Ok().json(engine.to_the_end(changed).await.map_err(not_settable)?))
}

/// `processing` is where a worker brings a task; as what it is already it may be given.
fn not_settable(error: ApiError) -> ApiError {
    match error {
        ApiError::Service(ServiceError::Rejected(Rejection::InvalidTransition { .. })) => {
            let loc = vec!["body".to_owned(), "status".to_owned()];
            ApiError::Invalid(vec![FieldError { loc, msg: SETTABLE.to_owned(), kind: "value_error" }])
        }
        other => other,
    }
}

/// Deletes a task and its conversations, also while it is processed.
#[utoipa::path(
    tag = "Tasks",
    params(("task_id" = i64, Path)),
    responses((status = 200, body = Value), (status = 404, body = Value), (status = 422, body = Value))
)]
#[delete("/tasks/{task_id}")]
pub(crate) async fn delete_task(
    drop_in: web::Data<DropIn>,
    caller: Authorised<Detail>,
    id: web::Path<String>,
) -> Answer<Detail> {
    let id = number("task_id", &id)?;
    let tasks = drop_in.tasks.clone();
    let deleted = async move {
        let (task, _) = tasks.get_by_number(&caller.0, id).await?;
        tasks.delete(&caller.0, &task.task_id).await
    };
    drop_in.engine.to_the_end(deleted).await?;
    Ok(HttpResponse::Ok().json(json!({"message": "Task deleted successfully"})))
}
