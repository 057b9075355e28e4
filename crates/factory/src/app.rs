//! The application: everything wired, listening and running; and its orderly end.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use task_protocols::background::Background;
use tokio::runtime::Handle;
use uuid::Uuid;

use crate::config::Settings;
use crate::drop_in::DropIns;
use crate::error::StartError;
use crate::wiring::file_lock::{self, FileLock};
use crate::wiring::{self, engine};

/// After so long the process ends whatever still runs; leases and outbox make that safe.
const GRACE: Duration = Duration::from_secs(7);
const FLUSH: Duration = Duration::from_secs(2);

/// A running instance.
pub struct Application {
    address: SocketAddr,
    engine: &'static str,
    bus: &'static str,
    server: ServerHandle,
    drop_ins: DropIns,
    /// Loops, executions and requests.
    work: Background,
    /// What tells the world of their changes; ends after them.
    relay: Background,
    /// Given up last: another service may have the database then.
    _file_lock: Option<FileLock>,
}

impl Application {
    /// Opens, wires, starts and listens.
    ///
    /// # Errors
    /// When nobody could call it, or the database, the bus or the port cannot be had; nothing runs then.
    pub async fn build(settings: Settings, migrate: bool) -> Result<Self, StartError> {
        settings.check_access()?;
        let requested = format!("{}:{}", settings.service.host, settings.service.port);
        let listen = |source| StartError::Listen { address: requested.clone(), source };
        let listener = TcpListener::bind(&requested).map_err(listen)?;
        let address = listener.local_addr().map_err(listen)?;
        let mut drop_ins = DropIns::bind(&settings)?;
        let instance_id = Uuid::now_v7().to_string();
        let (work, relay) = (Background::new(Handle::current()), Background::new(Handle::current()));
        let stores = engine::open(&settings, migrate).await?;
        let file_lock = file_lock::take(&settings)?;
        if !settings.has_credentials() && !stores.api_keys.any_key().await? {
            return Err(StartError::NoCredentials);
        }
        let bus = wiring::connect_bus(&settings, &instance_id, &relay).await?;
        wiring::start_consul(&settings, address, &instance_id, &work)?;
        let state = wiring::wire(&settings, &stores, &bus, instance_id, &work, &relay).await?;
        wiring::start_relay(&settings, &stores, &bus, &relay);
        let state = Arc::new(state);
        drop_ins.serve(&settings, &state, &relay)?;
        let server = task_server::run(listener, state, settings.service.http_workers)?;
        let handle = server.handle();
        relay.spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "the HTTP server ended");
            }
        });
        Ok(Self {
            address,
            engine: stores.name,
            bus: bus.name,
            server: handle,
            drop_ins,
            work,
            relay,
            _file_lock: file_lock,
        })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The drop-in APIs that are served, by name.
    pub fn drop_ins(&self) -> Vec<(&'static str, SocketAddr)> {
        self.drop_ins.up().map(|(api, address)| (api.origin.as_str(), address)).collect()
    }

    pub(crate) fn served_beside(&self) -> &DropIns {
        &self.drop_ins
    }

    /// `sqlite` or `postgres`.
    pub fn engine(&self) -> &'static str {
        self.engine
    }

    /// `in_process` or `nats`.
    pub fn bus(&self) -> &'static str {
        self.bus
    }

    /// Ends in order: not ready any more; requests and executions finish or are given back; then
    /// the relay publishes what they left in the outbox.
    pub async fn stop(self) {
        tracing::info!("stopping");
        let (.., finished) = tokio::join!(self.server.stop(true), self.drop_ins.stop(), self.work.shut_down(GRACE));
        if !finished {
            tracing::warn!("some work did not end in time; its leases will run out and others take it over");
        }
        if !self.relay.shut_down(FLUSH).await {
            tracing::warn!(
                "the outbox was not flushed in time; its events follow at the next start or from another instance"
            );
        }
        tracing::info!("stopped");
    }
}
