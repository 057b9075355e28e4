//! The audit trail: one entry for each accepted command, of the task's own tenant only.

use task_domain::decide;
use task_domain::{Task, TaskStatus};
use task_protocols::HistoryRecord;

use crate::support::build::{queued, tenant};
use crate::support::{Stores, token_of};

async fn history(stores: &Stores, task: &Task, after: i64, limit: i64) -> Vec<HistoryRecord> {
    stores.history.list_history(&task.tenant_id, &task.task_id, after, limit).await.unwrap()
}

pub(crate) async fn every_command_leaves_one_entry_in_order(stores: Stores) {
    let task = stores.create(queued()).await;
    stores.create(queued()).await;
    let held = stores.claim_next(&task).await;
    let token = token_of(&held);
    stores
        .apply(&held, |task, moment| {
            decide::release(task, token, Some("no time".into()), chrono::Duration::zero(), moment)
        })
        .await;
    stores.apply(&task, |task, moment| decide::cancel(task, None, moment)).await;
    let entries = history(&stores, &task, 0, 100).await;
    let shape: Vec<_> =
        entries.iter().map(|e| (e.entry.action.as_str(), e.entry.from_status, e.entry.to_status)).collect();
    assert_eq!(
        shape,
        [
            ("create", None, TaskStatus::Queued),
            ("claim", Some(TaskStatus::Queued), TaskStatus::Running),
            ("release", Some(TaskStatus::Running), TaskStatus::Queued),
            ("cancel", Some(TaskStatus::Queued), TaskStatus::Cancelled),
        ]
    );
    assert_eq!(entries[2].entry.reason.as_deref(), Some("no time"));
    assert!(entries.iter().all(|e| e.entry.task_id == task.task_id && e.entry.execution_id.is_some()));
    assert!(entries.windows(2).all(|pair| pair[0].id < pair[1].id));
    let page = history(&stores, &task, entries[0].id, 2).await;
    assert_eq!(page, entries[1..3]);
}

pub(crate) async fn the_latest_entries_come_newest_first(stores: Stores) {
    let task = stores.create(queued()).await;
    stores.claim_next(&task).await;
    let latest = stores.history.latest_history(&task.tenant_id, &task.task_id, 1).await.unwrap();
    let all = stores.history.list_history(&task.tenant_id, &task.task_id, 0, 10).await.unwrap();
    assert_eq!(latest, all[all.len() - 1..]);
    assert_eq!(stores.history.latest_history(&tenant("other"), &task.task_id, 1).await.unwrap(), []);
}

pub(crate) async fn the_history_of_another_tenant_or_a_deleted_task_is_not_read(stores: Stores) {
    let task = stores.create(queued()).await;
    assert_eq!(stores.history.list_history(&tenant("other"), &task.task_id, 0, 10).await.unwrap(), []);
    stores.apply(&task, decide::delete).await;
    assert_eq!(history(&stores, &task, 0, 10).await, []);
}
