//! `GET /api/v1/tasks/{id}/track`: the older service's frames over the one stream engine.

use std::sync::Arc;

use actix_web::web::Bytes;
use actix_web::{HttpRequest, get, web};
use futures::stream;
use serde_json::{Map, Value, json};
use task_protocols::StatusChange;
use task_server::plumbing::{ApiError, Query, sse, task_id};
use task_service::{Opened, ServiceError, TrackEvent, TrackFrame, TrackOptions, TrackStart};

use super::row::{error, numbered};
use super::shape::{Flat, missing, stamp, word};
use crate::common::{Answer, Authorised, DropIn};

/// Streams a task's progress, then how it ended. `id:` is the number of the last progress entry.
#[utoipa::path(
    tag = "Tasks",
    params(
        ("id" = String, Path),
        ("afterSeqId" = Option<i64>, Query, description = "Only entries with a higher number; wins over `ignoreHistory`"),
        ("ignoreHistory" = Option<String>, Query, description = "Exactly `true`: start at now"),
        ("Last-Event-ID" = Option<i64>, Header, description = "Wins over both"),
    ),
    responses((status = 200, content_type = "text/event-stream", body = String), (status = 400, body = Value))
)]
#[get("/api/v1/tasks/{id}/track")]
pub(crate) async fn track_task(
    drop_in: web::Data<DropIn>,
    caller: Authorised<Flat>,
    request: HttpRequest,
    id: web::Path<String>,
) -> Answer<Flat> {
    let start = start(&request)?;
    let permit = Arc::clone(&drop_in.engine.streams).try_acquire_owned().map_err(|_| ApiError::TooManyStreams)?;
    let opened = async {
        let task = task_id(&id)?;
        drop_in.tasks.get(&caller.0, &task).await?;
        let options = TrackOptions { start, execution_id: None };
        Ok::<_, ApiError>(drop_in.engine.tracks.open(&caller.0, &task, options).await?)
    };
    match opened.await {
        Ok(Opened::Stream(stream)) => {
            let id = id.into_inner();
            let mut first = sse::opening().to_vec();
            if let Some(position) = stream.begins_at() {
                // No event, only the id: who is cut off before the first event resumes here.
                first.extend_from_slice(format!("id: {}\n\n", position.progress).as_bytes());
            }
            Ok(sse::follow(*stream, first.into(), permit, move |frame| render(&id, &frame)))
        }
        Ok(Opened::NothingLeft) => Ok(sse::response(stream::iter([Ok(sse::opening())]))),
        Err(ApiError::Service(ServiceError::TaskNotFound { .. })) => {
            let frame = Bytes::from(format!("event: error\ndata: Task {} not found\n\n", one_line(&id)));
            Ok(sse::response(stream::iter([Ok(frame)])))
        }
        Err(error) => Err(missing(&id)(error)),
    }
}

/// A path may hold anything; a frame ends at a line break.
fn one_line(text: &str) -> String {
    text.chars().take(64).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

fn start(request: &HttpRequest) -> Result<TrackStart, ApiError> {
    let mut query = Query::of(request.query_string())?;
    let after = query.get_with("afterSeqId", number);
    let ignored = query.get_with("ignoreHistory", |text| Ok(text == "true")).unwrap_or(false);
    query.finish_leniently()?;
    let resumed = sse::last_event_id(request, number)?;
    let otherwise = if ignored { TrackStart::Now } else { TrackStart::Beginning };
    Ok(resumed.or(after).map_or(otherwise, TrackStart::AfterProgress))
}

fn number(text: &str) -> Result<i64, String> {
    let number = text.trim().parse::<i64>().ok().filter(|n| *n >= 0);
    number.ok_or_else(|| "must be a whole number, 0 or more".to_owned())
}

/// The older service told of progress, and of the end.
fn render(task_id: &str, frame: &TrackFrame) -> Option<Bytes> {
    let (event, data, at) = match &frame.event {
        TrackEvent::Progress(entry) => ("progress", numbered(entry), entry.timestamp),
        TrackEvent::StatusChange(change) if change.status.is_terminal() => {
            ("status_change", outcome(change), change.timestamp)
        }
        _ => return None,
    };
    let data = json!({"event": event, "data": data, "taskId": task_id, "timestamp": stamp(at)});
    Some(Bytes::from(format!("id: {}\ndata: {data}\n\n", frame.position.progress)))
}

fn outcome(change: &StatusChange) -> Map<String, Value> {
    let mut data = Map::new();
    data.insert("status".into(), json!(word(change.status)));
    if let Some(result) = change.result.as_ref().filter(|result| !result.is_null()) {
        data.insert("result".into(), result.clone());
    }
    if let Some(error) = error(change.status, change.error.as_deref(), change.error_details.as_ref()) {
        data.insert("error".into(), error);
    }
    data
}
