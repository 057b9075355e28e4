//! Subscriptions to other services' events.
//!
//! Where a stream carries a subject, a durable consumer reads it: nothing is missed while this
//! service is away. Otherwise a queue subscription does, of which one instance gets each message.

use std::sync::Arc;
use std::time::Duration;

use async_nats::jetstream::consumer::{AckPolicy, pull};
use async_nats::jetstream::{self, AckKind};
use async_nats::{Client, HeaderMap};
use chrono::DateTime;
use futures::StreamExt;
use task_protocols::background::Background;
use task_protocols::{InboundError, InboundEvent, InboundEventHandler, InboundKind};
use tokio_util::sync::CancellationToken;

/// The queue group, and the beginning of the consumers' names.
const GROUP: &str = "task_service";
/// A message that failed so often is set aside.
const TRIES: i64 = 5;
/// While a message is worked at, the server is told so in good time before it gives it to another.
const ACK_WAIT: Duration = Duration::from_secs(30);
const STILL_AT_IT: Duration = Duration::from_secs(10);
/// So often a subject that no stream carries is looked at again.
const LOOK_AGAIN: Duration = Duration::from_secs(30);

/// What became of a message; for metrics.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum InboundOutcome {
    Handled,
    /// To be tried again.
    Failed,
    /// Not tried any more: the log says which, and why.
    SetAside,
}

impl InboundOutcome {
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Handled => "handled",
            Self::Failed => "failed",
            Self::SetAside => "set_aside",
        }
    }
}

/// What is subscribed to, and who handles it.
#[derive(Clone)]
pub struct Inbound {
    pub client: Client,
    pub handler: Arc<dyn InboundEventHandler>,
    /// Told of every outcome.
    pub observe: Arc<dyn Fn(InboundKind, InboundOutcome) + Send + Sync>,
    /// Wait before the second try; it doubles with each further one.
    pub first_wait: Duration,
}

impl Inbound {
    /// Reads a subject until shutdown, supervised; `name` is the loop's.
    pub fn start(self, background: &Background, name: &'static str, kind: InboundKind, subject: String) {
        background.supervise(name, move |stop| {
            let (inbound, subject) = (self.clone(), subject.clone());
            async move { inbound.run(kind, &subject, stop).await }
        });
    }

    async fn run(&self, kind: InboundKind, subject: &str, stop: CancellationToken) {
        let context = jetstream::new(self.client.clone());
        while !stop.is_cancelled() {
            let found = tokio::select! {
                found = context.stream_by_subject(subject) => found,
                () = stop.cancelled() => return,
            };
            let ended = match found {
                Ok(stream) => self.read_stream(&context, &stream, kind, subject, &stop).await,
                Err(_) => self.read_queue(kind, subject, &stop).await,
            };
            if let Err(error) = ended {
                tracing::warn!(
                    subject,
                    error = error.as_ref() as &dyn std::error::Error,
                    "a subscription ended; subscribing again"
                );
                pause(&stop, Duration::from_secs(1)).await;
            }
        }
    }

    async fn read_stream(
        &self,
        context: &jetstream::Context,
        stream: &str,
        kind: InboundKind,
        subject: &str,
        stop: &CancellationToken,
    ) -> Result<(), async_nats::Error> {
        let name = durable_name(subject);
        let config = pull::Config {
            durable_name: Some(name.clone()),
            filter_subject: subject.to_owned(),
            ack_policy: AckPolicy::Explicit,
            ack_wait: ACK_WAIT,
            ..pull::Config::default()
        };
        let consumer = context.get_stream(stream).await?.get_or_create_consumer(&name, config).await?;
        let mut messages = consumer.messages().await?;
        tracing::info!(subject, stream, consumer = name, "reading in-bound events");
        loop {
            let message = tokio::select! {
                message = messages.next() => message,
                () = stop.cancelled() => return Ok(()),
            };
            let Some(message) = message.transpose()? else { return Ok(()) };
            let (tries, published_at, position) = match message.info() {
                Ok(info) => {
                    let nanos = i64::try_from(info.published.unix_timestamp_nanos()).unwrap_or_default();
                    let position = format!("{}:{}", info.stream, info.stream_sequence);
                    (info.delivered, Some(DateTime::from_timestamp_nanos(nanos)), Some(position))
                }
                Err(_) => (1, None, None),
            };
            let event = read(kind, &message.message, position, published_at);
            let outcome = {
                let handling = self.handle(kind, event, tries, subject);
                tokio::pin!(handling);
                loop {
                    tokio::select! {
                        outcome = &mut handling => break outcome,
                        () = tokio::time::sleep(STILL_AT_IT) => message.ack_with(AckKind::Progress).await?,
                    }
                }
            };
            match outcome {
                InboundOutcome::Handled => message.ack().await?,
                InboundOutcome::SetAside => message.ack_with(AckKind::Term).await?,
                InboundOutcome::Failed => message.ack_with(AckKind::Nak(Some(self.wait(tries)))).await?,
            }
        }
    }

    async fn read_queue(
        &self,
        kind: InboundKind,
        subject: &str,
        stop: &CancellationToken,
    ) -> Result<(), async_nats::Error> {
        let mut messages = self.client.queue_subscribe(subject.to_owned(), GROUP.to_owned()).await?;
        tracing::info!(subject, "no stream carries this subject: what is published while no instance runs is missed");
        let mut look = tokio::time::interval(LOOK_AGAIN);
        look.reset();
        loop {
            let message = tokio::select! {
                message = messages.next() => message,
                _ = look.tick() => {
                    if jetstream::new(self.client.clone()).stream_by_subject(subject).await.is_ok() {
                        return Ok(());
                    }
                    continue;
                }
                () = stop.cancelled() => return Ok(()),
            };
            let Some(message) = message else { return Err("the subscription was closed".into()) };
            self.until_settled(kind, &message, subject, stop).await;
        }
    }

    /// Without a stream nobody else keeps the message: it is tried here until it is settled.
    async fn until_settled(
        &self,
        kind: InboundKind,
        message: &async_nats::Message,
        subject: &str,
        stop: &CancellationToken,
    ) {
        for tries in 1.. {
            let event = read(kind, message, None, None);
            if self.handle(kind, event, tries, subject).await != InboundOutcome::Failed {
                return;
            }
            pause(stop, self.wait(tries)).await;
            if stop.is_cancelled() {
                tracing::warn!(subject, "stopping with an in-bound event that was not handled");
                return;
            }
        }
    }

    /// One try. What failed too often, or cannot be read, is set aside; what waits for something that is
    /// away is tried until it is back, however long that takes.
    async fn handle(
        &self,
        kind: InboundKind,
        event: Result<InboundEvent, InboundError>,
        tries: i64,
        subject: &str,
    ) -> InboundOutcome {
        let event_id = event.as_ref().ok().and_then(|event| event.event_id.clone());
        let handled = match event {
            Ok(event) => self.handler.handle(&event).await,
            Err(error) => Err(error),
        };
        let outcome = match handled {
            Ok(()) => InboundOutcome::Handled,
            Err(InboundError::Unavailable(_)) => InboundOutcome::Failed,
            Err(_) if tries >= TRIES => InboundOutcome::SetAside,
            Err(_) => InboundOutcome::Failed,
        };
        if let Err(error) = &handled {
            let error = error as &dyn std::error::Error;
            if outcome == InboundOutcome::SetAside {
                tracing::error!(subject, event_id, tries, error, "an in-bound event is set aside");
            } else {
                tracing::warn!(subject, event_id, tries, error, "an in-bound event was not handled; trying again");
            }
        }
        (self.observe)(kind, outcome);
        outcome
    }

    fn wait(&self, tries: i64) -> Duration {
        let doubled = u32::try_from(tries.clamp(1, 6) - 1).unwrap_or_default();
        self.first_wait * 2_u32.pow(doubled)
    }
}

/// Names of consumers have no dots.
fn durable_name(subject: &str) -> String {
    let plain = |c: char| if c.is_ascii_alphanumeric() { c } else { '_' };
    format!("{GROUP}-{}", subject.chars().map(plain).collect::<String>())
}

/// The event of a message. Its id is the header's, else the body's, else its place in the stream.
fn read(
    kind: InboundKind,
    message: &async_nats::Message,
    position: Option<String>,
    published_at: Option<DateTime<chrono::Utc>>,
) -> Result<InboundEvent, InboundError> {
    let payload: serde_json::Value = serde_json::from_slice(&message.payload)
        .map_err(|error| InboundError::Unreadable(format!("the body is no JSON: {error}")))?;
    let headers = message.headers.as_ref();
    let header = |name: &str| headers.and_then(|h: &HeaderMap| h.get(name)).map(|value| value.as_str().to_owned());
    let body = |name: &str| payload.get(name).and_then(|id| id.as_str()).map(str::to_owned);
    let event_id = header("Nats-Msg-Id")
        .or_else(|| header("ce-id"))
        .or_else(|| body("event_id"))
        .or_else(|| body("id"))
        .filter(|id| !id.is_empty() && id.len() <= 255)
        .or(position);
    let told = header("ce-time").and_then(|time| DateTime::parse_from_rfc3339(&time).ok()).map(|at| at.to_utc());
    Ok(InboundEvent {
        kind,
        event_id,
        subject: message.subject.to_string(),
        payload,
        published_at: told.or(published_at),
    })
}

async fn pause(stop: &CancellationToken, time: Duration) {
    tokio::select! {
        () = tokio::time::sleep(time) => {}
        () = stop.cancelled() => {}
    }
}
