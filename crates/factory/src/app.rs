//! The application: everything wired, listening and running; and its orderly end.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use secrecy::ExposeSecret;
use task_clients::{HttpNotificationClient, NoNotifications};
use task_events::{InProcessBus, InProcessHints, NatsBus, NatsConfig, NatsHints, Relay, RelayConfig};
use task_executors::{OutboundPolicy, builtin};
use task_protocols::background::Background;
use task_protocols::{EventBus, HintBus, NotificationClient};
use task_server::{ApiState, EventFeed, Metrics, ServiceInfo};
use task_service::{
    ExecutorPool, LimitsPolicy, PoolConfig, PoolParts, Reaper, Saver, Scheduler, TaskService, TaskServiceParts,
    WorkerService,
};
use tokio::runtime::Handle;
use tokio::sync::Semaphore;
use uuid::Uuid;

use crate::config::Settings;
use crate::engine::{self, Stores};
use crate::error::StartError;
use crate::{auth, loops};

/// At shutdown, running executions may finish for so long before they are given back.
const DRAIN: Duration = Duration::from_secs(3);
/// After so long the process ends whatever still runs; leases and outbox make that safe.
const GRACE: Duration = Duration::from_secs(7);
/// Event streams that one instance serves.
const MAX_STREAMS: usize = 10_000;
const FLUSH: Duration = Duration::from_secs(2);

/// A running instance.
pub struct Application {
    address: SocketAddr,
    engine: &'static str,
    bus: &'static str,
    server: ServerHandle,
    /// Loops, executions and requests.
    work: Background,
    /// What tells the world of their changes; ends after them.
    relay: Background,
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
        let instance_id = Uuid::now_v7().to_string();
        let (work, relay) = (Background::new(Handle::current()), Background::new(Handle::current()));
        let stores = engine::open(&settings.database, migrate).await?;
        let (bus, hints, bus_name) = connect_bus(&settings, &instance_id, &relay).await?;
        let state =
            wire(&settings, &stores, Arc::clone(&bus), Arc::clone(&hints), bus_name, instance_id, &work).await?;
        let relay_loop = Arc::new(Relay::new(Arc::clone(&stores.outbox), bus, hints, RelayConfig::default()));
        relay.supervise("relay", move |stop| {
            let relay_loop = Arc::clone(&relay_loop);
            async move { relay_loop.run(stop).await }
        });
        let server = task_server::run(listener, Arc::new(state), settings.service.http_workers)?;
        let handle = server.handle();
        relay.spawn(async move {
            if let Err(error) = server.await {
                tracing::error!(%error, "the HTTP server ended");
            }
        });
        Ok(Self { address, engine: stores.name, bus: bus_name, server: handle, work, relay })
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
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
        let (_, finished) = tokio::join!(self.server.stop(true), self.work.shut_down(GRACE));
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

async fn connect_bus(
    settings: &Settings,
    instance_id: &str,
    background: &Background,
) -> Result<(Arc<dyn EventBus>, Arc<dyn HintBus>, &'static str), StartError> {
    let url = settings.nats.url.expose_secret();
    if url.is_empty() {
        return Ok((Arc::new(InProcessBus), Arc::new(InProcessHints::default()), "in_process"));
    }
    let bus = NatsBus::connect(url, NatsConfig::default()).await.map_err(|e| StartError::Bus(Box::new(e)))?;
    let hints = NatsHints::new(bus.client(), instance_id, background);
    Ok((Arc::new(bus), Arc::new(hints), "nats"))
}

/// Services, loops and the state of the API.
async fn wire(
    settings: &Settings,
    stores: &Stores,
    bus: Arc<dyn EventBus>,
    hints: Arc<dyn HintBus>,
    bus_name: &'static str,
    instance_id: String,
    work: &Background,
) -> Result<ApiState, StartError> {
    let saver = Saver::new(Arc::clone(&stores.tasks), Arc::clone(&hints));
    let limits = LimitsPolicy { limits: settings.limits.levels.clone(), default_level: settings.limits.default_level };
    let executors = Arc::new(builtin(outbound_policy(settings)?).map_err(|e| StartError::Internal(e.to_string()))?);
    let tasks = TaskService::new(TaskServiceParts {
        saver: saver.clone(),
        executions: Arc::clone(&stores.executions),
        executors: executors.clone(),
        limits: limits.clone(),
        history: Arc::clone(&stores.history),
        progress: Arc::clone(&stores.progress),
        stopping: work.stopping(),
    });
    let workers = WorkerService::new(saver.clone(), Arc::clone(&stores.executions), Arc::clone(&stores.progress));
    let pool = PoolConfig {
        concurrency: settings.executor.concurrency,
        lease: Duration::from_secs(settings.executor.lease_seconds),
        timeout: Duration::from_secs(settings.executor.timeout_seconds),
        worker_id: format!("builtin-{instance_id}"),
        poll: Duration::from_secs(1),
        drain: DRAIN,
    };
    let parts = PoolParts { workers, executors, notifications: notifications(settings)?, hints: Arc::clone(&hints) };
    loops::start_scheduler(work, Scheduler::new(saver.clone(), Arc::clone(&stores.timed), limits));
    loops::start_reaper(work, Reaper::new(saver, Arc::clone(&stores.timed)));
    loops::start_pool(work, ExecutorPool::new(parts, work.clone(), pool));
    loops::start_event_sweep(
        work,
        Arc::clone(&stores.outbox),
        Duration::from_secs(settings.retention.events_hours * 3600),
    );
    let feed = Arc::new(EventFeed::default());
    loops::start_event_feed(work, Arc::clone(&feed), Arc::clone(&stores.outbox), Arc::clone(&hints));
    let info = ServiceInfo {
        name: settings.service.name.clone(),
        version: env!("CARGO_PKG_VERSION"),
        instance_id,
        engine: stores.name,
        bus: bus_name,
        started_at: stores.tasks.now().await?,
        executor_concurrency: settings.executor.concurrency,
    };
    Ok(ApiState {
        tasks: Arc::new(tasks),
        store: Arc::clone(&stores.tasks),
        outbox: Arc::clone(&stores.outbox),
        bus,
        hints,
        feed,
        streams: Arc::new(Semaphore::new(MAX_STREAMS)),
        background: work.clone(),
        auth: auth::config(settings),
        info,
        metrics: Metrics::new().map_err(|e| StartError::Internal(e.to_string()))?,
    })
}

fn notifications(settings: &Settings) -> Result<Arc<dyn NotificationClient>, StartError> {
    match settings.neighbours.notification_url.as_str() {
        "" => Ok(Arc::new(NoNotifications)),
        url => Ok(Arc::new(HttpNotificationClient::new(url).map_err(|e| StartError::Internal(e.to_string()))?)),
    }
}

fn outbound_policy(settings: &Settings) -> Result<OutboundPolicy, StartError> {
    if settings.development {
        return Ok(OutboundPolicy::development());
    }
    let mut policy = OutboundPolicy::strict();
    policy.allow_http = settings.outbound.allow_http;
    policy.allowed_ports = settings.outbound.allowed_ports.clone();
    for network in &settings.outbound.allow_networks {
        let parsed = network.parse().map_err(|_| {
            StartError::Config(format!("outbound.allow_networks: `{network}` is no network such as 10.1.0.0/16"))
        })?;
        policy.allow_networks.push(parsed);
    }
    Ok(policy)
}
