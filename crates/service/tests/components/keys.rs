//! API keys over a mock store.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use task_protocols::background::Background;
use task_protocols::{ApiKey, MockApiKeyStore, MockTaskStore, StoreError};
use task_service::{Access, Caller, KeyDraft, KeyService, Scope, ServiceError};
use tokio::runtime::Handle;

use crate::support::{key, now, user};

/// What the mock store holds, and how often it was asked.
#[derive(Default)]
struct Held {
    key: Option<ApiKey>,
    away: bool,
    reads: usize,
    touches: usize,
}

fn service(held: &Arc<Mutex<Held>>) -> KeyService {
    let mut store = MockApiKeyStore::new();
    let (add, find, touch) = (Arc::clone(held), Arc::clone(held), Arc::clone(held));
    store.expect_add_key().returning(move |key| {
        add.lock().unwrap().key = Some(key.clone());
        Ok(())
    });
    store.expect_find_key().returning(move |id| {
        let mut held = find.lock().unwrap();
        held.reads += 1;
        if held.away {
            return Err(StoreError::unavailable("away"));
        }
        Ok(held.key.clone().filter(|key| key.id == id))
    });
    store.expect_touch_key().returning(move |_| {
        touch.lock().unwrap().touches += 1;
        Ok(())
    });
    let mut clock = MockTaskStore::new();
    clock.expect_now().returning(|| Ok(now()));
    KeyService::new(Arc::new(store), Arc::new(clock), Background::new(Handle::current()))
}

/// Reads and touches so far.
fn counts(held: &Mutex<Held>) -> (usize, usize) {
    let held = held.lock().unwrap();
    (held.reads, held.touches)
}

async fn made(keys: &KeyService, expires_in_days: Option<i64>) -> String {
    let draft = KeyDraft { name: "k".into(), scopes: vec![Scope::TasksWork], task_types: Vec::new(), expires_in_days };
    keys.create(&key(&[Scope::Admin], &[]), draft).await.unwrap().1
}

async fn lets_in(keys: &KeyService, text: &str) -> bool {
    keys.authenticate(text).await.unwrap().is_some()
}

#[tokio::test(start_paused = true)]
async fn a_key_in_use_is_read_anew_beside_its_requests_and_touched_once_a_minute() {
    let held = Arc::new(Mutex::new(Held::default()));
    let keys = service(&held);
    let text = made(&keys, None).await;
    for _ in 0..100 {
        assert!(lets_in(&keys, &text).await);
    }
    tokio::time::sleep(Duration::from_millis(10)).await;
    assert_eq!(counts(&held), (1, 1));
    for _ in 0..30 {
        tokio::time::sleep(Duration::from_secs(1)).await;
        assert!(lets_in(&keys, &text).await);
    }
    let (reads, touches) = counts(&held);
    assert!((10..=16).contains(&reads), "{reads}");
    assert_eq!(touches, 1);
}

#[tokio::test(start_paused = true)]
async fn a_key_that_another_instance_revoked_is_refused_within_five_seconds() {
    let held = Arc::new(Mutex::new(Held::default()));
    let keys = service(&held);
    let text = made(&keys, None).await;
    assert!(lets_in(&keys, &text).await);
    held.lock().unwrap().key.as_mut().unwrap().revoked_at = Some(now());
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert!(!lets_in(&keys, &text).await);
}

#[tokio::test(start_paused = true)]
async fn a_key_ends_when_it_expires_also_while_it_is_cached() {
    let held = Arc::new(Mutex::new(Held::default()));
    let keys = service(&held);
    let text = made(&keys, Some(1)).await;
    held.lock().unwrap().key.as_mut().unwrap().expires_at = Some(now() + chrono::Duration::seconds(1));
    assert!(lets_in(&keys, &text).await);
    tokio::time::sleep(Duration::from_millis(1001)).await;
    assert!(!lets_in(&keys, &text).await);
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_a_key_costs_no_look_up_and_an_unknown_one_costs_one() {
    let held = Arc::new(Mutex::new(Held::default()));
    let keys = service(&held);
    let text = made(&keys, None).await;
    for wrong in ["", "dev_api_key", "tsk_x_y", &text[1..], &format!("{text}0")] {
        assert!(!lets_in(&keys, wrong).await);
    }
    assert_eq!(held.lock().unwrap().reads, 0);
    held.lock().unwrap().key = None;
    for _ in 0..100 {
        assert!(!lets_in(&keys, &text).await);
    }
    assert_eq!(held.lock().unwrap().reads, 1);
}

#[tokio::test(start_paused = true)]
async fn while_the_database_is_away_nothing_is_said_about_a_key() {
    let held = Arc::new(Mutex::new(Held::default()));
    let keys = service(&held);
    let text = made(&keys, None).await;
    held.lock().unwrap().away = true;
    let away = keys.authenticate(&text).await;
    assert!(matches!(away, Err(ServiceError::Store(StoreError::Unavailable(_)))), "{away:?}");
    held.lock().unwrap().away = false;
    assert!(lets_in(&keys, &text).await, "and then it is right");
}

/// Waits as the streams that `callers` opened do.
async fn all_ended(keys: &Arc<KeyService>, callers: &[Caller]) {
    let streams = callers.iter().map(|caller| Arc::clone(keys).until_revoked(caller.clone()));
    futures::future::join_all(streams).await;
}

/// Whoever the text stands for.
async fn caller_of(keys: &KeyService, text: &str) -> Caller {
    let identity = keys.authenticate(text).await.unwrap().unwrap();
    let access =
        Access::Key { key_id: identity.key_id, scopes: identity.scopes, task_types: Vec::new(), acting_for: None };
    Caller { tenant_id: identity.tenant_id, access }
}

#[tokio::test(start_paused = true)]
async fn what_a_key_opened_ends_within_five_seconds_of_its_revocation_elsewhere() {
    let held = Arc::new(Mutex::new(Held::default()));
    let keys = Arc::new(service(&held));
    let text = made(&keys, None).await;
    let caller = caller_of(&keys, &text).await;
    // Whenever that is after the key was read.
    for tenth in 0..25 {
        let streams = all_ended(&keys, std::slice::from_ref(&caller));
        let mut streams = std::pin::pin!(streams);
        let before = Duration::from_secs(10) + Duration::from_millis(100 * tenth);
        assert!(tokio::time::timeout(before, &mut streams).await.is_err(), "it stands");
        held.lock().unwrap().key.as_mut().unwrap().revoked_at = Some(now());
        assert!(tokio::time::timeout(Duration::from_secs(5), &mut streams).await.is_ok(), "{tenth}");
        held.lock().unwrap().key.as_mut().unwrap().revoked_at = None;
        tokio::time::sleep(Duration::from_secs(5)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn a_thousand_open_streams_of_a_key_cost_one_read_in_two_seconds() {
    let held = Arc::new(Mutex::new(Held::default()));
    let keys = Arc::new(service(&held));
    let text = made(&keys, None).await;
    let callers = vec![caller_of(&keys, &text).await; 1000];
    let minute = tokio::time::timeout(Duration::from_secs(60), all_ended(&keys, &callers));
    assert!(minute.await.is_err(), "it stands");
    let (reads, _) = counts(&held);
    assert!((15..=31).contains(&reads), "{reads}");
    // The store being away ends nothing, nor is it asked more often then.
    held.lock().unwrap().away = true;
    let minute = tokio::time::timeout(Duration::from_secs(60), all_ended(&keys, &callers));
    assert!(minute.await.is_err(), "whoever stood before stands");
    let tries = counts(&held).0 - reads;
    assert!((15..=35).contains(&tries), "{tries}");
}

#[tokio::test(start_paused = true)]
async fn what_a_key_opened_ends_when_it_expires_and_what_others_opened_does_not() {
    let held = Arc::new(Mutex::new(Held::default()));
    let keys = Arc::new(service(&held));
    let text = made(&keys, Some(1)).await;
    held.lock().unwrap().key.as_mut().unwrap().expires_at = Some(now() + chrono::Duration::milliseconds(1500));
    let caller = caller_of(&keys, &text).await;
    let callers = [caller];
    assert!(tokio::time::timeout(Duration::from_secs(5), all_ended(&keys, &callers)).await.is_ok());
    // A user of the gateway, and a key that the configuration names.
    for callers in [[user("ann")], [key(&[Scope::Admin], &[])]] {
        assert!(tokio::time::timeout(Duration::from_secs(3600), all_ended(&keys, &callers)).await.is_err());
    }
}
