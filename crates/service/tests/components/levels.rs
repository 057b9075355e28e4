//! Where a user's level comes from.

use std::sync::Arc;
use std::time::Duration;

use task_domain::SubscriptionLevel::{self, Basic, Enterprise, Free, Pro};
use task_domain::{TenantId, UserId};
use task_protocols::background::Background;
use task_protocols::{
    AccountProfile, AnyKnown, KnownLevel, MockAccountClient, MockLevelStore, NeighbourError, StoreError,
};
use task_service::{LevelSources, Levels, ServiceError};
use tokio::runtime::Handle;

use crate::support::policy;

fn levels(store: MockLevelStore, accounts: MockAccountClient) -> Levels {
    let background = Background::new(Handle::current());
    let sources = LevelSources { store: Arc::new(store), accounts: Arc::new(accounts), background };
    Levels::new(policy(Basic), sources)
}

/// A store that knows this of everybody.
fn knows(known: KnownLevel) -> MockLevelStore {
    let any = AnyKnown { event: known.event.is_some(), any: known != KnownLevel::default() };
    let mut store = MockLevelStore::new();
    store.expect_any_known().returning(move || Ok(any));
    store.expect_known_level().returning(move |_, _| Ok(known));
    store.expect_keep_gateway_level().returning(|_, _, _| Ok(()));
    store
}

fn accounts(level: Option<SubscriptionLevel>) -> MockAccountClient {
    let mut accounts = MockAccountClient::new();
    accounts.expect_profile().returning(move |_| {
        Ok(level.map(|level| AccountProfile { subscription_level: Some(level), ..AccountProfile::default() }))
    });
    accounts
}

async fn ask(levels: &Levels, named: Option<SubscriptionLevel>) -> Result<SubscriptionLevel, ServiceError> {
    levels.level_of(&TenantId::default_tenant(), &UserId::new("ann").unwrap(), named).await
}

#[tokio::test]
async fn the_event_wins_then_the_header_then_the_account_then_what_was_said_last_then_the_default() {
    let event = KnownLevel { event: Some(Free), gateway: Some(Pro) };
    let gateway = KnownLevel { event: None, gateway: Some(Pro) };
    for (known, named, account, expected) in [
        (event, Some(Enterprise), Some(Pro), Free),
        (gateway, Some(Enterprise), Some(Free), Enterprise),
        (gateway, None, Some(Free), Free),
        (gateway, None, None, Pro),
        (KnownLevel::default(), None, Some(Free), Free),
        (KnownLevel::default(), None, None, Basic),
    ] {
        let levels = levels(knows(known), accounts(account));
        assert_eq!(ask(&levels, named).await.unwrap(), expected, "{known:?} {named:?} {account:?}");
    }
}

#[tokio::test]
async fn a_header_needs_neither_the_store_nor_the_account_service_where_no_event_was_heard_of() {
    let mut store = MockLevelStore::new();
    store.expect_any_known().times(1).returning(|| Ok(AnyKnown { event: false, any: true }));
    store.expect_keep_gateway_level().times(1).returning(|_, _, _| Ok(()));
    let levels = levels(store, MockAccountClient::new());
    for _ in 0..100 {
        assert_eq!(ask(&levels, Some(Pro)).await.unwrap(), Pro);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_known_is_read_again_after_seconds_and_at_once_after_an_event() {
    let mut store = MockLevelStore::new();
    store.expect_any_known().returning(|| Ok(AnyKnown { event: true, any: true }));
    let mut answers = [Free, Pro, Enterprise].into_iter();
    store
        .expect_known_level()
        .times(3)
        .returning(move |_, _| Ok(KnownLevel { event: answers.next(), ..KnownLevel::default() }));
    let levels = levels(store, MockAccountClient::new());
    for _ in 0..10 {
        assert_eq!(ask(&levels, None).await.unwrap(), Free);
    }
    levels.forget(&TenantId::default_tenant(), &UserId::new("ann").unwrap());
    assert_eq!(ask(&levels, None).await.unwrap(), Pro, "at once");
    tokio::time::advance(Duration::from_secs(5)).await;
    assert_eq!(ask(&levels, None).await.unwrap(), Enterprise, "after 5 s, whoever stored it");
}

#[tokio::test(start_paused = true)]
async fn an_account_service_that_fails_is_left_alone_for_a_while() {
    let mut accounts = MockAccountClient::new();
    accounts
        .expect_profile()
        .times(1)
        .returning(|_| Err(NeighbourError { service: "account", retryable: true, source: "away".into() }));
    let levels = levels(knows(KnownLevel::default()), accounts);
    for _ in 0..10 {
        assert_eq!(ask(&levels, None).await.unwrap(), Basic);
    }
}

#[tokio::test]
async fn a_store_that_is_away_says_so() {
    let mut store = MockLevelStore::new();
    store.expect_any_known().returning(|| Err(StoreError::unavailable("away")));
    let levels = levels(store, MockAccountClient::new());
    assert!(matches!(ask(&levels, Some(Pro)).await, Err(ServiceError::Store(StoreError::Unavailable(_)))));
}
