//! What the handlers share.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Instant;

use chrono::{DateTime, Utc};
use task_protocols::background::Background;
use task_protocols::{HealthProbe, HintBus, OutboxStore, PoolMeter, TaskStore};
use task_service::{
    AnalyticsService, ClaimDispatcher, ConversationService, ExplainService, FactService, KeyService, OverviewService,
    Reaper, ServiceError, TaskService, TemplateService, TrackService, WorkerControl, WorkerService,
};
use tokio::sync::Semaphore;

use crate::auth::AuthConfig;
use crate::errors::ApiError;
use crate::event_feed::EventFeed;
use crate::metrics::Metrics;

/// What `/status` tells of this instance.
#[derive(Debug, Clone)]
pub struct ServiceInfo {
    pub name: String,
    pub version: &'static str,
    pub instance_id: String,
    /// `sqlite` or `postgres`.
    pub engine: &'static str,
    /// `in_process` or `nats`.
    pub bus: &'static str,
    pub started_at: DateTime<Utc>,
    /// The same on the clock that only goes forward.
    pub started: Instant,
    pub executor_concurrency: usize,
    /// How many executions each pool runs at the same time, by its name.
    pub executor_pools: BTreeMap<&'static str, usize>,
}

/// Something that this instance needs, or would use.
#[derive(Clone)]
pub struct Dependency {
    pub name: &'static str,
    /// Without it the instance is not ready.
    pub critical: bool,
    /// `None`: it is not configured.
    pub probe: Option<Arc<dyn HealthProbe>>,
}

/// Everything that handlers need; built once, by the factory.
pub struct ApiState {
    pub tasks: Arc<TaskService>,
    pub templates: Arc<TemplateService>,
    pub analytics: Arc<AnalyticsService>,
    pub workers: WorkerService,
    pub claims: ClaimDispatcher,
    pub reaper: Arc<Reaper>,
    pub control: Arc<WorkerControl>,
    pub overview: OverviewService,
    pub conversations: Arc<ConversationService>,
    pub explain: ExplainService,
    pub facts: Arc<FactService>,
    pub tracks: Arc<TrackService>,
    /// For its clock only.
    pub store: Arc<dyn TaskStore>,
    /// In the order in which `/health/detailed` tells of them.
    pub dependencies: Vec<Dependency>,
    pub outbox: Arc<dyn OutboxStore>,
    /// For metrics.
    pub pools: Arc<dyn PoolMeter>,
    pub hints: Arc<dyn HintBus>,
    pub feed: Arc<EventFeed>,
    /// One permit for each open stream.
    pub streams: Arc<Semaphore>,
    pub background: Background,
    pub auth: AuthConfig,
    pub keys: Arc<KeyService>,
    pub info: ServiceInfo,
    pub metrics: Metrics,
}

impl ApiState {
    /// Runs a use case of tasks [to its end](Self::to_the_end).
    pub(crate) async fn detached<T, F, Fut>(&self, use_case: F) -> Result<T, ApiError>
    where
        F: FnOnce(Arc<TaskService>) -> Fut,
        Fut: Future<Output = Result<T, ServiceError>> + Send + 'static,
        T: Send + 'static,
    {
        self.to_the_end(use_case(Arc::clone(&self.tasks))).await
    }

    /// The same for a use case of workers.
    pub(crate) async fn working<T, F, Fut>(&self, use_case: F) -> Result<T, ApiError>
    where
        F: FnOnce(WorkerService) -> Fut,
        Fut: Future<Output = Result<T, ServiceError>> + Send + 'static,
        T: Send + 'static,
    {
        self.to_the_end(use_case(self.workers.clone())).await
    }

    /// Runs a use case that changes something to its end, also when the client goes away: a
    /// handler that is dropped half-way must not leave half a transaction.
    pub async fn to_the_end<T, Fut>(&self, use_case: Fut) -> Result<T, ApiError>
    where
        Fut: Future<Output = Result<T, ServiceError>> + Send + 'static,
        T: Send + 'static,
    {
        match self.background.spawn(use_case).await {
            Ok(result) => Ok(result?),
            Err(error) => Err(ApiError::internal(error)),
        }
    }
}
