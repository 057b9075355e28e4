//! Facts: kept, searched, edited.

use chrono::{DateTime, Utc};
use serde_json::json;
use task_domain::{Fact, FactPatch, TenantId};
use task_protocols::{FactFilter, FactScope};
use uuid::Uuid;

use crate::support::build::{object, tenant, user};
use crate::support::{Stores, secs};

fn fact(now: DateTime<Utc>, owner: Option<&str>, text: &str) -> Fact {
    Fact {
        id: Uuid::now_v7(),
        tenant_id: TenantId::default_tenant(),
        user_id: owner.map(user),
        text: text.into(),
        tags: Vec::new(),
        meta_data: object(json!({})),
        created_at: now,
        updated_at: now,
    }
}

async fn add(stores: &Stores, fact: Fact) -> Fact {
    stores.beside.facts.add_fact(&fact).await.unwrap();
    fact
}

fn all() -> FactFilter {
    FactFilter {
        tenant_id: TenantId::default_tenant(),
        scope: FactScope::Everything,
        text: None,
        tag: None,
        limit: 100,
        offset: 0,
    }
}

/// The texts that a search finds, sorted.
async fn found(stores: &Stores, filter: FactFilter) -> Vec<String> {
    let page = stores.beside.facts.search_facts(&filter).await.unwrap();
    assert_eq!(page.total, page.facts.len() as i64);
    let mut texts: Vec<_> = page.facts.into_iter().map(|fact| fact.text).collect();
    texts.sort();
    texts
}

async fn find(stores: &Stores, fact: &Fact) -> Option<Fact> {
    stores.beside.facts.find_fact(&fact.tenant_id, fact.id).await.unwrap()
}

pub(crate) async fn a_fact_is_found_as_it_was_added(stores: Stores) {
    let now = stores.now().await;
    let full = Fact {
        tags: vec!["b".into(), "a".into(), "b".into(), String::new()],
        meta_data: object(json!({"deep": [{"a": null}, 1.5, -9_007_199_254_740_993_i64], "é ☂": "\\ ' \""})),
        updated_at: now + secs(1),
        ..fact(now, Some("zoë ☂ o'hara"), "näme with 'quotes', \"double\" \\ and ☂\n")
    };
    for fact in [full, fact(now, None, "short")] {
        add(&stores, fact.clone()).await;
        assert_eq!(find(&stores, &fact).await, Some(fact));
    }
    assert_eq!(find(&stores, &fact(now, None, "never added")).await, None);
}

pub(crate) async fn a_search_sees_what_its_scope_says(stores: Stores) {
    let now = stores.now().await;
    for (owner, text) in [(Some("ann"), "ann's"), (Some("bob"), "bob's"), (None, "the tenant's")] {
        add(&stores, fact(now, owner, text)).await;
    }
    let seen = |scope| found(&stores, FactFilter { scope, ..all() });
    assert_eq!(seen(FactScope::User(user("ann"))).await, ["ann's", "the tenant's"]);
    assert_eq!(seen(FactScope::User(user("nobody"))).await, ["the tenant's"]);
    assert_eq!(seen(FactScope::Tenant).await, ["the tenant's"]);
    assert_eq!(seen(FactScope::Everything).await, ["ann's", "bob's", "the tenant's"]);
}

pub(crate) async fn a_search_finds_parts_of_text_and_metadata_in_either_case(stores: Stores) {
    let now = stores.now().await;
    add(&stores, fact(now, None, "Water boils at 100 °C, says ÉMILE")).await;
    let meta_data = object(json!({"source": {"title": "The Émile Papers"}, "year": 1762}));
    add(&stores, Fact { meta_data, ..fact(now, None, "other") }).await;
    let search = |text: &str| found(&stores, FactFilter { text: Some(text.into()), ..all() });
    assert_eq!(search("BOILS at").await, ["Water boils at 100 °C, says ÉMILE"]);
    assert_eq!(search("émile").await, ["Water boils at 100 °C, says ÉMILE", "other"]);
    assert_eq!(search("Papers").await, ["other"]);
    assert_eq!(search("title").await, ["other"]);
    assert_eq!(search("1762").await, ["other"]);
    assert_eq!(search("\"year\": 1762").await, ["other"], "metadata is searched as JSON with a blank after colons");
    assert_eq!(search("papers\"}, \"").await, Vec::<String>::new(), "keys go by length, then by their letters");
    assert_eq!(search("1762, \"source\"").await, ["other"]);
    assert_eq!(search("steam").await, Vec::<String>::new());
}

pub(crate) async fn a_search_takes_pattern_characters_as_they_are(stores: Stores) {
    let now = stores.now().await;
    for text in ["100 % sure", "100 x sure", "a_b", "a\\b", "axb", "it's"] {
        add(&stores, fact(now, None, text)).await;
    }
    let search = |text: &str| found(&stores, FactFilter { text: Some(text.into()), ..all() });
    assert_eq!(search("0 % s").await, ["100 % sure"]);
    assert_eq!(search("a_b").await, ["a_b"]);
    assert_eq!(search("a\\b").await, ["a\\b"]);
    assert_eq!(search("t's").await, ["it's"]);
}

pub(crate) async fn a_tag_is_found_whole_and_together_with_a_text(stores: Stores) {
    let now = stores.now().await;
    for (text, tags) in [("one", vec!["physics", "Heat"]), ("two", vec!["physics2"]), ("three", vec!["physics"])] {
        let tags = tags.into_iter().map(str::to_owned).collect();
        add(&stores, Fact { tags, ..fact(now, None, text) }).await;
    }
    let search = |tag: &str, text: Option<&str>| {
        found(&stores, FactFilter { tag: Some(tag.into()), text: text.map(str::to_owned), ..all() })
    };
    assert_eq!(search("physics", None).await, ["one", "three"]);
    assert_eq!(search("heat", None).await, Vec::<String>::new(), "a tag is exact");
    assert_eq!(search("phys", None).await, Vec::<String>::new());
    assert_eq!(search("physics", Some("THR")).await, ["three"]);
}

pub(crate) async fn pages_are_newest_first_and_the_total_is_of_all(stores: Stores) {
    let now = stores.now().await;
    let mut added = Vec::new();
    for n in 0..5 {
        added.push(add(&stores, fact(now + secs(n), None, "same")).await);
    }
    added.reverse();
    let page = async |offset, limit| {
        let filter = FactFilter { offset, limit, ..all() };
        stores.beside.facts.search_facts(&filter).await.unwrap()
    };
    let first = page(0, 2).await;
    assert_eq!((first.total, first.facts.as_slice()), (5, &added[..2]));
    let last = page(3, 100).await;
    assert_eq!((last.total, last.facts.as_slice()), (5, &added[3..]));
    assert_eq!(page(9, 2).await.total, 5);
}

pub(crate) async fn an_edit_replaces_only_what_is_given(stores: Stores) {
    let then = stores.now().await - secs(60);
    let tags = vec!["old".to_owned()];
    let original = add(&stores, Fact { tags, ..fact(then, Some("ann"), "before") }).await;
    let other = add(&stores, fact(then, Some("ann"), "other")).await;
    let edit = |patch: FactPatch| {
        let stores = stores.clone();
        async move { stores.beside.facts.edit_fact(&TenantId::default_tenant(), original.id, &patch).await.unwrap() }
    };
    let edited = edit(FactPatch { text: Some("after".into()), ..FactPatch::default() }).await.unwrap();
    assert!(edited.updated_at > then);
    assert_eq!(edited, Fact { text: "after".into(), updated_at: edited.updated_at, ..original.clone() });
    let patch =
        FactPatch { tags: Some(Vec::new()), meta_data: Some(object(json!({"k": [1]}))), ..FactPatch::default() };
    let edited = edit(patch).await.unwrap();
    assert_eq!((edited.text.as_str(), edited.tags.len()), ("after", 0));
    assert_eq!(edited.meta_data, object(json!({"k": [1]})));
    assert_eq!(find(&stores, &original).await, Some(edited));
    assert_eq!(find(&stores, &other).await, Some(other));
    assert!(stores.beside.facts.delete_fact(&original.tenant_id, original.id).await.unwrap());
    assert!(!stores.beside.facts.delete_fact(&original.tenant_id, original.id).await.unwrap());
    assert_eq!(find(&stores, &original).await, None);
    assert_eq!(edit(FactPatch { text: Some("x".into()), ..FactPatch::default() }).await, None);
}

pub(crate) async fn facts_of_another_tenant_are_neither_read_nor_changed(stores: Stores) {
    let now = stores.now().await;
    let ours = add(&stores, fact(now, None, "ours")).await;
    let theirs = tenant("theirs");
    // The same id in both.
    let twin = add(&stores, Fact { tenant_id: theirs.clone(), text: "theirs".into(), ..ours.clone() }).await;
    let only_ours = add(&stores, fact(now, None, "only ours")).await;
    assert_eq!(found(&stores, FactFilter { tenant_id: theirs.clone(), ..all() }).await, ["theirs"]);
    let store = &stores.beside.facts;
    assert_eq!(store.find_fact(&theirs, only_ours.id).await.unwrap(), None);
    let patch = FactPatch { text: Some("x".into()), ..FactPatch::default() };
    assert_eq!(store.edit_fact(&theirs, only_ours.id, &patch).await.unwrap(), None);
    assert!(!store.delete_fact(&theirs, only_ours.id).await.unwrap());
    assert!(store.delete_fact(&theirs, twin.id).await.unwrap());
    assert_eq!(find(&stores, &ours).await, Some(ours));
    assert_eq!(find(&stores, &only_ours).await, Some(only_ours));
}
