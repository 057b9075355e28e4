//! Keys are stored by their hash, found by their id, and end when they are revoked.

use task_domain::TenantId;
use task_protocols::ApiKey;

use crate::support::build::tenant;
use crate::support::{Stores, secs};

async fn key(stores: &Stores, tenant_id: TenantId, id: &str) -> ApiKey {
    ApiKey {
        id: id.into(),
        tenant_id,
        name: "näme with 'quotes' ☂".into(),
        secret_hash: "0123456789abcdef".repeat(4),
        scopes: vec!["tasks:work".into(), "facts".into()],
        task_types: vec!["a,b".into(), "é".into()],
        created_at: stores.now().await,
        expires_at: None,
        revoked_at: None,
        last_used_at: None,
    }
}

pub(crate) async fn a_key_is_found_exactly_as_it_was_added(stores: Stores) {
    let plain = key(&stores, tenant("acme"), "k1").await;
    let bare = ApiKey {
        id: "k2".into(),
        scopes: Vec::new(),
        task_types: Vec::new(),
        expires_at: Some(plain.created_at + secs(3600)),
        ..plain.clone()
    };
    for key in [&plain, &bare] {
        stores.beside.api_keys.add_key(key).await.unwrap();
        assert_eq!(stores.beside.api_keys.find_key(&key.id).await.unwrap().as_ref(), Some(key));
    }
    assert_eq!(stores.beside.api_keys.find_key("k3").await.unwrap(), None);
    assert!(stores.beside.api_keys.add_key(&plain).await.is_err(), "an id is given once");
    let elsewhere = ApiKey { tenant_id: tenant("other"), ..plain };
    assert!(
        stores.beside.api_keys.add_key(&elsewhere).await.is_err(),
        "in any tenant: a key is found before its tenant is"
    );
}

pub(crate) async fn keys_are_listed_by_tenant_oldest_first(stores: Stores) {
    let mut expected = Vec::new();
    for (n, id) in ["b", "a", "c"].into_iter().enumerate() {
        let mut key = key(&stores, tenant("acme"), id).await;
        key.created_at += secs(n as i64);
        stores.beside.api_keys.add_key(&key).await.unwrap();
        expected.push(key);
    }
    stores.beside.api_keys.add_key(&key(&stores, tenant("other"), "d").await).await.unwrap();
    assert_eq!(stores.beside.api_keys.list_keys(&tenant("acme")).await.unwrap(), expected);
    assert_eq!(stores.beside.api_keys.list_keys(&tenant("nobody")).await.unwrap(), []);
}

pub(crate) async fn a_key_is_revoked_once_and_only_by_its_tenant(stores: Stores) {
    let key = key(&stores, tenant("acme"), "k1").await;
    stores.beside.api_keys.add_key(&key).await.unwrap();
    assert!(!stores.beside.api_keys.revoke_key(&tenant("other"), "k1").await.unwrap());
    assert!(!stores.beside.api_keys.revoke_key(&tenant("acme"), "k2").await.unwrap());
    assert_eq!(stores.beside.api_keys.find_key("k1").await.unwrap().unwrap().revoked_at, None);
    assert!(stores.beside.api_keys.revoke_key(&tenant("acme"), "k1").await.unwrap());
    let revoked = stores.beside.api_keys.find_key("k1").await.unwrap().unwrap();
    assert!(revoked.revoked_at.unwrap() >= key.created_at - secs(1));
    assert!(!stores.beside.api_keys.revoke_key(&tenant("acme"), "k1").await.unwrap());
    assert_eq!(stores.beside.api_keys.find_key("k1").await.unwrap().unwrap(), revoked, "the first time stands");
}

pub(crate) async fn a_used_key_says_when(stores: Stores) {
    let key = key(&stores, tenant("acme"), "k1").await;
    stores.beside.api_keys.add_key(&key).await.unwrap();
    stores.beside.api_keys.touch_key("k1").await.unwrap();
    let first = stores.beside.api_keys.find_key("k1").await.unwrap().unwrap().last_used_at.unwrap();
    assert!(first >= key.created_at - secs(1));
    stores.beside.api_keys.touch_key("k1").await.unwrap();
    assert!(stores.beside.api_keys.find_key("k1").await.unwrap().unwrap().last_used_at.unwrap() >= first);
    stores.beside.api_keys.touch_key("no such key").await.unwrap();
}

pub(crate) async fn a_store_says_whether_any_key_is_of_use(stores: Stores) {
    assert!(!stores.beside.api_keys.any_key().await.unwrap());
    let key = key(&stores, tenant("acme"), "k1").await;
    let expired = ApiKey { id: "k0".into(), expires_at: Some(key.created_at - secs(60)), ..key.clone() };
    stores.beside.api_keys.add_key(&expired).await.unwrap();
    assert!(!stores.beside.api_keys.any_key().await.unwrap(), "an expired key lets nobody in");
    stores.beside.api_keys.add_key(&key).await.unwrap();
    assert!(stores.beside.api_keys.any_key().await.unwrap());
    stores.beside.api_keys.revoke_key(&tenant("acme"), "k1").await.unwrap();
    assert!(!stores.beside.api_keys.any_key().await.unwrap());
}
