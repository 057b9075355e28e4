//! What time makes due: each oldest first, within a limit, with the store's clock.

use task_domain::decide::{self, NewTask};
use task_domain::{Origin, Task, TaskPatch, TaskStatus, TenantId};
use task_protocols::{Due, Loaded};

use crate::support::build::{new_task, queued, tenant};
use crate::support::{Stores, secs, token_of};

fn ids(loaded: &[Loaded]) -> Vec<i64> {
    loaded.iter().map(|l| l.task.id).collect()
}

/// A task scheduled by hand for so many seconds from now.
async fn scheduled_in(stores: &Stores, seconds: i64) -> Task {
    let task = stores.create(NewTask { tenant_id: tenant(&format!("t{}", seconds.rem_euclid(3))), ..new_task() }).await;
    let at = stores.now().await + secs(seconds);
    let patch =
        TaskPatch { next_run_time: Some(Some(at)), status: Some(TaskStatus::Scheduled), ..TaskPatch::default() };
    stores.apply(&task, |task, moment| decide::update(task, &patch, moment)).await
}

pub(crate) async fn due_tasks_are_the_scheduled_ones_whose_time_has_come(stores: Stores) {
    let late = scheduled_in(&stores, -10).await;
    let latest = scheduled_in(&stores, -300).await;
    let later = scheduled_in(&stores, -20).await;
    scheduled_in(&stores, 3600).await;
    let paused = scheduled_in(&stores, -50).await;
    stores.apply(&paused, |task, moment| decide::pause(task, None, moment)).await;
    let cancelled = scheduled_in(&stores, -50).await;
    stores.apply(&cancelled, |task, moment| decide::cancel(task, None, moment)).await;
    let started = scheduled_in(&stores, -50).await;
    stores.apply(&started, |task, moment| decide::execute(task, None, moment)).await;
    stores.create(new_task()).await;
    assert!(stores.timed.due().await.unwrap().schedules);
    let due = stores.timed.due_tasks(10).await.unwrap();
    assert_eq!(ids(&due), [latest.id, later.id, late.id], "of all tenants, oldest first");
    assert_eq!(ids(&stores.timed.due_tasks(2).await.unwrap()), [latest.id, later.id]);
    for loaded in due {
        assert!(loaded.task.next_run_time.unwrap() <= loaded.now);
        assert_eq!(loaded.task, stores.load(&loaded.task).await, "complete, as find reads it");
    }
    stores.apply(&latest, decide::due).await;
    assert_eq!(ids(&stores.timed.due_tasks(10).await.unwrap()), [later.id, late.id]);
}

pub(crate) async fn expired_leases_are_those_that_ran_out_paused_tasks_included(stores: Stores) {
    let now = stores.now().await;
    let mut expired = Vec::new();
    for (name, ago) in [("a", 100), ("b", 300), ("a", 200)] {
        let task = stores.create_at(NewTask { tenant_id: tenant(name), ..queued() }, now - secs(1000)).await;
        expired.push(stores.claim_at(&task, now - secs(ago + 60), 60).await);
    }
    stores.apply(&expired[2], |task, moment| decide::pause(task, None, moment)).await;
    stores.running(new_task()).await;
    stores.create(queued()).await;
    let finished = stores.running(new_task()).await;
    stores.complete(&finished).await;
    assert!(stores.timed.due().await.unwrap().leases);
    let found = stores.timed.expired_leases(10).await.unwrap();
    assert_eq!(ids(&found), [expired[1].id, expired[2].id, expired[0].id], "of all tenants, oldest first");
    assert_eq!(ids(&stores.timed.expired_leases(1).await.unwrap()), [expired[1].id]);
    for loaded in &found {
        assert!(loaded.task.current.as_ref().unwrap().lease.unwrap().expires_at <= loaded.now);
        assert_eq!(loaded.task, stores.load(&loaded.task).await);
        stores.apply_at(&loaded.task, loaded.now, decide::lease_lost).await;
    }
    assert!(stores.timed.expired_leases(10).await.unwrap().is_empty());
}

pub(crate) async fn runs_past_their_deadline_are_found_queued_running_and_paused(stores: Stores) {
    let now = stores.now().await;
    let start = |ago: i64, seconds| {
        let stores = stores.clone();
        async move {
            let new = NewTask {
                tenant_id: tenant(&format!("t{}", ago.rem_euclid(3))),
                timeout_seconds: Some(seconds),
                ..queued()
            };
            stores.create_at(new, now - secs(ago)).await
        }
    };
    let still_queued = start(500, 100).await;
    let running = start(700, 100).await;
    stores.claim_at(&running, now - secs(600), 3600).await;
    let held_back = start(600, 100).await;
    stores.apply(&held_back, |task, moment| decide::pause(task, None, moment)).await;
    start(500, 3600).await;
    let finished = start(800, 100).await;
    let held = stores.claim_at(&finished, now - secs(790), 3600).await;
    let token = token_of(&held);
    stores.apply(&held, |task, moment| decide::complete(task, token, decide::Report::default(), moment)).await;
    assert!(stores.timed.due().await.unwrap().deadlines);
    let found = stores.timed.past_deadline(None, 10).await.unwrap();
    assert_eq!(ids(&found), [running.id, held_back.id, still_queued.id]);
    assert_eq!(ids(&stores.timed.past_deadline(None, 1).await.unwrap()), [running.id]);
    for loaded in &found {
        assert_eq!(loaded.task, stores.load(&loaded.task).await);
        stores.apply_at(&loaded.task, loaded.now, decide::deadline).await;
    }
    let ours = Some((TenantId::default_tenant(), Origin::TaskTracker));
    let of_tracker = NewTask { origin: Origin::TaskTracker, timeout_seconds: Some(100), ..queued() };
    let late = stores.create_at(of_tracker.clone(), now - secs(150)).await;
    let canonical = NewTask { origin: Origin::TaskService, ..of_tracker.clone() };
    stores.create_at(canonical, now - secs(300)).await;
    stores.create_at(NewTask { tenant_id: tenant("other"), ..of_tracker }, now - secs(300)).await;
    assert_eq!(ids(&stores.timed.past_deadline(ours, 1).await.unwrap()), [late.id]);
    for loaded in stores.timed.past_deadline(None, 10).await.unwrap() {
        stores.apply_at(&loaded.task, loaded.now, decide::deadline).await;
    }
    assert!(stores.timed.past_deadline(None, 10).await.unwrap().is_empty());
}

pub(crate) async fn reminders_are_those_of_tasks_that_are_not_done_each_once(stores: Stores) {
    let now = stores.now().await;
    let create = |seconds: i64, task_type: &str| {
        let new = NewTask {
            tenant_id: tenant(&format!("t{}", seconds.rem_euclid(3))),
            task_type: task_type.into(),
            reminder_time: Some(now + secs(seconds)),
            ..new_task()
        };
        let stores = stores.clone();
        async move { stores.create(new).await }
    };
    let late = create(-100, "echo").await;
    let latest = create(-6 * 86_400, "echo").await;
    create(-8 * 86_400, "echo").await;
    create(3600, "echo").await;
    create(-100, "reminder").await;
    let cancelled = create(-100, "echo").await;
    stores.apply(&cancelled, |task, moment| decide::cancel(task, None, moment)).await;
    let deleted = create(-100, "echo").await;
    stores.apply(&deleted, decide::delete).await;
    stores.create(new_task()).await;
    assert!(stores.timed.due().await.unwrap().reminders);
    let due = stores.timed.due_reminders(10).await.unwrap();
    assert_eq!(ids(&due), [latest.id, late.id], "of all tenants, oldest first");
    assert_eq!(ids(&stores.timed.due_reminders(1).await.unwrap()), [latest.id]);
    assert_eq!(due[0].task, stores.load(&latest).await, "complete, as find reads it");
    let reminded = stores.apply(&latest, decide::remind).await;
    assert_eq!(ids(&stores.timed.due_reminders(10).await.unwrap()), [late.id]);
    let again = TaskPatch { reminder_time: Some(Some(now - secs(5))), ..TaskPatch::default() };
    stores.apply(&reminded, |task, moment| decide::update(task, &again, moment)).await;
    assert_eq!(ids(&stores.timed.due_reminders(10).await.unwrap()), [late.id, latest.id], "a new time counts anew");
}

pub(crate) async fn a_task_that_cannot_be_read_keeps_no_other_waiting(stores: Stores) {
    let now = stores.now().await;
    let mut tasks = Vec::new();
    for _ in 0..2 {
        let new = NewTask { timeout_seconds: Some(100), reminder_time: Some(now - secs(50)), ..queued() };
        let task = stores.create_at(new, now - secs(500)).await;
        tasks.push(stores.claim_at(&task, now - secs(400), 60).await);
    }
    let scheduled = [scheduled_in(&stores, -20).await, scheduled_in(&stores, -10).await];
    for damaged in [&tasks[0], &scheduled[0]] {
        let rows = format!("id = {}", damaged.id);
        stores.database.execute(&format!("UPDATE task.user_tasks SET schedule = '{{}}' WHERE {rows}")).await;
    }
    let readable = [tasks[1].id];
    assert_eq!(ids(&stores.timed.expired_leases(10).await.unwrap()), readable);
    assert_eq!(ids(&stores.timed.past_deadline(None, 10).await.unwrap()), readable);
    assert_eq!(ids(&stores.timed.due_reminders(10).await.unwrap()), readable);
    assert_eq!(ids(&stores.timed.due_tasks(10).await.unwrap()), [scheduled[1].id]);
}

pub(crate) async fn nothing_is_due_in_an_empty_store(stores: Stores) {
    assert!(stores.timed.due_tasks(10).await.unwrap().is_empty());
    assert!(stores.timed.expired_leases(10).await.unwrap().is_empty());
    assert!(stores.timed.past_deadline(None, 10).await.unwrap().is_empty());
    assert!(stores.timed.due_reminders(10).await.unwrap().is_empty());
    assert_eq!(stores.timed.release_delayed(10).await.unwrap(), 0);
    let due = stores.timed.due().await.unwrap();
    assert!(due == Due::default() || due == Due::EVERYTHING, "nothing, or all where a look costs nothing: {due:?}");
}
