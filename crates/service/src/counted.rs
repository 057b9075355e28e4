//! Counts of one API's tasks: one statement at a time, however many ask.

use std::collections::HashMap;
use std::time::Duration;

use task_domain::{Origin, TaskStatus, TenantId};
use task_protocols::TaskStore;
use tokio::sync::Mutex;
use tokio::time::Instant;

use crate::ServiceError;

/// Tenants whose counts are kept.
const CAPACITY: usize = 1000;

/// Of each status and type, how many.
type Counts = Vec<(TaskStatus, String, i64)>;

/// What was counted last. Who waits for another's count takes it, when it was begun after the asking.
#[derive(Default)]
pub(crate) struct Counted(Mutex<HashMap<TenantId, (Instant, Counts)>>);

impl Counted {
    /// The counts of a tenant's tasks of `origin`, of now or of at most `age` ago.
    pub(crate) async fn of(
        &self,
        store: &dyn TaskStore,
        tenant_id: &TenantId,
        origin: Origin,
        age: Duration,
    ) -> Result<Counts, ServiceError> {
        let asked = Instant::now();
        let mut kept = self.0.lock().await;
        if let Some((begun, counts)) = kept.get(tenant_id)
            && *begun + age >= asked
        {
            return Ok(counts.clone());
        }
        let begun = Instant::now();
        let counts = store.count_by_status(tenant_id, origin).await?;
        if kept.len() >= CAPACITY {
            kept.clear();
        }
        kept.insert(tenant_id.clone(), (begun, counts.clone()));
        Ok(counts)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicI64, Ordering};

    use task_protocols::MockTaskStore;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_young_enough_is_not_counted_again() {
        let calls = AtomicI64::new(0);
        let mut store = MockTaskStore::new();
        store.expect_count_by_status().returning(move |_, _| {
            Ok(vec![(TaskStatus::Queued, "t".to_owned(), calls.fetch_add(1, Ordering::SeqCst) + 1)])
        });
        let counted = Counted::default();
        let tenant = TenantId::default_tenant();
        let (now, seconds) = (Duration::ZERO, Duration::from_secs(3));
        let ask = async |age: Duration| counted.of(&store, &tenant, Origin::Seedcore, age).await.map(|c| c[0].2).ok();
        assert_eq!(ask(seconds).await, Some(1));
        tokio::time::advance(Duration::from_secs(2)).await;
        assert_eq!(ask(seconds).await, Some(1));
        assert_eq!(ask(now).await, Some(2), "what must be of now is counted");
        tokio::time::advance(Duration::from_secs(4)).await;
        assert_eq!(ask(seconds).await, Some(3));
    }

    #[tokio::test(start_paused = true)]
    async fn those_who_ask_while_one_counts_share_the_next_count() {
        let calls = AtomicI64::new(0);
        let mut store = MockTaskStore::new();
        store.expect_count_by_status().times(1).returning(move |_, _| {
            Ok(vec![(TaskStatus::Queued, "t".to_owned(), calls.fetch_add(1, Ordering::SeqCst) + 1)])
        });
        let counted = Counted::default();
        let tenant = TenantId::default_tenant();
        let ask = async || counted.of(&store, &tenant, Origin::Seedcore, Duration::ZERO).await.map(|c| c[0].2).ok();
        let all = futures::future::join_all((0..10).map(|_| ask())).await;
        assert_eq!(all, vec![Some(1); 10]);
    }
}
