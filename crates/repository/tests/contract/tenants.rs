//! Nothing of one tenant is visible to, or moved by, another: every method.

use serde_json::json;
use task_domain::Task;
use task_domain::decide::{self, NewTask};
use task_protocols::{ClaimRequest, EventFilter, SaveOutcome, TaskFilter};

use crate::support::build::{new_task, object, queued, task_id, tenant};
use crate::support::{Stores, claim_of, everything, executions_of, moment, token_of};

/// The same ids in two tenants: a running task called `same`.
async fn twins(stores: &Stores) -> (Task, Task) {
    let twin =
        |name| NewTask { tenant_id: tenant(name), task_id: Some(task_id("same")), name: name.to_owned(), ..new_task() };
    (stores.running(twin("ours")).await, stores.running(twin("theirs")).await)
}

pub(crate) async fn tasks_of_another_tenant_are_neither_found_nor_listed(stores: Stores) {
    let (ours, theirs) = twins(&stores).await;
    let only_theirs =
        stores.create(NewTask { tenant_id: tenant("theirs"), task_id: Some(task_id("secret")), ..queued() }).await;
    assert_eq!(stores.load(&ours).await.name, "ours");
    assert_eq!(stores.load(&theirs).await.name, "theirs");
    assert_eq!(stores.tasks.find(&tenant("ours"), &only_theirs.task_id).await.unwrap(), None);
    let listed = stores.all(&tenant("ours")).await;
    assert_eq!(listed.iter().map(|t| t.id).collect::<Vec<_>>(), [ours.id]);
    let by_key = TaskFilter { text: Some("s".into()), ..everything(&tenant("ours")) };
    assert_eq!(stores.tasks.list(&by_key).await.unwrap().tasks.len(), 1);
    assert!(stores.all(&tenant("nobody")).await.is_empty());
}

pub(crate) async fn a_change_saved_under_another_tenant_reaches_nothing(stores: Stores) {
    let (ours, theirs) = twins(&stores).await;
    let now = stores.now().await;
    let before = stores.snapshot(&theirs).await;
    // Their bigint id under our tenant, and a task that only they have.
    let forged = Task { id: theirs.id, ..ours.clone() };
    let change = decide::cancel(&forged, None, &moment(now)).unwrap();
    if let SaveOutcome::Saved { id } = stores.tasks.save(&change).await.unwrap() {
        assert_eq!(id, ours.id, "ids may be counted per tenant, but then it is ours");
    }
    let stolen = Task { tenant_id: tenant("thieves"), ..theirs.clone() };
    let change = decide::cancel(&stolen, None, &moment(now)).unwrap();
    assert_eq!(stores.tasks.save(&change).await.unwrap(), SaveOutcome::Stale);
    let mut after = stores.snapshot(&theirs).await;
    after.outbox = before.outbox;
    assert_eq!(after, before);
}

pub(crate) async fn claims_and_leases_stay_in_their_tenant(stores: Stores) {
    let (ours, theirs) = twins(&stores).await;
    let waiting = stores.create(NewTask { tenant_id: tenant("theirs"), ..queued() }).await;
    let our_claim = ClaimRequest { tenant_id: Some(tenant("ours")), max_tasks: 10, ..claim_of(&waiting) };
    assert!(stores.executions.claim(&our_claim).await.unwrap().is_empty());
    let before = stores.snapshot(&theirs).await;
    let token = token_of(&theirs);
    assert_eq!(stores.executions.heartbeat(&ours.tenant_id, &ours.task_id, token, None).await.unwrap(), None);
    assert_eq!(
        stores.progress.append(&ours.tenant_id, &ours.task_id, token, &[object(json!({}))]).await.unwrap(),
        None
    );
    assert_eq!(stores.snapshot(&theirs).await, before);
}

pub(crate) async fn executions_of_another_tenant_are_not_read(stores: Stores) {
    let (ours, theirs) = twins(&stores).await;
    let (our_id, their_id) =
        (ours.current.as_ref().unwrap().execution_id, theirs.current.as_ref().unwrap().execution_id);
    let read = |id| stores.executions.find_execution(&ours.tenant_id, id);
    assert_eq!(read(our_id).await.unwrap().map(|e| e.execution_id), Some(our_id));
    assert_eq!(read(their_id).await.unwrap(), None);
    stores.complete(&theirs).await;
    assert_eq!(read(their_id).await.unwrap(), None);
    let listed = stores.executions.list_executions(&executions_of(&ours)).await.unwrap();
    assert_eq!(listed.iter().map(|e| e.execution_id).collect::<Vec<_>>(), [our_id]);
    let ended = stores.executions.find_ended_by_token(&ours.tenant_id, &ours.task_id, token_of(&theirs)).await.unwrap();
    assert_eq!(ended, None);
}

pub(crate) async fn progress_of_another_tenant_is_not_read_and_counts_apart(stores: Stores) {
    let (ours, theirs) = twins(&stores).await;
    for n in 1..=3 {
        let appended = stores
            .progress
            .append(&theirs.tenant_id, &theirs.task_id, token_of(&theirs), &[object(json!({}))])
            .await
            .unwrap();
        assert_eq!(appended.unwrap().seq_id, n);
    }
    assert!(stores.progress.list_progress(&ours.tenant_id, &ours.task_id, 0, 10).await.unwrap().is_empty());
    let first = stores
        .progress
        .append(&ours.tenant_id, &ours.task_id, token_of(&ours), &[object(json!({}))])
        .await
        .unwrap()
        .unwrap();
    assert_eq!(first.seq_id, 1);
}

pub(crate) async fn events_of_another_tenant_are_not_read(stores: Stores) {
    let (ours, _) = twins(&stores).await;
    let ids: Vec<i64> = stores.events().await.iter().map(|e| e.id).collect();
    stores.outbox.mark_published(&ids).await.unwrap();
    let filter =
        EventFilter { tenant_id: Some(ours.tenant_id.clone()), user_id: ours.user_id.clone(), types: Vec::new() };
    let read = stores.outbox.events_after(&filter, 0, i64::MAX, 100).await.unwrap();
    assert_eq!(read.len(), 2);
    assert!(read.iter().all(|e| e.event.tenant_id == ours.tenant_id));
}
