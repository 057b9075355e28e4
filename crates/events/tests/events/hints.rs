//! Hints between instances.

use std::time::Duration;

use task_domain::{Handler, TaskId, TenantId};
use task_events::{NatsBus, NatsConfig, NatsHints};
use task_protocols::background::Background;
use task_protocols::{EventBus, Hint, HintBus};
use task_testkit::{nats::PrivateServer, wait};
use tokio::runtime::Handle;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::TryRecvError;

use crate::support::PATIENCE;

async fn instance(server: &PrivateServer, name: &str, background: &Background) -> NatsHints {
    let bus = NatsBus::connect(&server.url(), NatsConfig::default()).await.unwrap();
    wait::until("the connection stands", PATIENCE, || async { bus.check().await.is_ok() }).await;
    NatsHints::new(bus.client(), name, background)
}

/// A hint that was sent while the other did not listen yet is lost, as any may be: it is repeated.
async fn reaches(from: &NatsHints, hint: &Hint, listener: &mut Receiver<Hint>) {
    loop {
        from.send(hint.clone());
        if let Ok(heard) = tokio::time::timeout(Duration::from_millis(100), listener.recv()).await {
            return assert_eq!(heard.unwrap(), *hint);
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_hint_is_heard_here_at_once_and_elsewhere_through_nats() {
    let mut server = PrivateServer::start().await;
    let background = Background::new(Handle::current());
    let (one, two) = (instance(&server, "one", &background).await, instance(&server, "two", &background).await);
    let (mut here, mut there) = (one.subscribe(), two.subscribe());
    let hint = Hint::WorkQueued { handler: Handler::Worker, tenant_id: None, task_type: "email".into(), origin: None };
    one.send(hint.clone());
    assert_eq!(here.try_recv().unwrap(), hint);
    tokio::time::timeout(PATIENCE, reaches(&one, &hint, &mut there)).await.unwrap();
    // What comes back from two was sent after everything of one that came back to one would have been.
    while here.try_recv().is_ok() {}
    let answer = Hint::TaskChanged { tenant_id: TenantId::default_tenant(), task_id: TaskId::new("x").unwrap() };
    tokio::time::timeout(PATIENCE, reaches(&two, &answer, &mut here)).await.unwrap();
    assert_eq!(here.try_recv(), Err(TryRecvError::Empty), "an instance does not hear itself twice");

    server.stop();
    for _ in 0..10_000 {
        one.send(Hint::EventsPublished);
    }
    server.resume().await;
    while there.try_recv().is_ok() {}
    let again = Hint::WorkQueued { handler: Handler::Builtin, tenant_id: None, task_type: "echo".into(), origin: None };
    let heard = async {
        loop {
            one.send(again.clone());
            match tokio::time::timeout(Duration::from_millis(100), there.recv()).await {
                Ok(Ok(hint)) if hint == again => return,
                _ => {}
            }
        }
    };
    tokio::time::timeout(PATIENCE, heard).await.expect("hints flow again after the server's return");
    assert!(background.shut_down(PATIENCE).await);
}
