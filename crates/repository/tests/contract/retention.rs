//! What is old enough goes, in bounded steps; nothing else does.

use std::time::Duration;

use chrono::{DateTime, Utc};
use task_domain::decide::{self, Idempotency};
use task_domain::{Task, TaskStatus, TenantId};
use task_protocols::{HistoryRecord, ProgressEntry, SaveOutcome, SweepCursor, Swept};

use crate::support::build::{hourly, new_task, queued, tenant, user};
use crate::support::{Stores, executions_of, moment, secs, token_of};

const HOUR: Duration = Duration::from_secs(3600);

/// Claims it, reports so much progress, and completes it, all at `then`.
async fn run(stores: &Stores, task: &Task, then: DateTime<Utc>, progress: usize) -> Task {
    // Its lease lives, so that progress is accepted; the end is dated back.
    let held = stores.claim_at(task, then, 86_400).await;
    if progress > 0 {
        let entries = vec![serde_json::json!({"step": 1}).as_object().unwrap().clone(); progress];
        let appended = stores.progress.append(&held.tenant_id, &held.task_id, token_of(&held), &entries).await.unwrap();
        assert!(appended.is_some());
    }
    let token = token_of(&held);
    let report = decide::Report::default();
    stores.apply_at(&held, then, |task, moment| decide::complete(task, token, report.clone(), moment)).await
}

/// A task that was run, reported progress and ended at `then`.
async fn ended(stores: &Stores, then: DateTime<Utc>) -> Task {
    let task = stores.create_at(queued(), then).await;
    run(stores, &task, then, 1).await
}

/// Goes through to the end; how many steps it took.
async fn sweep_through<F, Fut>(step: F) -> usize
where
    F: Fn(Option<SweepCursor>) -> Fut,
    Fut: Future<Output = Option<SweepCursor>>,
{
    let (mut cursor, mut steps) = (None, 0);
    while let Some(next) = step(cursor).await {
        assert!(cursor.is_none_or(|before| before <= next), "never goes back");
        (cursor, steps) = (Some(next), steps + 1);
        assert!(steps < 100, "comes to an end");
    }
    steps
}

async fn sweep_terminal(stores: &Stores) -> usize {
    let retention = &stores.beside.retention;
    sweep_through(async |at| retention.sweep_terminal(HOUR, at, 2).await.unwrap()).await
}

async fn sweep_executions(stores: &Stores) -> usize {
    let retention = &stores.beside.retention;
    sweep_through(async |at| retention.sweep_executions(HOUR, at, 2).await.unwrap()).await
}

/// Sweeps two rows at a time until nothing is left; what each step removed.
async fn sweep(stores: &Stores, what: Swept) -> Vec<u64> {
    let mut removed = Vec::new();
    loop {
        match stores.beside.retention.sweep(what, HOUR, 2).await.unwrap() {
            0 => return removed,
            n => removed.push(n),
        }
    }
}

async fn history(stores: &Stores, task: &Task) -> Vec<HistoryRecord> {
    stores.history.list_history(&task.tenant_id, &task.task_id, 0, 100).await.unwrap()
}

async fn progress(stores: &Stores, task: &Task) -> Vec<ProgressEntry> {
    stores.progress.list_progress(&task.tenant_id, &task.task_id, 0, 100).await.unwrap()
}

pub(crate) async fn records_of_ended_tasks_go_and_their_last_result_stays(stores: Stores) {
    let now = stores.now().await;
    let mut old = Vec::new();
    for n in 0..5 {
        old.push(ended(&stores, now - secs(7200 + n)).await);
    }
    let young = ended(&stores, now - secs(60)).await;
    let living = stores.create_at(queued(), now - secs(60)).await;
    let before = [stores.snapshot(&young).await, stores.snapshot(&living).await];
    sweep_terminal(&stores).await;
    assert_eq!(sweep_executions(&stores).await, 3, "five, two at a time");
    assert_eq!(sweep(&stores, Swept::History).await, [2, 2, 2, 2, 2, 2, 2, 1], "three of each");
    for task in &old {
        let swept = stores.snapshot(task).await;
        assert_eq!(swept.task, *task, "the task and its last result stay");
        assert_eq!(swept.progress, []);
        assert_eq!(swept.executions.len(), 1, "that of the last result");
        assert_eq!(history(&stores, task).await, []);
    }
    assert_eq!([stores.snapshot(&young).await, stores.snapshot(&living).await], before);
    assert_eq!(history(&stores, &young).await.len(), 3);
}

pub(crate) async fn old_executions_and_history_go_of_a_recurring_task_too(stores: Stores) {
    let now = stores.now().await;
    let new = decide::NewTask { schedule: Some(hourly()), ..new_task() };
    let mut task = stores.create_at(new, now - secs(9000)).await;
    for ago in [8900, 8800, 8700, 60, 50] {
        task = stores.apply_at(&task, now - secs(ago), |task, m| decide::execute(task, None, m)).await;
        task = run(&stores, &task, now - secs(ago), 1).await;
        assert_eq!(task.status, TaskStatus::Scheduled);
    }
    // Its last result is an old one.
    let idle = decide::NewTask { schedule: Some(hourly()), ..new_task() };
    let idle = stores.create_at(idle, now - secs(9000)).await;
    let idle = stores.apply_at(&idle, now - secs(8600), |task, m| decide::execute(task, None, m)).await;
    let idle = run(&stores, &idle, now - secs(8600), 1).await;
    sweep_executions(&stores).await;
    sweep(&stores, Swept::History).await;
    sweep_terminal(&stores).await;
    let executions = stores.executions.list_executions(&executions_of(&task)).await.unwrap();
    assert_eq!(executions.len(), 2);
    assert!(executions.iter().all(|e| e.completed_at.unwrap() > now - secs(3600)));
    assert_eq!(history(&stores, &task).await.len(), 6, "execute, claim and complete of each young run");
    assert_eq!(progress(&stores, &task).await.len(), 5, "while it lives");
    assert_eq!(stores.load(&task).await, task);
    assert_eq!(stores.executions.list_executions(&executions_of(&idle)).await.unwrap().len(), 1);
    assert_eq!(stores.load(&idle).await, idle, "with its last result");
    // A last result goes when another one has followed and it is come by again.
    let idle = stores.apply_at(&idle, now, |task, m| decide::execute(task, None, m)).await;
    run(&stores, &idle, now, 1).await;
    sweep_executions(&stores).await;
    assert_eq!(stores.executions.list_executions(&executions_of(&idle)).await.unwrap().len(), 1, "the new one");
}

pub(crate) async fn much_progress_goes_a_bounded_number_of_entries_at_a_time(stores: Stores) {
    let now = stores.now().await;
    let mut tasks = Vec::new();
    for (n, entries) in [(0, 7), (1, 0), (2, 3), (3, 1)] {
        let task = stores.create_at(queued(), now - secs(7200 - n)).await;
        tasks.push(run(&stores, &task, now - secs(7200 - n), entries).await);
    }
    let young = stores.create_at(queued(), now - secs(60)).await;
    let young = run(&stores, &young, now - secs(60), 7).await;
    let (mut cursor, mut left) = (None, 11);
    while let Some(next) = stores.beside.retention.sweep_terminal(HOUR, cursor, 2).await.unwrap() {
        let mut now_left = 0;
        for task in &tasks {
            let entries = progress(&stores, task).await.len();
            now_left += entries;
            let passed = (task.completed_at.unwrap(), task.id) <= (next.ended_at, next.id);
            assert!(!passed || entries == 0, "goes past no task that has entries left");
        }
        assert!(left - now_left <= 2, "{left} to {now_left}");
        assert!(now_left < left || cursor != Some(next), "comes on");
        (cursor, left) = (Some(next), now_left);
    }
    assert_eq!(left, 0);
    assert_eq!(progress(&stores, &young).await.len(), 7);
}

pub(crate) async fn a_reopened_task_keeps_its_progress_until_it_has_ended_again(stores: Stores) {
    let now = stores.now().await;
    let task = ended(&stores, now - secs(7200)).await;
    let task = stores.apply_at(&task, now - secs(7100), |task, m| decide::execute(task, None, m)).await;
    assert_eq!(sweep_terminal(&stores).await, 0);
    assert_eq!(progress(&stores, &task).await.len(), 1);
    stores.apply_at(&task, now - secs(7000), |task, m| decide::set_status(task, TaskStatus::Cancelled, m)).await;
    assert_ne!(sweep_terminal(&stores).await, 0);
    assert_eq!(progress(&stores, &task).await, []);
    let again = stores.apply(&task, |task, m| decide::set_status(task, TaskStatus::Queued, m)).await;
    assert_eq!(again.status, TaskStatus::Queued, "a swept task still works");
}

/// A create under the id of a task that is gone.
fn again(task: &Task, now: DateTime<Utc>) -> decide::Change {
    let new = decide::NewTask { task_id: Some(task.task_id.clone()), ..new_task() };
    decide::create(new, &moment(now)).unwrap()
}

pub(crate) async fn deleted_tasks_go_whole_after_their_time(stores: Stores) {
    let now = stores.now().await;
    let mut old = Vec::new();
    for n in 0..3 {
        let task = stores.create_at(queued(), now - secs(9000)).await;
        let task = run(&stores, &task, now - secs(9000), 5 * n).await;
        stores.beside.conversations.add_conversation(&task.tenant_id, &task.task_id, "hello", "active").await.unwrap();
        stores.apply_at(&task, now - secs(7200), decide::delete).await;
        old.push(task);
    }
    let young = ended(&stores, now - secs(9000)).await;
    stores.apply(&young, decide::delete).await;
    let kept = ended(&stores, now - secs(9000)).await;
    stores.beside.retention.sweep(Swept::DeletedTasks, HOUR, 2).await.unwrap();
    assert_eq!(stores.tasks.save(&again(&old[2], now)).await.unwrap(), SaveOutcome::Duplicate, "its records go first");
    let removed = sweep(&stores, Swept::DeletedTasks).await;
    assert!(removed.iter().all(|rows| *rows <= 2 * 4), "two rows of each kind of record at most: {removed:?}");
    for task in &old {
        stores.save(&again(task, now)).await;
        let fresh = stores.snapshot(&stores.load(task).await).await;
        assert_eq!((fresh.executions, fresh.progress), (vec![], vec![]), "nothing of the old one");
        assert_eq!(history(&stores, task).await.len(), 1);
        let said = stores.beside.conversations.list_conversations(&task.tenant_id, &task.task_id, 0, 10).await;
        assert_eq!(said.unwrap(), []);
    }
    assert_eq!(stores.tasks.save(&again(&young, now)).await.unwrap(), SaveOutcome::Duplicate, "its id is still taken");
    assert_eq!(stores.load(&kept).await, kept);
}

pub(crate) async fn a_deleted_task_stays_while_another_was_created_to_wait_for_it(stores: Stores) {
    let now = stores.now().await;
    let first = ended(&stores, now - secs(9000)).await;
    let new = decide::NewTask { depends_on: vec![first.task_id.clone()], blocked: true, ..new_task() };
    let waiting = stores.create_at(new, now - secs(9000)).await;
    stores.apply_at(&first, now - secs(7200), decide::delete).await;
    assert_eq!(sweep(&stores, Swept::DeletedTasks).await, [] as [u64; 0]);
    let ids = std::slice::from_ref(&first.task_id);
    let known = stores.dependencies.dependencies(&first.tenant_id, ids).await.unwrap();
    assert_eq!(known[0].state, decide::DependencyState::Completed);
    // Itself deleted, it goes first, and what it waited for after it.
    stores.apply_at(&waiting, now - secs(7200), decide::delete).await;
    assert_ne!(sweep(&stores, Swept::DeletedTasks).await, [] as [u64; 0]);
    assert_eq!(stores.dependencies.waiting_for(&first.tenant_id, ids).await.unwrap(), []);
    assert_eq!(stores.dependencies.dependencies(&first.tenant_id, ids).await.unwrap(), []);
}

pub(crate) async fn an_ended_task_waits_for_nothing(stores: Stores) {
    let now = stores.now().await;
    let first = ended(&stores, now - secs(9000)).await;
    let new = decide::NewTask { depends_on: vec![first.task_id.clone()], blocked: true, ..new_task() };
    let [old, living] = [stores.create_at(new.clone(), now - secs(9000)).await, stores.create(new).await];
    stores.apply_at(&old, now - secs(8000), |task, m| decide::cancel(task, None, m)).await;
    sweep_terminal(&stores).await;
    let waiting = stores.dependencies.waiting_for(&first.tenant_id, &[first.task_id]).await.unwrap();
    assert_eq!(waiting, [living.task_id]);
}

pub(crate) async fn what_an_earlier_task_of_that_id_waited_for_is_no_obstacle(stores: Stores) {
    let first = stores.create(new_task()).await;
    let edge = format!(
        "INSERT INTO task.task_dependencies (tenant_id, depends_on, task_id) VALUES ('default', '{}', 'again')",
        first.task_id
    );
    stores.database.execute(&edge).await;
    let depends_on = vec![first.task_id.clone()];
    let task_id = Some(crate::support::build::task_id("again"));
    let made = stores.create(decide::NewTask { task_id, depends_on, blocked: true, ..new_task() }).await;
    let waiting = stores.dependencies.waiting_for(&first.tenant_id, &[first.task_id]).await.unwrap();
    assert_eq!(waiting, [made.task_id]);
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
        let new = decide::NewTask { tenant_id, user_id: Some(user_id), ..queued() };
        let task = stores.create_at(new, now - secs(9000)).await;
        tasks.push(run(&stores, &task, now - secs(8000), 1).await);
    }
    sweep_terminal(&stores).await;
    sweep_executions(&stores).await;
    sweep(&stores, Swept::History).await;
    for task in &tasks {
        assert_eq!(history(&stores, task).await, []);
        assert_eq!(progress(&stores, task).await, []);
        assert_eq!(stores.load(task).await, *task);
    }
}
