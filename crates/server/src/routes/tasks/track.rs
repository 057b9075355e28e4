//! `GET /api/v1/tasks/{task_id}/track`: a task's progress and changes of status, live.

use std::sync::Arc;

use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, get, web};
use chrono::{DateTime, Utc};
use serde::Serialize;
use serde_json::{Value, json};
use task_protocols::{StatusChange, TrackPosition};
use task_service::{Opened, TrackEvent, TrackFrame, TrackOptions, TrackStart};
use uuid::Uuid;

use super::dto::ErrorDto;
use super::record::ProgressDto;
use crate::auth::Authenticated;
use crate::errors::ApiError;
use crate::routes::query::{Query, task_id};
use crate::sse;
use crate::state::ApiState;

/// Streams a task's progress entries and changes of status, in order, each once: what is kept after
/// the position named, then what comes. `id:` is `<progress>-<status>`; resume with it as
/// `Last-Event-ID` or `after_seq_id`. A bare number is a progress position. Closes after a terminal
/// status, or with the attempt that `execution_id` names.
#[utoipa::path(
    tag = "Tasks",
    params(
        ("task_id" = String, Path),
        ("after_seq_id" = Option<String>, Query, description = "Only what follows this position, such as `12-7`, or `12` for progress entry 12; `afterSeqId` is the same"),
        ("ignore_history" = Option<bool>, Query, description = "Start at now, unless a position is given"),
        ("execution_id" = Option<Uuid>, Query, description = "Only this attempt, to its end"),
        ("Last-Event-ID" = Option<String>, Header, description = "Wins over `after_seq_id`"),
    ),
    responses(
        (status = 200, description = "Frames `progress`, `status_change` and, when entries after the position are not kept any more, `truncated` (`docs/STREAMS.md`)", content_type = "text/event-stream", body = String),
        (status = 204, description = "The task is finished, and the position is behind its last entry: there is nothing to come back for"),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 404, body = ErrorDto), (status = 422, body = ErrorDto),
        (status = 503, body = ErrorDto),
    )
)]
#[get("/api/v1/tasks/{task_id}/track")]
pub(crate) async fn track_task(
    state: web::Data<ApiState>,
    caller: Authenticated,
    request: HttpRequest,
    id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    let options = options(&request)?;
    let permit = Arc::clone(&state.streams).try_acquire_owned().map_err(|_| ApiError::TooManyStreams)?;
    let id = task_id(&id)?;
    let Opened::Stream(stream) = state.tracks.open(&caller.0, &id, options).await? else {
        return Ok(HttpResponse::NoContent().finish());
    };
    let mut first = sse::opening().to_vec();
    if let Some(position) = stream.begins_at() {
        // Who is cut off before the first event resumes here.
        first.extend_from_slice(&sse::position(written(position)));
    }
    Ok(sse::follow(*stream, first.into(), permit, move |frame| Some(render(id.as_str(), &frame))))
}

fn options(request: &HttpRequest) -> Result<TrackOptions, ApiError> {
    let mut query = Query::of(request.query_string())?;
    let after = query.get_with("after_seq_id", start);
    let after = query.get_with("afterSeqId", start).or(after);
    let ignore_history = query.flag("ignore_history");
    let execution_id =
        query.get_with("execution_id", |text| Uuid::try_parse(text).map_err(|_| "must be a UUID".to_owned()));
    query.finish()?;
    let otherwise = if ignore_history { TrackStart::Now } else { TrackStart::Beginning };
    let start = sse::last_event_id(request, start)?.or(after).unwrap_or(otherwise);
    Ok(TrackOptions { start, execution_id })
}

/// A position as text: `12-7`, or `12`.
fn start(text: &str) -> Result<TrackStart, String> {
    let number = |text: &str| {
        let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        text.parse::<i64>().ok().filter(|_| digits)
    };
    let text = text.trim();
    let start = match text.split_once('-') {
        None => number(text).map(TrackStart::AfterProgress),
        Some((progress, status)) => number(progress)
            .zip(number(status))
            .map(|(progress, status)| TrackStart::After(TrackPosition { progress, status })),
    };
    start.ok_or_else(|| "must be the id of an event of this stream, such as 12-7, or a progress number".to_owned())
}

fn written(position: TrackPosition) -> String {
    format!("{}-{}", position.progress, position.status)
}

/// A change of status, as a frame carries it.
#[derive(Serialize)]
struct StatusDto<'a> {
    task_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    execution_id: Option<Uuid>,
    status: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    result: Option<&'a Value>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<&'a str>,
    timestamp: DateTime<Utc>,
}

fn render(task_id: &str, frame: &TrackFrame) -> Bytes {
    let change = |change: &StatusChange, status: &'static str| {
        json!(StatusDto {
            task_id,
            execution_id: change.execution_id,
            status,
            result: change.result.as_ref(),
            error: change.error.as_deref(),
            timestamp: change.timestamp,
        })
    };
    let (event, data) = match &frame.event {
        TrackEvent::Progress(entry) => ("progress", json!(ProgressDto::new(task_id, entry.as_ref().clone()))),
        TrackEvent::StatusChange(moved) => ("status_change", change(moved, moved.status.as_str())),
        TrackEvent::ExecutionEnded(ended) => {
            ("status_change", change(ended, ended.ended.map_or(ended.status.as_str(), |status| status.as_str())))
        }
        TrackEvent::Truncated { first_seq_id } => {
            ("truncated", json!({"task_id": task_id, "first_seq_id": first_seq_id}))
        }
    };
    sse::frame(event, &written(frame.position), &data.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_read_strictly() {
        let after = |progress, status| TrackStart::After(TrackPosition { progress, status });
        for (text, expected) in [
            ("0", Some(TrackStart::AfterProgress(0))),
            ("12", Some(TrackStart::AfterProgress(12))),
            (" 12-7 ", Some(after(12, 7))),
            ("0-0", Some(after(0, 0))),
            ("9223372036854775807", Some(TrackStart::AfterProgress(i64::MAX))),
            ("", None),
            ("-", None),
            ("-1", None),
            ("+1", None),
            ("1-", None),
            ("-7", None),
            ("1-2-3", None),
            ("1.5", None),
            ("x", None),
            ("9223372036854775808", None),
            ("٣", None),
        ] {
            assert_eq!(start(text).ok(), expected, "{text:?}");
        }
    }
}
