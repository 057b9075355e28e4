//! Who is told of leases that were taken.

use std::sync::Arc;
use std::time::Duration;

use task_domain::{LeaseLost, TaskId, TenantId};
use task_protocols::background::Background;
use task_protocols::{Hint, HintBus, LeaseTaken, Taken};
use task_service::WorkerControl;
use task_testkit::wait;
use tokio::runtime::Handle;
use tokio::sync::broadcast;
use uuid::Uuid;

use crate::support::Hints;

const PATIENCE: Duration = Duration::from_secs(20);

fn taken(tenant_id: &TenantId, worker_id: &str) -> Hint {
    Hint::LeaseTaken(LeaseTaken {
        tenant_id: tenant_id.clone(),
        worker_id: worker_id.into(),
        task_type: "render".into(),
        task_id: TaskId::from_stored(Uuid::now_v7().to_string()),
        execution_id: Uuid::now_v7(),
        kind: Taken::Cancel,
        reason: LeaseLost::Cancelled,
        message: None,
    })
}

/// A control that runs, and the hints it hears.
async fn running(capacity: usize) -> (Arc<WorkerControl>, Hints, Background) {
    let sender = broadcast::channel(capacity).0;
    let hints: Arc<dyn HintBus> = Arc::new(Hints(sender.clone()));
    let (control, background) = (Arc::new(WorkerControl::new(hints)), Background::new(Handle::current()));
    let runs = Arc::clone(&control);
    background.supervise("control", move |stop| {
        let runs = Arc::clone(&runs);
        async move { runs.run(stop).await }
    });
    wait::until("it hears", PATIENCE, || async { sender.receiver_count() == 1 }).await;
    (control, Hints(sender), background)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_worker_hears_of_its_own_leases_in_its_own_tenant() {
    let (control, hints, background) = running(64).await;
    let (default, other) = (TenantId::default_tenant(), TenantId::new("other").unwrap());
    let mut mine = control.listen(&default, "w1");
    let mut as_well = control.listen(&default, "w1");
    let namesake = control.listen(&other, "w1");
    assert_eq!((control.listening(&default), control.listening(&other)), (vec!["w1".into()], vec!["w1".into()]));
    let hint = taken(&default, "w1");
    hints.send(taken(&default, "w2"));
    hints.send(hint.clone());
    for listener in [&mut mine, &mut as_well] {
        assert_eq!(listener.recv().await.map(Hint::LeaseTaken), Some(hint.clone()));
    }
    assert!(namesake.is_empty());
    drop((mine, as_well));
    assert!(control.listening(&default).is_empty());
    background.shut_down(PATIENCE).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_falls_behind_is_ended_and_the_others_go_on() {
    let (control, hints, background) = running(1024).await;
    let default = TenantId::default_tenant();
    let (mut slow, mut other) = (control.listen(&default, "slow"), control.listen(&default, "other"));
    for _ in 0..65 {
        hints.send(taken(&default, "slow"));
    }
    hints.send(taken(&default, "other"));
    assert!(other.recv().await.is_some());
    let mut kept = 0;
    while slow.recv().await.is_some() {
        kept += 1;
    }
    assert_eq!(kept, 64, "what was kept is delivered, then the stream ends");
    background.shut_down(PATIENCE).await;
}
