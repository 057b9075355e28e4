//! Conversations of a task.

use task_domain::decide::{self, Change};
use task_domain::{Conversation, NewConversation, Task};
use task_protocols::SaveOutcome;

use crate::support::build::{new_task, queued, tenant};
use crate::support::{Stores, moment, token_of};

async fn add(stores: &Stores, task: &Task, content: &str) -> Conversation {
    let added =
        stores.beside.conversations.add_conversation(&task.tenant_id, &task.task_id, content, Conversation::ACTIVE);
    added.await.unwrap().expect("the task is there")
}

async fn list(stores: &Stores, task: &Task, after: i64, limit: i64) -> Vec<Conversation> {
    stores.beside.conversations.list_conversations(&task.tenant_id, &task.task_id, after, limit).await.unwrap()
}

async fn find(stores: &Stores, task: &Task, id: i64) -> Option<Conversation> {
    stores.beside.conversations.find_conversation(&task.tenant_id, id).await.unwrap()
}

pub(crate) async fn an_entry_is_found_as_it_was_added(stores: Stores) {
    let task = stores.create(new_task()).await;
    let before = stores.now().await;
    let content = "line one\nline 'two' \\ ☂ \"three\"";
    let added = add(&stores, &task, content).await;
    assert_eq!((added.content.as_str(), added.status.as_str()), (content, "active"));
    assert_eq!(added.task_id, task.task_id);
    assert!(added.id > 0 && added.created_at >= before && added.updated_at >= before);
    assert_eq!(find(&stores, &task, added.id).await, Some(added.clone()));
    assert_eq!(find(&stores, &task, added.id + 1).await, None);
    let strange = task_domain::TaskId::new("nothing").unwrap();
    let nowhere = stores.beside.conversations.add_conversation(&task.tenant_id, &strange, "x", "active").await.unwrap();
    assert_eq!(nowhere, None);
}

pub(crate) async fn entries_come_oldest_first_from_a_position_up_to_a_limit(stores: Stores) {
    let (task, other) = (stores.create(new_task()).await, stores.create(new_task()).await);
    let mut ours = Vec::new();
    for n in 0..5 {
        ours.push(add(&stores, &task, &format!("entry {n}")).await);
        add(&stores, &other, "theirs").await;
    }
    assert_eq!(list(&stores, &task, 0, 100).await, ours);
    assert_eq!(list(&stores, &task, ours[1].id, 2).await, ours[2..4]);
    assert_eq!(list(&stores, &task, ours[4].id, 2).await, []);
}

pub(crate) async fn an_edit_changes_what_is_given(stores: Stores) {
    let task = stores.create(new_task()).await;
    let (first, second) = (add(&stores, &task, "one").await, add(&stores, &task, "two").await);
    let edit =
        |content, status| stores.beside.conversations.edit_conversation(&task.tenant_id, first.id, content, status);
    let renamed = edit(Some("uno"), None).await.unwrap().unwrap();
    assert_eq!((renamed.content.as_str(), renamed.status.as_str()), ("uno", "active"));
    let archived = edit(None, Some("archived")).await.unwrap().unwrap();
    assert_eq!((archived.content.as_str(), archived.status.as_str()), ("uno", "archived"));
    assert_eq!(archived.created_at, first.created_at);
    assert!(archived.updated_at >= renamed.updated_at && renamed.updated_at >= first.updated_at);
    assert_eq!(list(&stores, &task, 0, 10).await, [archived, second.clone()]);
    let nothing = stores.beside.conversations.edit_conversation(&task.tenant_id, second.id + 1, Some("x"), None);
    assert_eq!(nothing.await.unwrap(), None);
}

pub(crate) async fn a_mark_changes_and_counts_those_with_another_status(stores: Stores) {
    let (task, other) = (stores.running(new_task()).await, stores.create(new_task()).await);
    for n in 0..3 {
        add(&stores, &task, &format!("entry {n}")).await;
    }
    let untouched = add(&stores, &other, "theirs").await;
    let (store, token) = (&stores.beside.conversations, token_of(&task));
    let mark = || store.mark_conversations(&task.tenant_id, &task.task_id, token, Conversation::PROCESSED);
    assert_eq!(mark().await.unwrap(), Some(3));
    assert_eq!(mark().await.unwrap(), Some(0));
    assert!(list(&stores, &task, 0, 10).await.iter().all(|entry| entry.status == "processed"));
    assert_eq!(list(&stores, &other, 0, 10).await, [untouched]);
}

pub(crate) async fn entries_go_one_by_one_and_with_their_task(stores: Stores) {
    let task = stores.running(new_task()).await;
    let (first, second) = (add(&stores, &task, "one").await, add(&stores, &task, "two").await);
    let delete = |id| stores.beside.conversations.delete_conversation(&task.tenant_id, id);
    assert!(delete(first.id).await.unwrap());
    assert!(!delete(first.id).await.unwrap());
    assert_eq!(list(&stores, &task, 0, 10).await, std::slice::from_ref(&second));
    stores.apply(&task, decide::delete).await;
    assert_eq!(list(&stores, &task, 0, 10).await, []);
    assert_eq!(find(&stores, &task, second.id).await, None);
    assert!(!delete(second.id).await.unwrap());
    let edited = stores.beside.conversations.edit_conversation(&task.tenant_id, second.id, Some("x"), None);
    assert_eq!(edited.await.unwrap(), None);
    let added = stores.beside.conversations.add_conversation(&task.tenant_id, &task.task_id, "x", "active");
    assert_eq!(added.await.unwrap(), None);
    let conversations = &stores.beside.conversations;
    let marked = conversations.mark_conversations(&task.tenant_id, &task.task_id, token_of(&task), "processed");
    assert_eq!(marked.await.unwrap(), None);
}

pub(crate) async fn conversations_of_another_tenant_are_neither_read_nor_changed(stores: Stores) {
    let task = stores.running(new_task()).await;
    let entry = add(&stores, &task, "ours").await;
    let (theirs, store) = (tenant("theirs"), &stores.beside.conversations);
    assert_eq!(store.find_conversation(&theirs, entry.id).await.unwrap(), None);
    assert_eq!(store.list_conversations(&theirs, &task.task_id, 0, 10).await.unwrap(), []);
    assert_eq!(store.add_conversation(&theirs, &task.task_id, "x", "active").await.unwrap(), None);
    assert_eq!(store.edit_conversation(&theirs, entry.id, Some("x"), None).await.unwrap(), None);
    assert!(!store.delete_conversation(&theirs, entry.id).await.unwrap());
    let marked = store.mark_conversations(&theirs, &task.task_id, token_of(&task), "processed");
    assert_eq!(marked.await.unwrap(), None);
    assert_eq!(list(&stores, &task, 0, 10).await, [entry]);
}

pub(crate) async fn a_new_task_has_its_entries_from_the_start_or_is_not_there(stores: Stores) {
    let entry = |content: &str, status: &str| NewConversation { content: content.into(), status: status.into() };
    let said = vec![entry("one\n'two' \\ ☂", "active"), entry("three", "archived"), entry("", "x")];
    let change = decide::create(queued(), &moment(stores.now().await)).unwrap();
    let change = Change { conversations: said.clone(), ..change };
    let SaveOutcome::Saved { id } = stores.tasks.save(&change).await.unwrap() else { panic!("not saved") };
    let found = list(&stores, &change.task, 0, 10).await;
    let texts: Vec<_> = found.iter().map(|e| entry(&e.content, &e.status)).collect();
    assert_eq!(texts, said);
    assert!(found.iter().all(|e| e.created_at == change.task.created_at && e.updated_at == e.created_at));
    let tenant_id = &change.task.tenant_id;
    assert_eq!(stores.tasks.save(&change).await.unwrap(), SaveOutcome::Duplicate);
    let entries = stores.tasks.find_by_number(tenant_id, id).await.unwrap().map(|(_, entries)| entries);
    assert_eq!(entries, Some(3));
}
