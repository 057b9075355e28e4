//! `GET /api/v1/events`: events for subscribers without NATS, on both engines.

use std::collections::VecDeque;
use std::time::Duration;

use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse, get, web};
use futures::stream;
use serde_json::Value;
use task_domain::EventType;
use task_protocols::{EventFilter, Hint, OutboxEvent};
use task_service::Access;
use tokio::sync::broadcast;
use tokio::time::Instant;

use super::query::Query;
use super::tasks::dto::ErrorDto;
use crate::auth::Authenticated;
use crate::errors::ApiError;
use crate::sse;
use crate::state::ApiState;

/// Hints may be lost: so often a stream looks by itself.
const LOOK_EVERY: Duration = Duration::from_secs(1);
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
        (status = 401, body = ErrorDto),
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
    let mut query = Query::of(request.query_string())?;
    let after = query.get_with("after", position);
    let types = query.get_with("types", |text| {
        text.split(',').map(|t| t.trim().parse::<EventType>()).collect::<Result<Vec<_>, _>>()
    });
    query.finish()?;
    let resumed = match request.headers().get("last-event-id").map(|value| position(value.to_str().unwrap_or_default()))
    {
        Some(Ok(position)) => Some(position),
        Some(Err(message)) => {
            return Err(ApiError::Invalid(vec![crate::errors::FieldError {
                loc: vec!["header".into(), "Last-Event-ID".into()],
                msg: message,
                kind: "value_error",
            }]));
        }
        None => None,
    };
    // Listen before looking, so that nothing falls between.
    let hints = state.hints.subscribe();
    let (oldest, newest) = state.outbox.position_range().await?;
    let start = resumed.or(after).unwrap_or(newest);
    if newest > 0 && start < newest && start + 1 < oldest {
        return Err(ApiError::Gone {
            detail: "Events after that position are not kept any more; read the tasks and start at now",
        });
    }
    let user_id = match &caller.0.access {
        Access::User { user_id, .. } => Some(user_id.clone()),
        Access::Key { .. } => caller.0.user_id().cloned(),
    };
    let filter = EventFilter { tenant_id: caller.0.tenant_id.clone(), user_id, types: types.unwrap_or_default() };
    let follow = Follow {
        state,
        filter,
        hints,
        position: start,
        ready: VecDeque::from([sse::opening()]),
        last_sent: Instant::now(),
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
    hints: broadcast::Receiver<Hint>,
    position: i64,
    ready: VecDeque<Bytes>,
    last_sent: Instant,
}

impl Follow {
    /// The next frame; `None` ends the stream (the store is away, or shutdown), and the client resumes.
    async fn next(&mut self) -> Option<Bytes> {
        loop {
            if let Some(frame) = self.ready.pop_front() {
                self.last_sent = Instant::now();
                return Some(frame);
            }
            let events = self.state.outbox.events_after(&self.filter, self.position, BATCH).await.ok()?;
            if events.is_empty() {
                if self.last_sent.elapsed() >= sse::KEEP_ALIVE {
                    self.ready.push_back(sse::comment("keep-alive"));
                    continue;
                }
                self.wait().await?;
            }
            for event in events {
                self.position = event.position.unwrap_or(self.position);
                self.ready.push_back(frame(&event));
            }
        }
    }

    async fn wait(&mut self) -> Option<()> {
        let stopping = self.state.background.stopping();
        let told = async {
            loop {
                match self.hints.recv().await {
                    Ok(Hint::EventsPublished) | Err(broadcast::error::RecvError::Lagged(_)) => return,
                    Ok(_) => {}
                    Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
                }
            }
        };
        tokio::select! {
            () = told => Some(()),
            () = tokio::time::sleep(LOOK_EVERY) => Some(()),
            () = stopping.cancelled() => None,
        }
    }
}

fn frame(event: &OutboxEvent) -> Bytes {
    let data = Value::Object(event.event.payload.clone()).to_string();
    sse::frame(event.event.event_type.as_str(), &event.position.unwrap_or_default().to_string(), &data)
}
