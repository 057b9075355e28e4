//! The event bus and the hints, by `NATS_URL`.

use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use task_events::{
    InProcessBus, InProcessHints, NatsBus, NatsConfig, NatsHints, Relay, RelayConfig, tell_of_published,
};
use task_protocols::background::Background;
use task_protocols::{EventBus, HintBus};

use super::engine::{Stores, publishes_at_commit};
use crate::config::Settings;
use crate::error::StartError;

/// What carries events and hints.
#[derive(Clone)]
pub(crate) struct Bus {
    /// `in_process` or `nats`.
    pub(crate) name: &'static str,
    pub(crate) events: Arc<dyn EventBus>,
    pub(crate) hints: Arc<dyn HintBus>,
    /// For subscriptions; `None` in process.
    pub(crate) nats: Option<Arc<NatsBus>>,
}

/// `background` runs what carries hints to and from NATS.
pub(crate) async fn connect(
    settings: &Settings,
    instance_id: &str,
    background: &Background,
) -> Result<Bus, StartError> {
    let url = settings.nats.url.expose_secret();
    if url.is_empty() {
        let hints = Arc::new(InProcessHints::default());
        return Ok(Bus { name: "in_process", events: Arc::new(InProcessBus), hints, nats: None });
    }
    let max_age = Duration::from_secs(settings.retention.stream_days * 86_400);
    let config = NatsConfig { max_age, ..NatsConfig::default() };
    let bus = NatsBus::connect(url, config).await.map_err(|e| StartError::Bus(Box::new(e)))?;
    let bus = Arc::new(bus);
    let hints = NatsHints::new(bus.client(), instance_id, background);
    // A server that is away must not keep this instance from serving.
    hints.wait_until_listening(Duration::from_secs(2)).await;
    Ok(Bus { name: "nats", events: bus.clone(), hints: Arc::new(hints), nats: Some(bus) })
}

/// Starts what takes committed events on.
pub(crate) fn start_relay(settings: &Settings, stores: &Stores, bus: &Bus, background: &Background) {
    let config = RelayConfig::default();
    if publishes_at_commit(settings) {
        let hints = Arc::clone(&bus.hints);
        background.supervise("events", move |stop| tell_of_published(Arc::clone(&hints), config.pace, stop));
        return;
    }
    let relay = Arc::new(Relay::new(Arc::clone(&stores.outbox), bus.events.clone(), bus.hints.clone(), config));
    background.supervise("relay", move |stop| {
        let relay = Arc::clone(&relay);
        async move { relay.run(stop).await }
    });
}
