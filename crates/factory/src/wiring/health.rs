//! What `/health/detailed` asks.

use std::sync::Arc;

use async_trait::async_trait;
use task_clients::HttpProbe;
use task_protocols::{EventBus, HealthProbe, ProbeError, TaskStore};
use task_server::Dependency;

use super::Bus;
use super::engine::Stores;
use crate::config::Settings;
use crate::error::StartError;

struct DatabaseProbe(Arc<dyn TaskStore>);

#[async_trait]
impl HealthProbe for DatabaseProbe {
    async fn probe(&self) -> Result<(), ProbeError> {
        Ok(self.0.ping().await?)
    }
}

struct BusProbe(Arc<dyn EventBus>);

#[async_trait]
impl HealthProbe for BusProbe {
    async fn probe(&self) -> Result<(), ProbeError> {
        Ok(self.0.check().await?)
    }
}

/// The database is critical. Without the bus events wait in the outbox, and a neighbour that is away
/// fails single calls.
pub(crate) fn dependencies(settings: &Settings, stores: &Stores, bus: &Bus) -> Result<Vec<Dependency>, StartError> {
    let database: Arc<dyn HealthProbe> = Arc::new(DatabaseProbe(Arc::clone(&stores.tasks)));
    let event_bus: Arc<dyn HealthProbe> = Arc::new(BusProbe(Arc::clone(&bus.events)));
    let consul = match settings.consul.host.as_str() {
        "" => String::new(),
        host => format!("http://{host}:{}", settings.consul.port),
    };
    let neighbours = &settings.neighbours;
    let mut dependencies = vec![
        Dependency { name: "database", critical: true, probe: Some(database) },
        Dependency { name: "event_bus", critical: false, probe: Some(event_bus) },
    ];
    for (name, url, path) in [
        ("notification", &neighbours.notification_url, "/health"),
        ("calendar", &neighbours.calendar_url, "/health"),
        ("account", &neighbours.account_url, "/health"),
        ("consul", &consul, "/v1/status/leader"),
    ] {
        let probe: Option<Arc<dyn HealthProbe>> = match url.as_str() {
            "" => None,
            url => Some(Arc::new(HttpProbe::new(url, path).map_err(|e| StartError::Internal(e.to_string()))?)),
        };
        dependencies.push(Dependency { name, critical: false, probe });
    }
    Ok(dependencies)
}
