//! What operators and workers see of all queues and workers at once: cached, so that however many
//! look, the store is asked about once in two seconds.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use task_domain::TenantId;
use task_protocols::{LiveLease, OverviewStore, QueueFigures};
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::{Caller, Scope, ServiceError};

const KEPT: Duration = Duration::from_secs(2);
/// Leases that one overview shows.
const MAX_LEASES: i64 = 1000;

type Kept<K, V> = Mutex<HashMap<K, (Instant, Arc<Vec<V>>)>>;

/// Overviews of queues and workers.
pub struct OverviewService {
    store: Arc<dyn OverviewStore>,
    queues: Kept<Option<TenantId>, QueueFigures>,
    leases: Kept<TenantId, LiveLease>,
}

impl OverviewService {
    pub fn new(store: Arc<dyn OverviewStore>) -> Self {
        Self { store, queues: Mutex::default(), leases: Mutex::default() }
    }

    /// The queues of the caller's tenant, of the types that its key may take; up to 2 s old.
    ///
    /// # Errors
    /// `Forbidden` without scope `tasks:work`.
    pub async fn queues(&self, caller: &Caller) -> Result<Vec<QueueFigures>, ServiceError> {
        caller.need(Scope::TasksWork, "read")?;
        let queues = self.of_queues(Some(caller.tenant_id.clone())).await?;
        Ok(queues.iter().filter(|queue| caller.may_use_type(&queue.task_type)).cloned().collect())
    }

    /// The queues of all tenants together, for metrics; up to 2 s old.
    pub async fn all_queues(&self) -> Result<Arc<Vec<QueueFigures>>, ServiceError> {
        self.of_queues(None).await
    }

    /// The live leases of the caller's tenant by worker, at most 1,000, of the types that its key
    /// may take; up to 2 s old.
    ///
    /// # Errors
    /// `Forbidden` without scope `tasks:work`.
    pub async fn leases(&self, caller: &Caller) -> Result<Vec<LiveLease>, ServiceError> {
        caller.need(Scope::TasksWork, "read")?;
        // Held while the store is asked: those who come meanwhile share the answer.
        let mut kept = self.leases.lock().await;
        kept.retain(|_, (at, _)| at.elapsed() < KEPT);
        let leases = match kept.get(&caller.tenant_id) {
            Some((_, leases)) => Arc::clone(leases),
            None => {
                let leases = Arc::new(self.store.live_leases(&caller.tenant_id, MAX_LEASES).await?);
                kept.insert(caller.tenant_id.clone(), (Instant::now(), Arc::clone(&leases)));
                leases
            }
        };
        Ok(leases.iter().filter(|lease| caller.may_use_type(&lease.task_type)).cloned().collect())
    }

    async fn of_queues(&self, tenant_id: Option<TenantId>) -> Result<Arc<Vec<QueueFigures>>, ServiceError> {
        let mut kept = self.queues.lock().await;
        kept.retain(|_, (at, _)| at.elapsed() < KEPT);
        if let Some((_, queues)) = kept.get(&tenant_id) {
            return Ok(Arc::clone(queues));
        }
        let queues = Arc::new(self.store.queues(tenant_id.clone()).await?);
        kept.insert(tenant_id, (Instant::now(), Arc::clone(&queues)));
        Ok(queues)
    }
}
