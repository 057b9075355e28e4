//! `GET /api/v1/events`: events for subscribers without NATS, on both engines.

use std::sync::Arc;

use actix_web::{HttpRequest, HttpResponse, get, web};
use futures::{FutureExt, stream};
use task_domain::EventType;
use task_protocols::EventFilter;

use super::query::Query;
use super::tasks::dto::ErrorDto;
use crate::auth::Authenticated;
use crate::errors::ApiError;
use crate::event_stream::{EventSources, EventStream, Start};
use crate::sse;
use crate::state::ApiState;

/// Streams events: what a key's tenant (of the key's task types), or a user's own tasks, were told of. `id:` is the event's
/// position; resume with it as `Last-Event-ID` or `after`. Without either it starts at now. A frame with
/// nothing but an `id:` moves the position past events of others.
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
    let named = resumed.or(after);
    let position = match named {
        None => newest,
        // Everything kept; before the first event there is no lowest.
        Some(0) => (oldest - 1).max(0),
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
    let sources = EventSources {
        outbox: Arc::clone(&state.outbox),
        feed,
        task_types: caller.0.task_types().to_vec(),
        revoked: Arc::clone(&state.keys).until_revoked(caller.0).boxed(),
        stopping: state.background.stopping(),
    };
    let events = EventStream::new(sources, filter, Start { position, newest, named: named.is_some() });
    Ok(sse::response(stream::unfold((events, permit), |(mut events, permit)| async move {
        events.next().await.map(|frame| (Ok(frame), (events, permit)))
    })))
}

fn position(text: &str) -> Result<i64, String> {
    text.trim()
        .parse::<i64>()
        .ok()
        .filter(|n| *n >= 0)
        .ok_or_else(|| "must be a position: a whole number, 0 or more".to_owned())
}
