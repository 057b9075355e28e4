//! Who may write into a task's conversation.

use std::sync::Arc;

use task_domain::{Conversation, TaskId};
use task_protocols::{MockConversationStore, MockExecutionStore, MockTaskStore};
use task_service::{Caller, ConversationPatch, ConversationService, Scope, ServiceError};

use crate::support::{key, loaded, now, service, stored, user};

fn entry(task_id: &TaskId) -> Conversation {
    Conversation {
        id: 1,
        task_id: task_id.clone(),
        content: "content".into(),
        status: "active".into(),
        created_at: now(),
        updated_at: now(),
    }
}

/// A conversation of ann's task.
fn conversations(store: MockConversationStore) -> ConversationService {
    let mut tasks = MockTaskStore::new();
    tasks.expect_find().returning(|_, _| Ok(Some(loaded(stored(false)))));
    ConversationService::new(Arc::new(store), Arc::new(service(tasks, MockExecutionStore::new())))
}

#[tokio::test]
async fn a_key_reads_with_any_scope_and_writes_with_tasks_write() {
    let task_id = stored(false).task_id;
    let refused = |error| matches!(error, ServiceError::Forbidden { .. });
    for (caller, reads, writes) in [
        (user("ann"), true, true),
        (user("bob"), false, false),
        (key(&[Scope::TasksWrite], &[]), true, true),
        (key(&[Scope::TasksWork], &[]), true, false),
        (key(&[Scope::TasksWrite], &["other_type"]), false, false),
    ] {
        let id = task_id.clone();
        let store = || {
            let mut store = MockConversationStore::new();
            let (one, two, three) = (id.clone(), id.clone(), id.clone());
            store.expect_find_conversation().returning(move |_, _| Ok(Some(entry(&one))));
            store.expect_add_conversation().returning(move |_, _, _, _| Ok(Some(entry(&two))));
            store.expect_edit_conversation().returning(move |_, _, _, _| Ok(Some(entry(&three))));
            store.expect_delete_conversation().returning(|_, _| Ok(true));
            store
        };
        let service = conversations(store());
        let patch = ConversationPatch { status: Some("archived".into()), ..ConversationPatch::default() };
        let outcome = |result: Result<(), ServiceError>| result.map_err(|e| assert!(refused(e))).is_ok();
        let caller: Caller = caller;
        assert_eq!(outcome(service.get(&caller, 1).await.map(drop)), reads, "{caller:?}");
        assert_eq!(outcome(service.add(&caller, &task_id, "c", "active").await.map(drop)), writes, "{caller:?}");
        assert_eq!(outcome(service.edit(&caller, 1, &patch).await.map(drop)), writes, "{caller:?}");
        assert_eq!(outcome(service.delete(&caller, 1).await), writes, "{caller:?}");
    }
}

#[tokio::test]
async fn an_empty_patch_writes_nothing() {
    let task_id = stored(false).task_id;
    let mut store = MockConversationStore::new();
    let kept = entry(&task_id);
    store.expect_find_conversation().return_once(move |_, _| Ok(Some(kept)));
    let edited = conversations(store).edit(&user("ann"), 1, &ConversationPatch::default()).await.unwrap();
    assert_eq!(edited, entry(&task_id));
}
