//! Overviews: one look at the store for however many callers.

use std::sync::Arc;

use futures::future::join_all;
use task_domain::Handler;
use task_protocols::{MockOverviewStore, QueueFigures};
use task_service::{OverviewService, Scope, ServiceError};

use crate::support::{key, user};

fn queue(task_type: &str) -> QueueFigures {
    QueueFigures {
        task_type: task_type.into(),
        handler: Handler::Worker,
        claimable: 1,
        delayed: 0,
        parked: 0,
        running: 0,
        oldest: None,
        completed: (0, 0),
        failed: (0, 0),
    }
}

#[tokio::test]
async fn however_many_look_the_store_is_asked_once() {
    let mut store = MockOverviewStore::new();
    store.expect_queues().times(1).returning(|_| Ok(vec![queue("print"), queue("render")]));
    store.expect_live_leases().times(1).returning(|_, _| Ok(Vec::new()));
    let overview = OverviewService::new(Arc::new(store));
    let (all, limited) = (key(&[Scope::TasksWork], &[]), key(&[Scope::TasksWork], &["render"]));
    for queues in join_all((0..50).map(|_| overview.queues(&all))).await {
        assert_eq!(queues.unwrap().len(), 2);
    }
    assert_eq!(overview.queues(&limited).await.unwrap(), [queue("render")], "only of the key's types");
    for leases in join_all((0..50).map(|_| overview.leases(&all))).await {
        assert!(leases.unwrap().is_empty());
    }
}

#[tokio::test]
async fn only_workers_keys_may_look() {
    let overview = OverviewService::new(Arc::new(MockOverviewStore::new()));
    for caller in [user("ann"), key(&[Scope::TasksWrite], &[])] {
        for refused in [overview.queues(&caller).await.map(drop), overview.leases(&caller).await.map(drop)] {
            assert!(matches!(refused, Err(ServiceError::Forbidden { action: "read", .. })), "{refused:?}");
        }
    }
}
