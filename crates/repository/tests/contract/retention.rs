//! What is old enough goes, in bounded steps; nothing else does.

use std::time::Duration;

use chrono::{DateTime, Utc};
use task_domain::decide::{self, Idempotency};
use task_domain::{Task, TaskStatus, TenantId};
use task_protocols::{SaveOutcome, Swept};

use crate::support::build::{new_task, queued, tenant, user};
use crate::support::{Stores, executions_of, moment, secs, token_of};

const HOUR: Duration = Duration::from_secs(3600);

/// A task that was run, reported progress and ended at `then`.
async fn ended(stores: &Stores, then: DateTime<Utc>) -> Task {
    let task = stores.create_at(queued(), then).await;
    // Its lease lives, so that progress is accepted; the end is dated back.
    let held = stores.claim_at(&task, then, 86_400).await;
    let entries = [serde_json::json!({"step": 1}).as_object().unwrap().clone()];
    let appended = stores.progress.append(&held.tenant_id, &held.task_id, token_of(&held), &entries).await.unwrap();
    assert!(appended.is_some());
    let token = token_of(&held);
    let report = decide::Report::default();
    stores.apply_at(&held, then, |task, moment| decide::complete(task, token, report.clone(), moment)).await
}

async fn sweep_terminal(stores: &Stores, age: Duration) -> usize {
    let (mut cursor, mut steps) = (None, 0);
    while let Some(next) = stores.beside.retention.sweep_terminal(age, cursor, 2).await.unwrap() {
        assert!(cursor.is_none_or(|before| before < next), "goes forward");
        (cursor, steps) = (Some(next), steps + 1);
    }
    steps
}

pub(crate) async fn records_of_ended_tasks_go_and_their_last_result_stays(stores: Stores) {
    let now = stores.now().await;
    let mut old = Vec::new();
    for n in 0..5 {
        old.push(ended(&stores, now - secs(7200 + n)).await);
    }
    let young = ended(&stores, now - secs(60)).await;
    let living = stores.create_at(queued(), now - secs(9000)).await;
    let before = [stores.snapshot(&young).await, stores.snapshot(&living).await];
    assert_eq!(sweep_terminal(&stores, HOUR).await, 3, "five tasks, two at a time");
    for task in &old {
        let swept = stores.snapshot(task).await;
        assert_eq!(swept.task, *task, "the task and its last result stay");
        assert_eq!(swept.progress, []);
        assert_eq!(swept.executions.len(), 1, "that of the last result");
        assert_eq!(stores.history.list_history(&task.tenant_id, &task.task_id, 0, 10).await.unwrap(), []);
    }
    assert_eq!([stores.snapshot(&young).await, stores.snapshot(&living).await], before);
    assert_eq!(stores.history.list_history(&young.tenant_id, &young.task_id, 0, 10).await.unwrap().len(), 3);
}

pub(crate) async fn a_reopened_task_keeps_its_records_until_it_has_ended_again(stores: Stores) {
    let now = stores.now().await;
    let task = ended(&stores, now - secs(7200)).await;
    let task = stores.apply_at(&task, now - secs(7100), |task, m| decide::execute(task, None, m)).await;
    assert_eq!(sweep_terminal(&stores, HOUR).await, 0);
    assert_eq!(stores.executions.list_executions(&executions_of(&task)).await.unwrap().len(), 2);
    stores.apply_at(&task, now - secs(7000), |task, m| decide::set_status(task, TaskStatus::Cancelled, m)).await;
    assert_eq!(sweep_terminal(&stores, HOUR).await, 1);
    let again = stores.apply(&task, |task, m| decide::set_status(task, TaskStatus::Queued, m)).await;
    assert_eq!(again.status, TaskStatus::Queued, "a swept task still works");
}

pub(crate) async fn deleted_tasks_go_whole_after_their_time(stores: Stores) {
    let now = stores.now().await;
    let mut old = Vec::new();
    for _ in 0..3 {
        let task = ended(&stores, now - secs(9000)).await;
        stores.beside.conversations.add_conversation(&task.tenant_id, &task.task_id, "hello", "active").await.unwrap();
        stores.apply_at(&task, now - secs(7200), decide::delete).await;
        old.push(task);
    }
    let young = ended(&stores, now - secs(9000)).await;
    stores.apply(&young, decide::delete).await;
    let kept = ended(&stores, now - secs(9000)).await;
    let sweep = async || stores.beside.retention.sweep(Swept::DeletedTasks, HOUR, 2).await.unwrap();
    assert_eq!([sweep().await, sweep().await, sweep().await], [2, 1, 0]);
    let again = |task: &Task| {
        let new = decide::NewTask { task_id: Some(task.task_id.clone()), ..new_task() };
        decide::create(new, &moment(now)).unwrap()
    };
    for task in &old {
        stores.save(&again(task)).await;
        assert_eq!(stores.snapshot(&stores.load(task).await).await.executions, [], "nothing of the old one");
    }
    assert_eq!(stores.tasks.save(&again(&young)).await.unwrap(), SaveOutcome::Duplicate, "its id is still taken");
    assert_eq!(stores.load(&kept).await, kept);
}

pub(crate) async fn idempotency_keys_and_inbox_ids_go_by_their_age(stores: Stores) {
    for n in 0..3 {
        stores.beside.inbox.note_received(&format!("e{n}"), "s").await.unwrap();
        let mut change = decide::create(new_task(), &moment(stores.now().await)).unwrap();
        change.idempotency = Some(Idempotency { caller: "ann".into(), key: format!("k{n}"), fingerprint: "f".into() });
        stores.save(&change).await;
    }
    for what in [Swept::InboxIds, Swept::IdempotencyKeys] {
        let sweep = async |age| stores.beside.retention.sweep(what, age, 2).await.unwrap();
        assert_eq!(sweep(HOUR).await, 0, "too young");
        let step = Duration::ZERO;
        assert_eq!([sweep(step).await, sweep(step).await, sweep(step).await], [2, 1, 0]);
    }
    assert!(!stores.beside.inbox.was_received("e1").await.unwrap());
}

pub(crate) async fn a_sweep_reaches_every_tenant_and_touches_no_other_task(stores: Stores) {
    let now = stores.now().await;
    let mut tasks = Vec::new();
    for (tenant_id, user_id) in [(TenantId::default_tenant(), user("ann")), (tenant("other"), user("bob"))] {
        let new = decide::NewTask { tenant_id, user_id: Some(user_id), ..new_task() };
        let task = stores.create_at(new, now - secs(9000)).await;
        let task = stores.apply_at(&task, now - secs(8000), |task, m| decide::cancel(task, None, m)).await;
        tasks.push(task);
    }
    assert_eq!(sweep_terminal(&stores, HOUR).await, 1);
    for task in &tasks {
        assert_eq!(stores.history.list_history(&task.tenant_id, &task.task_id, 0, 10).await.unwrap(), []);
        assert_eq!(stores.load(task).await, *task);
    }
}
