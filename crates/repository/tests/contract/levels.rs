//! What was heard of users' levels, and which in-bound events were handled.

use futures::future::join_all;
use task_domain::SubscriptionLevel::{Basic, Enterprise, Free, Pro};
use task_domain::TenantId;
use task_protocols::KnownLevel;

use crate::support::build::{tenant, user};
use crate::support::{Stores, secs};

pub(crate) async fn a_level_is_known_by_its_source(stores: Stores) {
    let (home, ann) = (TenantId::default_tenant(), user("ann"));
    let now = stores.now().await;
    assert_eq!(stores.beside.levels.known_level(&home, &ann).await.unwrap(), KnownLevel::default());
    stores.beside.levels.keep_gateway_level(&home, &ann, Pro).await.unwrap();
    let known = stores.beside.levels.known_level(&home, &ann).await.unwrap();
    assert_eq!(known, KnownLevel { event: None, gateway: Some(Pro) });
    stores.beside.levels.keep_event_level(&home, &ann, Free, now).await.unwrap();
    stores.beside.levels.keep_gateway_level(&home, &ann, Enterprise).await.unwrap();
    let known = stores.beside.levels.known_level(&home, &ann).await.unwrap();
    assert_eq!(known, KnownLevel { event: Some(Free), gateway: Some(Enterprise) }, "neither overwrites the other");
    assert_eq!(stores.beside.levels.known_level(&home, &user("bob")).await.unwrap(), KnownLevel::default());
    assert_eq!(stores.beside.levels.known_level(&tenant("other"), &ann).await.unwrap(), KnownLevel::default());
}

pub(crate) async fn the_youngest_event_wins_in_whatever_order_they_come(stores: Stores) {
    let (home, ann) = (TenantId::default_tenant(), user("ann"));
    let now = stores.now().await;
    let event = async || stores.beside.levels.known_level(&home, &ann).await.unwrap().event;
    stores.beside.levels.keep_event_level(&home, &ann, Pro, now).await.unwrap();
    stores.beside.levels.keep_event_level(&home, &ann, Free, now - secs(1)).await.unwrap();
    assert_eq!(event().await, Some(Pro), "what came late is older");
    stores.beside.levels.keep_event_level(&home, &ann, Pro, now).await.unwrap();
    assert_eq!(event().await, Some(Pro), "the same event twice");
    stores.beside.levels.keep_event_level(&home, &ann, Basic, now + secs(1)).await.unwrap();
    assert_eq!(event().await, Some(Basic));
    let bob = user("bob");
    let times = (0..20).map(|n| (n, if n == 19 { Enterprise } else { Free }));
    let kept =
        join_all(times.map(|(n, level)| stores.beside.levels.keep_event_level(&home, &bob, level, now + secs(n))))
            .await;
    assert!(kept.into_iter().all(|outcome| outcome.is_ok()));
    assert_eq!(stores.beside.levels.known_level(&home, &bob).await.unwrap().event, Some(Enterprise));
}

pub(crate) async fn a_store_says_whether_it_knows_any_level(stores: Stores) {
    let (home, ann) = (TenantId::default_tenant(), user("ann"));
    let kinds = async || stores.beside.levels.any_known().await.map(|any| (any.event, any.any)).unwrap();
    assert_eq!(kinds().await, (false, false));
    stores.beside.levels.keep_gateway_level(&home, &ann, Pro).await.unwrap();
    assert_eq!(kinds().await, (false, true));
    stores.beside.levels.keep_event_level(&tenant("other"), &ann, Pro, stores.now().await).await.unwrap();
    assert_eq!(kinds().await, (true, true));
}

pub(crate) async fn an_inbound_event_is_noted_once(stores: Stores) {
    assert!(!stores.beside.inbox.was_received("e1").await.unwrap());
    stores.beside.inbox.note_received("e1", "account_service.user.deleted").await.unwrap();
    assert!(stores.beside.inbox.was_received("e1").await.unwrap());
    stores.beside.inbox.note_received("e1", "account_service.user.deleted").await.unwrap();
    assert!(!stores.beside.inbox.was_received("e2").await.unwrap());
}
