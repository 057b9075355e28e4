//! Who may see and change a fact; what the store is asked for.

use std::sync::Arc;

use task_domain::{Fact, FactPatch, JsonObject, TenantId, UserId};
use task_protocols::{FactPage, FactScope, MockFactStore, MockTaskStore};
use task_service::{Access, Caller, FactDraft, FactSearch, FactService, Scope, ServiceError};
use uuid::Uuid;

use crate::support::{key, now, user};

fn fact(owner: Option<&str>) -> Fact {
    Fact {
        id: Uuid::nil(),
        tenant_id: TenantId::default_tenant(),
        user_id: owner.map(|id| UserId::new(id).unwrap()),
        text: "text".into(),
        tags: Vec::new(),
        meta_data: JsonObject::new(),
        created_at: now(),
        updated_at: now(),
    }
}

fn service(facts: MockFactStore) -> FactService {
    let mut clock = MockTaskStore::new();
    clock.expect_now().returning(|| Ok(now()));
    FactService::new(Arc::new(facts), Arc::new(clock))
}

fn acting_for(name: &str) -> Caller {
    let mut caller = key(&[Scope::Facts, Scope::ActAsUser], &[]);
    if let Access::Key { acting_for, .. } = &mut caller.access {
        *acting_for = Some((UserId::new(name).unwrap(), None));
    }
    caller
}

#[tokio::test]
async fn who_reads_and_changes_whose_facts() {
    let (facts, admin, worker) = (key(&[Scope::Facts], &[]), key(&[Scope::Admin], &[]), key(&[Scope::TasksWork], &[]));
    for (caller, owner, reads, changes) in [
        (user("ann"), Some("ann"), true, true),
        (user("ann"), Some("bob"), false, false),
        (user("ann"), None, true, false),
        (acting_for("ann"), Some("ann"), true, true),
        (acting_for("ann"), None, true, false),
        (acting_for("ann"), Some("bob"), false, false),
        (facts.clone(), None, true, true),
        (facts.clone(), Some("ann"), false, false),
        (admin.clone(), None, true, true),
        (admin.clone(), Some("ann"), true, true),
        (worker.clone(), None, false, false),
        (worker.clone(), Some("ann"), false, false),
    ] {
        let mut store = MockFactStore::new();
        store.expect_find_fact().returning(move |_, _| Ok(Some(fact(owner))));
        store.expect_edit_fact().returning(move |_, _, _| Ok(Some(fact(owner))));
        store.expect_delete_fact().returning(|_, _| Ok(true));
        let service = service(store);
        let patch = FactPatch { text: Some("new".into()), ..FactPatch::default() };
        let refused = |error: ServiceError| matches!(error, ServiceError::Forbidden { .. });
        let outcome = |result: Result<(), ServiceError>| result.map_err(|e| assert!(refused(e))).is_ok();
        assert_eq!(outcome(service.get(&caller, Uuid::nil()).await.map(drop)), reads, "{caller:?} {owner:?}");
        assert_eq!(
            outcome(service.edit(&caller, Uuid::nil(), &patch).await.map(drop)),
            changes,
            "{caller:?} {owner:?}"
        );
        assert_eq!(outcome(service.delete(&caller, Uuid::nil()).await), changes, "{caller:?} {owner:?}");
    }
}

#[tokio::test]
async fn a_search_asks_for_what_the_caller_may_see() {
    let ann = || FactScope::User(UserId::new("ann").unwrap());
    for (caller, scope) in [
        (user("ann"), ann()),
        (acting_for("ann"), ann()),
        (key(&[Scope::Facts], &[]), FactScope::Tenant),
        (key(&[Scope::Admin], &[]), FactScope::Everything),
    ] {
        let mut store = MockFactStore::new();
        store.expect_search_facts().withf(move |filter| filter.scope == scope).return_once(|_| Ok(FactPage::default()));
        service(store).search(&caller, FactSearch::default()).await.unwrap();
    }
    let refused = service(MockFactStore::new()).search(&key(&[Scope::TasksWork], &[]), FactSearch::default()).await;
    assert!(matches!(refused, Err(ServiceError::Forbidden { action: "read", .. })));
}

#[tokio::test]
async fn a_fact_is_the_users_that_the_call_is_for_or_the_tenants() {
    for (caller, owner) in
        [(user("ann"), Some("ann")), (acting_for("ann"), Some("ann")), (key(&[Scope::Facts], &[]), None)]
    {
        let mut store = MockFactStore::new();
        store.expect_add_fact().return_once(|_| Ok(()));
        let draft = FactDraft { text: "text".into(), ..FactDraft::default() };
        let added = service(store).add(&caller, draft).await.unwrap();
        assert_eq!((added.user_id.as_ref().map(UserId::as_str), added.created_at), (owner, now()));
    }
    let refused = service(MockFactStore::new()).add(&key(&[Scope::TasksWork], &[]), FactDraft::default()).await;
    assert!(matches!(refused, Err(ServiceError::Forbidden { action: "create", .. })));
}

#[tokio::test]
async fn an_empty_patch_writes_nothing() {
    let mut store = MockFactStore::new();
    store.expect_find_fact().returning(|_, _| Ok(Some(fact(Some("ann")))));
    let kept = service(store).edit(&user("ann"), Uuid::nil(), &FactPatch::default()).await.unwrap();
    assert_eq!(kept, fact(Some("ann")));
}

#[tokio::test]
async fn what_is_gone_is_not_found() {
    let mut store = MockFactStore::new();
    store.expect_find_fact().returning(|_, _| Ok(None));
    let service = service(store);
    for error in [
        service.get(&user("ann"), Uuid::nil()).await.unwrap_err(),
        service.edit(&user("ann"), Uuid::nil(), &FactPatch::default()).await.unwrap_err(),
        service.delete(&user("ann"), Uuid::nil()).await.unwrap_err(),
    ] {
        assert!(matches!(error, ServiceError::FactNotFound { .. }));
    }
}
