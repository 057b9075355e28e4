//! Events of other services over mock stores.

use std::sync::{Arc, Mutex};

use chrono::{DateTime, Utc};
use mockall::predicate::eq;
use serde_json::{Value, json};
use task_domain::{SubscriptionLevel, TaskStatus};
use task_protocols::{
    InboundError, InboundEvent, InboundEventHandler, InboundKind, MockInboxStore, MockLevelStore, MockTaskStore,
    SaveOutcome, StoreError, TaskPage,
};
use task_service::InboundEvents;

use crate::support::{levels, loaded, now, saver, silent_hints, stored};

fn event(kind: InboundKind, payload: Value) -> InboundEvent {
    InboundEvent { kind, event_id: Some("e1".into()), subject: "s".into(), payload, published_at: None }
}

fn handler(tasks: MockTaskStore, inbox: MockInboxStore, store: MockLevelStore) -> InboundEvents {
    let levels = levels(SubscriptionLevel::Basic);
    InboundEvents::new(saver(tasks, silent_hints()), Arc::new(inbox), Arc::new(store), levels)
}

/// Knows no event; expects to note one.
fn empty_inbox() -> MockInboxStore {
    let mut inbox = MockInboxStore::new();
    inbox.expect_was_received().returning(|_| Ok(false));
    inbox.expect_note_received().with(eq("e1"), eq("s")).times(1).returning(|_, _| Ok(()));
    inbox
}

#[tokio::test]
async fn a_level_is_kept_bare_or_under_data_with_the_time_that_it_names() {
    let told: DateTime<Utc> = "2030-01-01T00:00:00Z".parse().unwrap();
    for (payload, at) in [
        (json!({"user_id": "ann", "subscription_level": "PRO", "occurred_at": "2030-01-01T00:00:00Z"}), told),
        (json!({"data": {"user_id": "ann", "new_level": "pro"}}), now()),
    ] {
        let mut store = MockLevelStore::new();
        store
            .expect_keep_event_level()
            .withf(move |tenant, user, level, when| {
                (tenant.as_str(), user.as_str(), *level, *when) == ("default", "ann", SubscriptionLevel::Pro, at)
            })
            .times(1)
            .returning(|_, _, _, _| Ok(()));
        let mut tasks = MockTaskStore::new();
        tasks.expect_now().returning(|| Ok(now()));
        let handler = handler(tasks, empty_inbox(), store);
        handler.handle(&event(InboundKind::SubscriptionChanged, payload)).await.unwrap();
    }
}

#[tokio::test]
async fn every_page_of_a_deleted_users_work_is_cancelled_and_what_is_done_stays() {
    let saved = Arc::new(Mutex::new(Vec::new()));
    let noted = Arc::clone(&saved);
    let mut tasks = MockTaskStore::new();
    let mut pages = vec![true, false].into_iter();
    tasks.expect_list().times(2).returning(move |filter| {
        assert_eq!(filter.user_id.as_ref().unwrap().as_str(), "ann");
        let done = task_domain::Task { status: TaskStatus::Completed, ..stored(false) };
        Ok(TaskPage {
            tasks: vec![stored(true), done],
            more: pages.next().unwrap(),
            total: None,
            conversations: Vec::new(),
        })
    });
    tasks.expect_find().returning(|_, _| Ok(Some(loaded(stored(true)))));
    tasks.expect_save().returning(move |change| {
        noted.lock().unwrap().push(change.task.status);
        Ok(SaveOutcome::Saved { id: 7 })
    });
    let handler = handler(tasks, empty_inbox(), MockLevelStore::new());
    handler.handle(&event(InboundKind::UserDeleted, json!({"user_id": "ann"}))).await.unwrap();
    assert_eq!(*saved.lock().unwrap(), [TaskStatus::Cancelled, TaskStatus::Cancelled]);
}

#[tokio::test]
async fn an_event_that_was_handled_is_handled_no_more() {
    let mut inbox = MockInboxStore::new();
    inbox.expect_was_received().with(eq("e1")).returning(|_| Ok(true));
    let handler = handler(MockTaskStore::new(), inbox, MockLevelStore::new());
    handler.handle(&event(InboundKind::UserDeleted, json!({"user_id": "ann"}))).await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_read_is_told_from_what_cannot_be_done_now() {
    let inbox = || {
        let mut inbox = MockInboxStore::new();
        inbox.expect_was_received().returning(|_| Ok(false));
        inbox
    };
    for payload in [
        json!([]),
        json!({}),
        json!({"user_id": 7}),
        json!({"user_id": "ann"}),
        json!({"user_id": "ann", "subscription_level": "gold"}),
        json!({"user_id": "a\u{0}b", "subscription_level": "pro"}),
    ] {
        let handler = handler(MockTaskStore::new(), inbox(), MockLevelStore::new());
        let outcome = handler.handle(&event(InboundKind::SubscriptionChanged, payload.clone())).await;
        assert!(matches!(outcome, Err(InboundError::Unreadable(_))), "{payload}: {outcome:?}");
    }
    let mut tasks = MockTaskStore::new();
    tasks.expect_list().returning(|_| Err(StoreError::unavailable("away")));
    let handler = handler(tasks, inbox(), MockLevelStore::new());
    let outcome = handler.handle(&event(InboundKind::UserDeleted, json!({"user_id": "ann"}))).await;
    assert!(matches!(outcome, Err(InboundError::Unavailable(_))), "{outcome:?}");
}
