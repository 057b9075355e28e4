//! Server-sent events: frames, keep-alive and headers.

use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::web::Bytes;
use futures::Stream;

/// A comment keeps proxies and clients from giving up on a silent stream.
pub const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// One frame; `data` must be one line, as JSON is.
pub fn frame(event: &str, id: &str, data: &str) -> Bytes {
    Bytes::from(format!("event: {event}\nid: {id}\ndata: {data}\n\n"))
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
