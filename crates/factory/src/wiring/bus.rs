//! The event bus and the hints, by `NATS_URL`.

use std::sync::Arc;

use secrecy::ExposeSecret;
use task_events::{InProcessBus, InProcessHints, NatsBus, NatsConfig, NatsHints};
use task_protocols::background::Background;
use task_protocols::{EventBus, HintBus};

use crate::config::Settings;
use crate::error::StartError;

/// What carries events and hints.
#[derive(Clone)]
pub(crate) struct Bus {
    /// `in_process` or `nats`.
    pub(crate) name: &'static str,
    pub(crate) events: Arc<dyn EventBus>,
    pub(crate) hints: Arc<dyn HintBus>,
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
        return Ok(Bus { name: "in_process", events: Arc::new(InProcessBus), hints });
    }
    let bus = NatsBus::connect(url, NatsConfig::default()).await.map_err(|e| StartError::Bus(Box::new(e)))?;
    let hints = NatsHints::new(bus.client(), instance_id, background);
    Ok(Bus { name: "nats", events: Arc::new(bus), hints: Arc::new(hints) })
}
