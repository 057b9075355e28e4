//! Server-sent events: frames, keep-alive, positions and headers.

use std::fmt::Display;
use std::time::Duration;

use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use futures::{Stream, stream};
use task_service::{TrackFrame, TrackStream};
use tokio::sync::OwnedSemaphorePermit;
use tokio::time::Instant;

use crate::errors::{ApiError, FieldError};

/// A comment keeps proxies and clients from giving up on a silent stream.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// One frame; `data` must be one line, as JSON is.
pub fn frame(event: &str, id: &str, data: &str) -> Bytes {
    Bytes::from(format!("event: {event}\nid: {id}\ndata: {data}\n\n"))
}

/// No event, only the position to resume at.
pub(crate) fn position(id: impl Display) -> Bytes {
    Bytes::from(format!("id: {id}\n\n"))
}

pub fn comment(text: &str) -> Bytes {
    Bytes::from(format!(": {text}\n\n"))
}

/// The first bytes: a comment at once, and how long to wait before coming back (1–5 s, so that
/// the clients of a restarted instance do not all return in one moment).
pub fn opening() -> Bytes {
    let retry = 1000 + u64::from(uuid::Uuid::new_v4().as_bytes()[0]) * 4000 / 255;
    Bytes::from(format!(": ok\nretry: {retry}\n\n"))
}

/// A response that streams frames, uncompressed and unbuffered by proxies.
pub fn response(stream: impl Stream<Item = Result<Bytes, actix_web::Error>> + 'static) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header(("Content-Type", "text/event-stream"))
        .insert_header(("Cache-Control", "no-cache, no-transform"))
        .insert_header(("X-Accel-Buffering", "no"))
        .streaming(stream)
}

/// The position that a client resumes after, if it names one.
pub fn last_event_id<T>(
    request: &HttpRequest,
    read: impl FnOnce(&str) -> Result<T, String>,
) -> Result<Option<T>, ApiError> {
    let mut values = request.headers().get_all("last-event-id");
    let read = match (values.next(), values.next()) {
        (None, _) => return Ok(None),
        (Some(value), None) => read(value.to_str().unwrap_or_default()),
        (Some(_), Some(_)) => Err("must be given once".to_owned()),
    };
    read.map(Some).map_err(|msg| ApiError::Invalid(vec![FieldError::header("Last-Event-ID", msg)]))
}

/// A task's stream as a response: `first` at once, then what `render` makes of each frame (`None`
/// leaves one out), and a comment whenever it has been silent for long. Holds `permit` to its end.
pub fn follow(
    stream: TrackStream,
    first: Bytes,
    permit: OwnedSemaphorePermit,
    render: impl FnMut(TrackFrame) -> Option<Bytes> + 'static,
) -> HttpResponse {
    let state = (stream, render, Some(first), Instant::now(), permit);
    response(stream::unfold(state, |(mut stream, mut render, first, mut last_sent, permit)| async move {
        if let Some(first) = first {
            return Some((Ok(first), (stream, render, None, Instant::now(), permit)));
        }
        let bytes = loop {
            match tokio::time::timeout_at(last_sent + KEEP_ALIVE, stream.next()).await {
                Ok(Some(frame)) => match render(frame) {
                    Some(bytes) => break bytes,
                    None => continue,
                },
                Ok(None) => return None,
                Err(_) => break comment("keep-alive"),
            }
        };
        last_sent = Instant::now();
        Some((Ok(bytes), (stream, render, None, last_sent, permit)))
    }))
}
