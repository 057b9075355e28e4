//! `GET /api/v1/events`: events for subscribers without NATS, on both engines.

use std::collections::VecDeque;
use std::sync::Arc;

use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, get, web};
use futures::stream;
use serde_json::Value;
use task_domain::EventType;
use task_protocols::{EventFilter, OutboxEvent};
use tokio::sync::{OwnedSemaphorePermit, broadcast};
use tokio::time::Instant;

use super::query::Query;
use super::tasks::dto::ErrorDto;
use crate::auth::Authenticated;
use crate::errors::ApiError;
use crate::event_feed::Batch;
use crate::sse;
use crate::state::ApiState;

const BATCH: i64 = 100;

/// Streams events: what a key's tenant, or a user's own tasks, were told of. `id:` is the event's
/// position; resume with it as `Last-Event-ID` or `after`. Without either it starts at now.
#[utoipa::path(
    tag = "Events",
    params(
        ("after" = Option<i64>, Query, description = "Only events with a higher position; 0 = everything kept"),
        ("types" = Option<String>, Query, description = "Comma separated, such as `task.created,task.executed`"),
        ("Last-Event-ID" = Option<i64>, Header, description = "Wins over `after`"),
    ),
    responses(
        (status = 200, description = "Frames `event: <type>`, `id: <position>`, `data: <payload>`", content_type = "text/event-stream", body = String),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto),
        (status = 410, description = "Events after that position are not kept any more", body = ErrorDto),
        (status = 422, body = ErrorDto), (status = 503, body = ErrorDto),
    )
)]
#[get("/api/v1/events")]
pub(crate) async fn stream_events(
    state: web::Data<ApiState>,
    caller: Authenticated,
    request: HttpRequest,
) -> Result<HttpResponse, ApiError> {
    caller.0.need_tasks()?;
    let mut query = Query::of(request.query_string())?;
    let after = query.get_with("after", position);
    let types = query.get_with("types", |text| {
        text.split(',').map(|t| t.trim().parse::<EventType>()).collect::<Result<Vec<_>, _>>()
    });
    query.finish()?;
    let resumed = sse::last_event_id(&request, position)?;
    let permit = Arc::clone(&state.streams).try_acquire_owned().map_err(|_| ApiError::TooManyStreams)?;
    // Listen before looking, so that nothing falls between.
    let feed = state.feed.subscribe();
    let (oldest, newest) = state.outbox.position_range().await?;
    let start = match resumed.or(after) {
        None => newest,
        // Everything kept.
        Some(0) => oldest.saturating_sub(1),
        Some(position) if position > newest || position + 1 < oldest => {
            return Err(ApiError::Gone {
                detail: "Events after that position are not kept any more; read the tasks and start at now",
            });
        }
        Some(position) => position,
    };
    let filter = EventFilter {
        tenant_id: Some(caller.0.tenant_id.clone()),
        user_id: caller.0.user_id().cloned(),
        types: types.unwrap_or_default(),
    };
    let follow = Follow {
        state,
        filter,
        feed,
        position: start,
        behind: true,
        ready: VecDeque::from([sse::opening()]),
        last_sent: Instant::now(),
        _permit: permit,
    };
    Ok(sse::response(stream::unfold(follow, |mut follow| async move {
        follow.next().await.map(|frame| (Ok(frame), follow))
    })))
}

fn position(text: &str) -> Result<i64, String> {
    text.trim()
        .parse::<i64>()
        .ok()
        .filter(|n| *n >= 0)
        .ok_or_else(|| "must be a position: a whole number, 0 or more".to_owned())
}

/// One subscriber's place in the stream.
struct Follow {
    state: web::Data<ApiState>,
    filter: EventFilter,
    feed: broadcast::Receiver<Batch>,
    /// Everything up to here was sent, or is not for this subscriber.
    position: i64,
    /// Whether the store knows more than the feed will bring.
    behind: bool,
    ready: VecDeque<Bytes>,
    last_sent: Instant,
    _permit: OwnedSemaphorePermit,
}

impl Follow {
    /// The next frame; `None` ends the stream (the store is away, or shutdown), and the client resumes.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                self.last_sent = Instant::now();
                return Some(frame);
            }
            if self.behind { self.catch_up().await? } else { self.listen().await? }
        }
    }

    /// Reads the next of what is kept. The newest position is asked for first: whatever is not for
    /// this subscriber up to there need not be looked at again.
    async fn catch_up(&mut self) -> Option<()> {
        let (_, newest) = self.state.outbox.position_range().await.ok()?;
        let events = self.state.outbox.events_after(&self.filter, self.position, BATCH).await.ok()?;
        self.behind = (events.len() as i64) >= BATCH;
        let last = events.last().and_then(|event| event.position);
        let reached = if self.behind { last } else { last.max(Some(newest)) };
        self.position = self.position.max(reached.unwrap_or_default());
        self.ready.extend(events.iter().map(frame));
        Some(())
    }

    async fn listen(&mut self) -> Option<()> {
        let stopping = self.state.background.stopping();
        tokio::select! {
            batch = self.feed.recv() => match batch {
                Ok(batch) => self.take(&batch),
                Err(broadcast::error::RecvError::Lagged(_)) => self.behind = true,
                Err(broadcast::error::RecvError::Closed) => return None,
            },
            () = tokio::time::sleep_until(self.last_sent + sse::KEEP_ALIVE) => self.ready.push_back(sse::comment("keep-alive")),
            () = stopping.cancelled() => return None,
        }
        Some(())
    }

    fn take(&mut self, batch: &[OutboxEvent]) {
        self.behind |= batch.is_empty();
        for event in batch {
            let position = event.position.unwrap_or_default();
            if position <= self.position {
                continue;
            }
            if position > self.position + 1 {
                self.behind = true;
                return;
            }
            self.position = position;
            if self.filter.fits(event) {
                self.ready.push_back(frame(event));
            }
        }
    }
}

fn frame(event: &OutboxEvent) -> Bytes {
    let data = Value::Object(event.event.payload.clone()).to_string();
    sse::frame(event.event.event_type.as_str(), &event.position.unwrap_or_default().to_string(), &data)
}
