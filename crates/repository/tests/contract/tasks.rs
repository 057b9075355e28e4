//! find, and save of new tasks.

use chrono::SubsecRound;
use futures::future::join_all;
use serde_json::json;
use task_domain::decide::{self, NewTask, Report};
use task_domain::{TaskPatch, TenantId};
use task_protocols::SaveOutcome;

use crate::support::build::{full_task, new_task, queued, task_id, tenant};
use crate::support::{Stores, everything, executions_of, moment, token_of};

pub(crate) async fn the_stores_clock_is_utc_with_microseconds_and_goes_forward(stores: Stores) {
    let first = stores.now().await;
    let second = stores.now().await;
    assert!(second >= first);
    assert_eq!(first, first.trunc_subsecs(6), "no more digits than are stored");
    let task = stores.create(new_task()).await;
    let loaded = stores.tasks.find(&task.tenant_id, &task.task_id).await.unwrap().unwrap();
    assert!(loaded.now >= first, "a task is read together with the time");
}

pub(crate) async fn a_created_task_is_found_exactly_as_it_was_decided(stores: Stores) {
    let now = stores.now().await;
    for new in [new_task(), queued(), full_task(now), NewTask { user_id: None, blocked: true, ..new_task() }] {
        let change = decide::create(new, &moment(now)).unwrap();
        let SaveOutcome::Saved { id } = stores.tasks.save(&change).await.unwrap() else { panic!("not saved") };
        let found = stores.load(&change.task).await;
        let mut expected = change.task.clone();
        assert!(id > 0);
        expected.id = id;
        if let (Some(expected), Some(found)) = (&mut expected.current, &found.current) {
            assert!(found.id > 0, "the store gives the execution its number");
            expected.id = found.id;
        }
        assert_eq!(found, expected);
        assert_eq!(stores.events_of(&change.task).await, change.events);
    }
}

pub(crate) async fn an_edit_of_every_field_is_found_as_decided(stores: Stores) {
    let now = stores.now().await;
    let task = stores.create(new_task()).await;
    let full = full_task(now);
    let patch = TaskPatch {
        name: Some(full.name),
        description: Some(full.description),
        config: Some(full.config),
        metadata: Some(full.metadata),
        tags: Some(full.tags),
        labels: Some(full.labels),
        priority: Some(full.priority),
        schedule: Some(full.schedule),
        next_run_time: Some(full.due_date),
        due_date: Some(full.due_date),
        reminder_time: Some(full.reminder_time),
        timeout_seconds: Some(full.timeout_seconds),
        retry: Some(full.retry),
        credits_per_run: Some(full.credits_per_run),
        attributes: Some(full.attributes),
        status: Some(task_domain::TaskStatus::Scheduled),
    };
    let change = decide::update(&task, &patch, &moment(now)).unwrap();
    stores.save(&change).await;
    assert_eq!(stores.load(&task).await, change.task);
    let cleared = TaskPatch {
        description: Some(None),
        metadata: Some(None),
        schedule: Some(None),
        due_date: Some(None),
        reminder_time: Some(None),
        timeout_seconds: Some(None),
        ..TaskPatch::default()
    };
    let change = decide::update(&change.task, &cleared, &moment(now)).unwrap();
    stores.save(&change).await;
    assert_eq!(stores.load(&task).await, change.task);
}

pub(crate) async fn a_task_is_found_with_its_last_result_and_lists_leave_it_out(stores: Stores) {
    let task = stores.running(new_task()).await;
    assert_eq!(task.last_result, None);
    let result = json!({"rows": [1, 2, {"x": null}]});
    let report = Report { result: result.clone(), ..Report::default() };
    let token = token_of(&task);
    let done = stores.apply(&task, |task, moment| decide::complete(task, token, report.clone(), moment)).await;
    assert_eq!(done.last_result, Some(result.clone()));
    assert_eq!(stores.all(&task.tenant_id).await[0].last_result, None);
    let again = stores.apply(&task, |task, moment| decide::execute(task, None, moment)).await;
    assert_eq!(again.last_result, Some(result.clone()), "the last result stays while the next run waits");
    let held = stores.claim_next(&again).await;
    let token = token_of(&held);
    let failed =
        stores.apply(&held, |task, moment| decide::fail(task, token, decide::Failure::default(), moment)).await;
    assert_eq!(failed.last_result, Some(result), "the last *successful* result stays after a failure");
}

pub(crate) async fn what_is_not_there_is_none(stores: Stores) {
    let nothing = stores.tasks.find(&TenantId::default_tenant(), &task_id("nothing")).await.unwrap();
    assert_eq!(nothing, None);
    assert_eq!(stores.all(&TenantId::default_tenant()).await, []);
}

pub(crate) async fn a_deleted_task_is_gone_from_every_read(stores: Stores) {
    let task = stores.running(new_task()).await;
    let token = token_of(&task);
    let entry = crate::support::build::object(json!({"step": 1}));
    stores.progress.append(&task.tenant_id, &task.task_id, token, &[entry]).await.unwrap().expect("accepted");
    let execution_id = task.current.as_ref().unwrap().execution_id;
    stores.apply(&task, decide::delete).await;
    assert_eq!(stores.tasks.find(&task.tenant_id, &task.task_id).await.unwrap(), None);
    assert_eq!(stores.all(&task.tenant_id).await, []);
    assert_eq!(stores.executions.list_executions(&executions_of(&task)).await.unwrap(), []);
    assert_eq!(stores.executions.find_execution(&task.tenant_id, execution_id).await.unwrap(), None);
    assert_eq!(stores.progress.list_progress(&task.tenant_id, &task.task_id, 0, 10).await.unwrap(), []);
    assert_eq!(
        stores.executions.heartbeat(&task.tenant_id, &task.task_id, token, None).await.unwrap(),
        None,
        "its holder is fenced"
    );
    assert!(stores.timed.expired_leases(10).await.unwrap().is_empty());
    let ended = stores.executions.find_ended_by_token(&task.tenant_id, &task.task_id, token).await.unwrap();
    assert_eq!(
        ended.map(|e| e.status),
        Some(task_domain::ExecutionStatus::Cancelled),
        "so that its holder can be told why"
    );
}

pub(crate) async fn a_deleted_task_is_never_due_and_never_claimed(stores: Stores) {
    let then = stores.now().await - chrono::Duration::hours(2);
    let recurring = NewTask { schedule: Some(crate::support::build::hourly()), ..new_task() };
    let scheduled = stores.create_at(recurring, then).await;
    let waiting = stores.create_at(queued(), then).await;
    let timed = stores.create_at(NewTask { timeout_seconds: Some(60), ..queued() }, then).await;
    for task in [&scheduled, &waiting, &timed] {
        stores.apply(task, decide::delete).await;
    }
    assert!(stores.timed.due_tasks(10).await.unwrap().is_empty());
    assert!(stores.timed.past_deadline(None, 10).await.unwrap().is_empty());
    assert!(stores.executions.claim(&crate::support::claim_types(&["garden"], 10)).await.unwrap().is_empty());
}

pub(crate) async fn an_id_is_taken_for_ever_in_its_tenant_and_free_in_another(stores: Stores) {
    let named = || NewTask { task_id: Some(task_id("mine")), ..queued() };
    let task = stores.create(named()).await;
    let now = stores.now().await;
    let again = decide::create(named(), &moment(now)).unwrap();
    let before = stores.snapshot(&task).await;
    assert_eq!(stores.tasks.save(&again).await.unwrap(), SaveOutcome::Duplicate);
    assert_eq!(stores.snapshot(&task).await, before, "a duplicate changes nothing");
    stores.apply(&task, decide::delete).await;
    let backlog = stores.outbox.backlog().await.unwrap();
    assert_eq!(stores.tasks.save(&again).await.unwrap(), SaveOutcome::Duplicate, "deleted tasks keep their id");
    assert_eq!(stores.outbox.backlog().await.unwrap(), backlog);
    stores.create(NewTask { tenant_id: tenant("other"), ..named() }).await;
}

pub(crate) async fn of_many_creates_with_one_id_exactly_one_is_saved(stores: Stores) {
    let now = stores.now().await;
    let creates: Vec<_> = (0..50)
        .map(|_| decide::create(NewTask { task_id: Some(task_id("one")), ..queued() }, &moment(now)).unwrap())
        .collect();
    let outcomes: Vec<_> = join_all(creates.iter().map(|change| stores.tasks.save(change)))
        .await
        .into_iter()
        .map(Result::unwrap)
        .collect();
    let saved = outcomes.iter().filter(|o| matches!(o, SaveOutcome::Saved { .. })).count();
    assert_eq!(saved, 1);
    assert_eq!(outcomes.iter().filter(|o| **o == SaveOutcome::Duplicate).count(), 49);
    assert_eq!(stores.tasks.list(&everything(&TenantId::default_tenant())).await.unwrap().tasks.len(), 1);
    assert_eq!(stores.outbox.backlog().await.unwrap(), 1);
}
