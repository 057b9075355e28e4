//! Tasks as their streams read them, and the trimming of progress.

use chrono::Duration;
use serde_json::json;
use task_domain::decide::{self, Failure, Report};
use task_domain::{ExecutionStatus, JsonObject, Task, TaskStatus};
use task_protocols::{StatusChange, TaskKey, TrackFrom, TrackHead, TrackPage, TrackPosition};

use crate::support::build::{new_task, object, queued, task_id, tenant};
use crate::support::{Stores, token_of};

fn key(task: &Task) -> TaskKey {
    TaskKey { tenant_id: task.tenant_id.clone(), task_id: task.task_id.clone() }
}

fn entries(count: usize) -> Vec<JsonObject> {
    (0..count).map(|n| object(json!({"n": n}))).collect()
}

async fn report(stores: &Stores, held: &Task, count: usize) {
    let appended = stores.progress.append(&held.tenant_id, &held.task_id, token_of(held), &entries(count)).await;
    appended.unwrap().expect("held");
}

async fn head(stores: &Stores, task: &Task) -> TrackHead {
    stores.tracks.heads(&[key(task)]).await.unwrap().remove(0).expect("it is there")
}

async fn page(stores: &Stores, task: &Task, progress: i64, status: i64) -> TrackPage {
    let from =
        TrackFrom { position: TrackPosition { progress, status }, progress_limit: 100_000, changes_limit: 100_000 };
    stores.tracks.track(&key(task), from).await.unwrap().expect("it is there")
}

fn seqs(page: &TrackPage) -> Vec<i64> {
    page.progress.iter().map(|entry| entry.seq_id).collect()
}

/// Reports 2, is released; reports 1, fails for good.
async fn a_life(stores: &Stores) -> Task {
    let task = stores.create(queued()).await;
    let held = stores.claim_next(&task).await;
    report(stores, &held, 2).await;
    let token = token_of(&held);
    stores.apply(&held, |task, moment| decide::release(task, token, None, Duration::zero(), moment)).await;
    let held = stores.claim_next(&task).await;
    report(stores, &held, 1).await;
    let token = token_of(&held);
    let failure = Failure { message: "no water".into(), code: Some("dry".into()), ..Failure::default() };
    stores.apply(&held, |task, moment| decide::fail(task, token, failure.clone(), moment)).await
}

pub(crate) async fn a_change_knows_how_many_entries_came_before_it_and_how_the_attempt_ended(stores: Stores) {
    let task = a_life(&stores).await;
    let all = page(&stores, &task, 0, 0).await;
    assert_eq!(seqs(&all), [1, 2, 3]);
    let shape = |c: &StatusChange| (c.status, c.progress_seq, c.ended, c.error.clone());
    assert_eq!(
        all.changes.iter().map(shape).collect::<Vec<_>>(),
        [
            (TaskStatus::Queued, 0, None, None),
            (TaskStatus::Running, 0, None, None),
            (TaskStatus::Queued, 2, Some(ExecutionStatus::Released), None),
            (TaskStatus::Running, 2, None, None),
            (TaskStatus::Failed, 3, Some(ExecutionStatus::Failed), Some("no water".into())),
        ]
    );
    let failed = &all.changes[4];
    assert_eq!(failed.error_details, Some(json!({"code": "dry", "details": null})));
    assert_eq!(failed.execution_id, Some(all.progress[2].execution_id));
    assert_eq!(all.changes[2].execution_id, Some(all.progress[0].execution_id));
    assert!(all.changes.windows(2).all(|pair| pair[0].id < pair[1].id));
    let stored = stores.progress.list_progress(&task.tenant_id, &task.task_id, 0, 10).await.unwrap();
    assert_eq!(all.progress, stored);
    assert_eq!(
        all.head,
        TrackHead {
            status: TaskStatus::Failed,
            event_seq: task.event_seq,
            position: TrackPosition { progress: 3, status: failed.id },
            first_seq_id: 1,
            last_error: Some("no water".into()),
            updated_at: task.updated_at,
        }
    );
    assert_eq!(head(&stores, &task).await, all.head);
}

pub(crate) async fn a_completed_attempt_leaves_its_result_a_null_too(stores: Stores) {
    for result in [json!({"liters": 2}), json!(null)] {
        let task = stores.running(new_task()).await;
        let (token, report) = (token_of(&task), Report { result: result.clone(), ..Report::default() });
        stores.apply(&task, |task, moment| decide::complete(task, token, report.clone(), moment)).await;
        let all = page(&stores, &task, 0, 0).await;
        let last = all.changes.last().unwrap();
        assert_eq!((last.status, &last.result, &last.error), (TaskStatus::Completed, &Some(result), &None));
    }
}

pub(crate) async fn a_page_starts_after_its_position_and_keeps_to_its_limits(stores: Stores) {
    let task = a_life(&stores).await;
    let all = page(&stores, &task, 0, 0).await;
    for progress in 0..=4 {
        for (n, status) in std::iter::once(0).chain(all.changes.iter().map(|c| c.id)).enumerate() {
            let rest = page(&stores, &task, progress, status).await;
            assert_eq!(seqs(&rest), (progress + 1..=3).collect::<Vec<_>>());
            assert_eq!(rest.changes, all.changes[n..]);
        }
    }
    let from = TrackFrom { progress_limit: 2, changes_limit: 3, ..TrackFrom::default() };
    let first = stores.tracks.track(&key(&task), from).await.unwrap().unwrap();
    assert_eq!((seqs(&first), first.changes.as_slice()), (vec![1, 2], &all.changes[..3]));
}

pub(crate) async fn an_edit_is_no_change_of_status_but_moves_the_head(stores: Stores) {
    let task = stores.create(new_task()).await;
    let before = head(&stores, &task).await;
    let patch = task_domain::TaskPatch { name: Some("other".into()), ..Default::default() };
    stores.apply(&task, |task, moment| decide::update(task, &patch, moment)).await;
    let after = page(&stores, &task, 0, before.position.status).await;
    assert_eq!(after.changes, []);
    assert!(after.head.position.status > before.position.status && after.head.event_seq > before.event_seq);
}

pub(crate) async fn a_progress_position_knows_the_changes_before_its_entry(stores: Stores) {
    let task = a_life(&stores).await;
    let ids: Vec<i64> = page(&stores, &task, 0, 0).await.changes.iter().map(|change| change.id).collect();
    for (progress, status) in [(0, 0), (1, ids[1]), (2, ids[1]), (3, ids[3]), (99, ids[3])] {
        let position = stores.tracks.position_after(&key(&task), progress).await.unwrap();
        assert_eq!(position, Some(TrackPosition { progress, status }), "after entry {progress}");
    }
}

pub(crate) async fn heads_come_in_the_order_asked_and_not_of_what_is_gone(stores: Stores) {
    let (first, second) = (stores.create(new_task()).await, stores.create(queued()).await);
    let deleted = stores.create(new_task()).await;
    stores.apply(&deleted, decide::delete).await;
    let stranger = TaskKey { tenant_id: tenant("other"), task_id: first.task_id.clone() };
    let nobody = TaskKey { tenant_id: first.tenant_id.clone(), task_id: task_id("nobody") };
    let asked = [key(&second), stranger.clone(), key(&first), key(&deleted), nobody.clone(), key(&second)];
    let heads = stores.tracks.heads(&asked).await.unwrap();
    let statuses: Vec<_> = heads.iter().map(|head| head.as_ref().map(|head| head.status)).collect();
    let (queued, pending) = (Some(TaskStatus::Queued), Some(TaskStatus::Pending));
    assert_eq!(statuses, [queued, None, pending, None, None, queued]);
    assert_eq!(stores.tracks.heads(&[]).await.unwrap(), []);
    let from = TrackFrom { progress_limit: 1, changes_limit: 1, ..TrackFrom::default() };
    for gone in [stranger, key(&deleted), nobody] {
        assert_eq!(stores.tracks.track(&gone, from).await.unwrap(), None);
        assert_eq!(stores.tracks.position_after(&gone, 1).await.unwrap(), None);
    }
}

pub(crate) async fn past_the_most_that_are_kept_the_oldest_entries_go_and_the_numbers_go_on(stores: Stores) {
    let max = usize::try_from(task_protocols::MAX_PROGRESS_ENTRIES).unwrap();
    let task = stores.running(new_task()).await;
    for _ in 0..max / 500 {
        report(&stores, &task, 500).await;
    }
    assert_eq!(head(&stores, &task).await.first_seq_id, 1, "as many as are kept");
    report(&stores, &task, 1).await;
    assert_eq!(head(&stores, &task).await.first_seq_id, 2);
    report(&stores, &task, 500).await;
    let kept = page(&stores, &task, 0, 0).await;
    assert_eq!((kept.head.first_seq_id, kept.head.position.progress), (502, 10_501));
    assert_eq!(seqs(&kept), (502..=10_501).collect::<Vec<_>>());
}
