//! Where a user's level comes from.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;

use task_domain::SubscriptionLevel::{self, Basic, Enterprise, Free, Pro};
use task_domain::{TenantId, UserId};
use task_protocols::background::Background;
use task_protocols::{
    AccountClient, AccountProfile, AnyKnown, KnownLevel, MockAccountClient, MockLevelStore, NeighbourError, StoreError,
};
use task_service::{LevelSources, Levels, ServiceError};
use tokio::runtime::Handle;
use tokio::time::Instant;

use crate::support::policy;

fn levels(store: MockLevelStore, accounts: MockAccountClient) -> Levels {
    asking(store, Arc::new(accounts))
}

fn asking(store: MockLevelStore, accounts: Arc<dyn AccountClient>) -> Levels {
    let background = Background::new(Handle::current());
    Levels::new(policy(Basic), LevelSources { store: Arc::new(store), accounts, background })
}

/// What the account service does when it is asked.
#[derive(Debug, Clone, Copy)]
enum Account {
    Says(SubscriptionLevel),
    Hangs,
    Refuses,
    /// It answers, but not what can be read.
    Babbles,
}

/// An account service that counts how often it was asked.
struct Accounts(Mutex<(Account, usize)>);

impl Accounts {
    fn that(does: Account) -> Arc<Self> {
        Arc::new(Self(Mutex::new((does, 0))))
    }

    fn become_(&self, does: Account) {
        self.0.lock().unwrap().0 = does;
    }

    /// How often it was asked since the last look.
    fn asked(&self) -> usize {
        std::mem::take(&mut self.0.lock().unwrap().1)
    }
}

#[async_trait]
impl AccountClient for Accounts {
    async fn profile(&self, _: &UserId) -> Result<Option<AccountProfile>, NeighbourError> {
        let does = {
            let mut state = self.0.lock().unwrap();
            state.1 += 1;
            state.0
        };
        let error = |retryable| NeighbourError { service: "account", retryable, source: "no".into() };
        match does {
            Account::Says(level) => {
                Ok(Some(AccountProfile { subscription_level: Some(level), ..AccountProfile::default() }))
            }
            Account::Hangs => std::future::pending().await,
            Account::Refuses => Err(error(true)),
            Account::Babbles => Err(error(false)),
        }
    }
}

/// The level of user number `n`, and how many seconds it took to know it.
async fn timed(levels: &Levels, n: usize) -> (SubscriptionLevel, u64) {
    let asked = Instant::now();
    let user = UserId::new(&format!("user-{n}")).unwrap();
    let level = levels.level_of(&TenantId::default_tenant(), &user, None).await.unwrap();
    (level, asked.elapsed().as_secs())
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
async fn an_account_service_that_hangs_keeps_one_caller_waiting_whoever_is_asked_about() {
    let accounts = Accounts::that(Account::Hangs);
    let known = KnownLevel { event: None, gateway: Some(Pro) };
    let levels = asking(knows(known), accounts.clone());
    assert_eq!(timed(&levels, 0).await, (Pro, 3), "what the gateway said last");
    for n in 0..100 {
        assert_eq!(timed(&levels, n).await, (Pro, 0));
    }
    assert_eq!(accounts.asked(), 1);
    // Nobody waits to find out that it still hangs, minutes long: once in ten seconds, one user.
    for second in 0..100 {
        assert_eq!(timed(&levels, second).await, (Pro, 0));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    let asked = accounts.asked();
    assert!((7..=10).contains(&asked), "{asked}");
}

#[tokio::test(start_paused = true)]
async fn what_the_account_service_said_last_counts_while_it_is_down_and_what_it_says_next_afterwards() {
    for down in [Account::Hangs, Account::Refuses, Account::Babbles] {
        let accounts = Accounts::that(Account::Says(Pro));
        let levels = asking(knows(KnownLevel::default()), accounts.clone());
        assert_eq!(timed(&levels, 1).await, (Pro, 0));
        tokio::time::sleep(Duration::from_secs(59)).await;
        assert_eq!(timed(&levels, 1).await, (Pro, 0));
        assert_eq!(accounts.asked(), 1, "an answer stands for a minute");
        accounts.become_(down);
        for _ in 0..3600 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(timed(&levels, 1).await.0, Pro, "{down:?}");
        }
        assert!(accounts.asked() <= 360, "{down:?}");
        accounts.become_(Account::Says(Free));
        // Longer than the last look-up and the pause after it.
        tokio::time::sleep(Duration::from_secs(14)).await;
        timed(&levels, 1).await;
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert_eq!(timed(&levels, 1).await, (Free, 0), "{down:?}");
        // Once it is well again, each user is asked about.
        assert_eq!(timed(&levels, 2).await, (Free, 0), "{down:?}");
        accounts.become_(Account::Refuses);
        tokio::time::sleep(Duration::from_secs(25 * 3600)).await;
        assert_eq!(timed(&levels, 1).await.0, Basic, "{down:?}: nobody believes it after a day");
    }
}

#[tokio::test(start_paused = true)]
async fn one_user_whom_the_account_service_cannot_tell_of_stops_no_look_up_of_others() {
    let accounts = Accounts::that(Account::Babbles);
    let levels = asking(knows(KnownLevel::default()), accounts.clone());
    for _ in 0..10 {
        assert_eq!(timed(&levels, 1).await, (Basic, 0));
    }
    assert_eq!(accounts.asked(), 1);
    accounts.become_(Account::Says(Pro));
    assert_eq!(timed(&levels, 2).await, (Pro, 0));
}

#[tokio::test]
async fn a_store_that_is_away_says_so() {
    let mut store = MockLevelStore::new();
    store.expect_any_known().returning(|| Err(StoreError::unavailable("away")));
    let levels = levels(store, MockAccountClient::new());
    assert!(matches!(ask(&levels, Some(Pro)).await, Err(ServiceError::Store(StoreError::Unavailable(_)))));
}
