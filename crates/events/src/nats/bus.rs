//! Events on JetStream.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_nats::connection::State;
use async_nats::jetstream::context::PublishErrorKind;
use async_nats::jetstream::stream::{Config, StorageType};
use async_nats::jetstream::{self, Context};
use async_nats::{Client, ConnectOptions, HeaderMap, ServerAddr};
use async_trait::async_trait;
use bytes::Bytes;
use chrono::SecondsFormat;
use task_protocols::{BusError, EventBus, OutboxEvent};

/// The stream that holds the events.
pub const STREAM: &str = "TASK_SERVICE";
const SUBJECT_PREFIX: &str = "task_service";
const SOURCE: &str = "/task_service";

/// How the stream is made when it is absent, and how long answers may take.
#[derive(Debug, Clone)]
pub struct NatsConfig {
    /// Repeated publishes within this time are stored once.
    pub duplicate_window: Duration,
    pub max_age: Duration,
    pub ack_timeout: Duration,
}

impl Default for NatsConfig {
    fn default() -> Self {
        Self {
            duplicate_window: Duration::from_secs(600),
            max_age: Duration::from_secs(7 * 24 * 3600),
            ack_timeout: Duration::from_secs(5),
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum NatsError {
    #[error("NATS_URL must be a list of nats://host:port, comma separated")]
    Url(#[source] std::io::Error),
    #[error("NATS refused the connection; check the credentials in NATS_URL")]
    Connect(#[source] async_nats::ConnectError),
}

/// Publishes to the stream `TASK_SERVICE`, which it creates when it is absent. Reconnects for ever.
pub struct NatsBus {
    client: Client,
    context: Context,
    config: NatsConfig,
    epoch: Arc<AtomicU64>,
    /// The epoch in which the stream was last seen to exist, plus one; 0 = not yet.
    stream_seen: AtomicU64,
    last_sequence: AtomicU64,
    told: AtomicBool,
}

impl NatsBus {
    /// Connects in the background: a server that is away now is waited for, and events wait in the
    /// outbox meanwhile. MUST be called on the main runtime, which then drives the connection.
    ///
    /// # Errors
    /// When the URL cannot be read.
    pub async fn connect(url: &str, config: NatsConfig) -> Result<Self, NatsError> {
        let servers: Vec<ServerAddr> =
            url.split(',').map(|part| part.trim().parse()).collect::<Result<_, _>>().map_err(NatsError::Url)?;
        let epoch = Arc::new(AtomicU64::new(0));
        let rising = Arc::clone(&epoch);
        let client = ConnectOptions::new()
            .name("task-service")
            .retry_on_initial_connect()
            // What this instance tells the others it knows already.
            .no_echo()
            .connection_timeout(Duration::from_secs(2))
            .ping_interval(Duration::from_secs(5))
            .reconnect_delay_callback(|attempts| Duration::from_millis((attempts as u64).saturating_mul(100).min(2000)))
            .event_callback(move |event| {
                if matches!(event, async_nats::Event::Connected) {
                    rising.fetch_add(1, Ordering::SeqCst);
                }
                tracing::info!(%event, "NATS");
                async {}
            })
            .connect(servers)
            .await
            .map_err(NatsError::Connect)?;
        let context = jetstream::new(client.clone());
        Ok(Self {
            client,
            context,
            config,
            epoch,
            stream_seen: AtomicU64::new(0),
            last_sequence: AtomicU64::new(0),
            told: AtomicBool::new(false),
        })
    }

    /// The connection, for hints.
    pub fn client(&self) -> Client {
        self.client.clone()
    }

    /// Sees to it that the stream exists, once for each epoch.
    async fn ensure_stream(&self) -> Result<(), BusError> {
        let epoch = self.epoch.load(Ordering::SeqCst) + 1;
        if self.stream_seen.load(Ordering::SeqCst) == epoch {
            return Ok(());
        }
        let wanted = Config {
            name: STREAM.into(),
            subjects: vec![format!("{SUBJECT_PREFIX}.>")],
            storage: StorageType::File,
            duplicate_window: self.config.duplicate_window,
            max_age: self.config.max_age,
            ..Config::default()
        };
        let stream = self.within(self.context.get_or_create_stream(wanted)).await?;
        let info = stream.cached_info();
        // An operator's own settings stand; he is told once what they mean.
        let short = info.config.duplicate_window < self.config.duplicate_window;
        if short && !self.told.swap(true, Ordering::SeqCst) {
            tracing::warn!(stream = STREAM, window = ?info.config.duplicate_window, "the stream's duplicate window is shorter than 10 min; events republished after a reconnect may be stored twice");
        }
        let seen = self.last_sequence.swap(info.state.last_sequence, Ordering::SeqCst);
        if info.state.last_sequence < seen {
            tracing::warn!(stream = STREAM, "the stream lost messages; publishing the last minutes again");
            self.epoch.fetch_add(1, Ordering::SeqCst);
        }
        self.stream_seen.store(self.epoch.load(Ordering::SeqCst) + 1, Ordering::SeqCst);
        Ok(())
    }

    /// Bounds the wait for the server.
    async fn within<T, E>(&self, work: impl IntoFuture<Output = Result<T, E>>) -> Result<T, BusError>
    where
        E: std::error::Error + Send + Sync + 'static,
    {
        match tokio::time::timeout(self.config.ack_timeout, work.into_future()).await {
            Ok(outcome) => outcome.map_err(BusError::unavailable),
            Err(elapsed) => Err(BusError::unavailable(elapsed)),
        }
    }

    fn connected(&self) -> Result<(), BusError> {
        match self.client.connection_state() {
            State::Connected => Ok(()),
            state => Err(BusError::unavailable(format!("the connection to NATS is {state}"))),
        }
    }
}

/// CloudEvents 1.0 in binary mode, and the id that JetStream deduplicates by.
fn headers(event: &OutboxEvent) -> HeaderMap {
    let event = &event.event;
    let mut headers = HeaderMap::new();
    let id = event.event_id.to_string();
    headers.insert("Nats-Msg-Id", id.as_str());
    headers.insert("ce-specversion", "1.0");
    headers.insert("ce-id", id.as_str());
    headers.insert("ce-type", event.event_type.as_str());
    headers.insert("ce-source", SOURCE);
    headers.insert("ce-subject", event.task_id.as_str());
    headers.insert("ce-time", event.occurred_at.to_rfc3339_opts(SecondsFormat::Micros, true).as_str());
    headers.insert("content-type", "application/json");
    headers
}

#[async_trait]
impl EventBus for NatsBus {
    async fn prepare(&self) -> Result<(), BusError> {
        self.connected()?;
        self.ensure_stream().await
    }

    async fn publish(&self, event: &OutboxEvent) -> Result<(), BusError> {
        self.connected()?;
        self.ensure_stream().await?;
        let subject = format!("{SUBJECT_PREFIX}.{}", event.event.event_type);
        let body = Bytes::copy_from_slice(event.event.payload.as_str().as_bytes());
        let sent = self.within(self.context.publish_with_headers(subject, headers(event), body)).await?;
        let ack = match tokio::time::timeout(self.config.ack_timeout, sent).await {
            Ok(Ok(ack)) => ack,
            Ok(Err(error)) => {
                if error.kind() == PublishErrorKind::StreamNotFound {
                    // Somebody removed it: look again, and tell again what it had.
                    self.epoch.fetch_add(1, Ordering::SeqCst);
                }
                return Err(BusError::unavailable(error));
            }
            Err(elapsed) => return Err(BusError::unavailable(elapsed)),
        };
        if !ack.duplicate {
            self.last_sequence.fetch_max(ack.sequence, Ordering::SeqCst);
        }
        Ok(())
    }

    fn epoch(&self) -> u64 {
        self.epoch.load(Ordering::SeqCst)
    }

    async fn check(&self) -> Result<(), BusError> {
        self.connected()?;
        self.within(self.client.flush()).await
    }
}
