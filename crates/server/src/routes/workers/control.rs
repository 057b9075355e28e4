//! `GET /api/v1/workers/{worker_id}/control`: a worker learns at once what is taken from it.

use std::collections::VecDeque;
use std::sync::Arc;

use actix_web::web::Bytes;
use actix_web::{HttpResponse, get, web};
use futures::future::BoxFuture;
use futures::{FutureExt, stream};
use serde_json::json;
use task_protocols::{LeaseTaken, Taken};
use task_service::Caller;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::auth::Authenticated;
use crate::errors::{ApiError, FieldError};
use crate::routes::tasks::dto::ErrorDto;
use crate::sse;
use crate::state::ApiState;

/// Streams what a worker must stop: `cancel` (its task was cancelled or deleted), `lease_lost` (its
/// lease ran out, or the run its deadline), both with `{"task_id", "execution_id", "reason",
/// "message"}`, and `drain` when this instance shuts down. What is taken while no stream is open is
/// told by the 409 of the next heartbeat. A key that is limited to task types is told of these only. The
/// stream ends when its key is revoked or expires.
#[utoipa::path(
    tag = "Workers",
    params(("worker_id" = String, Path)),
    responses(
        (status = 200, description = "Frames `event: cancel|lease_lost|drain`, `data: …`", content_type = "text/event-stream", body = String),
        (status = 401, body = ErrorDto), (status = 403, body = ErrorDto), (status = 422, body = ErrorDto), (status = 503, body = ErrorDto),
    )
)]
#[get("/api/v1/workers/{worker_id}/control")]
pub(crate) async fn control(
    state: web::Data<ApiState>,
    caller: Authenticated,
    worker_id: web::Path<String>,
) -> Result<HttpResponse, ApiError> {
    state.workers.allow(&caller.0)?;
    if worker_id.chars().count() > 255 || worker_id.chars().any(char::is_control) {
        let problem = FieldError::path("worker_id", "must be 1 to 255 printable characters");
        return Err(ApiError::Invalid(vec![problem]));
    }
    let permit = Arc::clone(&state.streams).try_acquire_owned().map_err(|_| ApiError::TooManyStreams)?;
    let follow = Follow {
        taken: state.control.listen(&caller.0.tenant_id, &worker_id),
        revoked: Arc::clone(&state.keys).until_revoked(caller.0.clone()).boxed(),
        caller: caller.0,
        stopping: state.background.stopping(),
        ready: VecDeque::from([sse::opening()]),
        last_sent: Instant::now(),
        ended: false,
        _permit: permit,
    };
    Ok(sse::response(stream::unfold(follow, |mut follow| async move {
        follow.next().await.map(|frame| (Ok(frame), follow))
    })))
}

struct Follow {
    taken: mpsc::Receiver<LeaseTaken>,
    /// Comes true when the worker's key stands no more.
    revoked: BoxFuture<'static, ()>,
    caller: Caller,
    stopping: CancellationToken,
    ready: VecDeque<Bytes>,
    last_sent: Instant,
    ended: bool,
    _permit: OwnedSemaphorePermit,
}

impl Follow {
    async fn next(&mut self) -> Option<Bytes> {
        let frame = match self.ready.pop_front() {
            Some(frame) => frame,
            None if self.ended || (&mut self.revoked).now_or_never().is_some() => return None,
            None => self.listen().await?,
        };
        self.last_sent = Instant::now();
        Some(frame)
    }

    /// The next frame; `None` when the listener fell behind, and the worker comes back, or when its key
    /// stands no more.
    async fn listen(&mut self) -> Option<Bytes> {
        let caller = &self.caller;
        let of_its_types = async {
            loop {
                match self.taken.recv().await {
                    Some(taken) if !caller.may_use_type(&taken.task_type) => {}
                    taken => return taken,
                }
            }
        };
        tokio::select! {
            taken = of_its_types => taken.as_ref().map(frame),
            () = tokio::time::sleep_until(self.last_sent + sse::KEEP_ALIVE) => Some(sse::comment("keep-alive")),
            () = &mut self.revoked => None,
            () = self.stopping.cancelled() => {
                self.ended = true;
                Some(Bytes::from_static(b"event: drain\ndata: {\"reason\":\"the instance is shutting down\"}\n\n"))
            }
        }
    }
}

fn frame(taken: &LeaseTaken) -> Bytes {
    let event = match taken.kind {
        Taken::Cancel => "cancel",
        Taken::LeaseLost => "lease_lost",
    };
    let data = json!({
        "task_id": taken.task_id, "execution_id": taken.execution_id,
        "reason": taken.reason, "message": taken.message,
    });
    Bytes::from(format!("event: {event}\ndata: {data}\n\n"))
}
