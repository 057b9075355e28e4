//! Stale tokens change nothing: 1,000 trials of each of complete, fail, release, progress, heartbeat.
//!
//! complete, fail and release are decided from a forged copy of the task in which the stale token
//! looks current and `event_seq` is up to date, so that nothing but the store's own check of the
//! token stands in the way.

use futures::future::join_all;
use serde_json::json;
use task_domain::decide::{self, Change, Failure, Moment, NewTask, Report};
use task_domain::{Execution, ExecutionStatus, Lease, LeaseToken, Task, TaskStatus};
use task_protocols::SaveOutcome;

use crate::support::build::{new_task, object};
use crate::support::{Stores, moment, secs, strange_token, token_of};

/// A task and a token that is not current for it.
struct Trial {
    task: Task,
    token: LeaseToken,
    /// An attempt as it was while the token was current, to forge from.
    attempt: Execution,
}

/// The four ways to be stale: never given, of the lease before a reclaim, run out, finished.
async fn trials(stores: &Stores) -> Vec<Trial> {
    let kinds = |n: usize| NewTask { task_type: format!("kind{n}"), ..new_task() };
    let attempt_of = |task: &Task| task.current.clone().unwrap();

    let live = stores.running(kinds(0)).await;
    let random = Trial { token: strange_token(), attempt: attempt_of(&live), task: live };

    let lost = stores.expired(kinds(1)).await;
    stores.apply(&lost, decide::lease_lost).await;
    let reclaimed = Trial { token: token_of(&lost), attempt: attempt_of(&lost), task: stores.claim_next(&lost).await };

    let run_out = stores.expired(kinds(2)).await;
    let expired = Trial { token: token_of(&run_out), attempt: attempt_of(&run_out), task: run_out };

    let held = stores.running(kinds(3)).await;
    let finished = Trial { token: token_of(&held), attempt: attempt_of(&held), task: stores.complete(&held).await };

    vec![random, reclaimed, expired, finished]
}

/// What a worker that still believes in its lease would decide.
fn forge(
    trial: &Trial,
    now: chrono::DateTime<chrono::Utc>,
    token: LeaseToken,
    command: impl Fn(&Task, LeaseToken, &Moment<'_>) -> Change,
) -> Change {
    let lease = Some(Lease { token, expires_at: now + secs(3600) });
    let base = trial.task.current.clone().unwrap_or_else(|| trial.attempt.clone());
    let current = Some(Execution { status: ExecutionStatus::Running, lease, ..base });
    command(&Task { status: TaskStatus::Running, current, ..trial.task.clone() }, token, &moment(now))
}

/// Random tokens differ in every trial; the others are what they are.
fn token(trial: &Trial, index: usize) -> LeaseToken {
    if index == 0 { strange_token() } else { trial.token }
}

async fn stale_saves_change_nothing(stores: Stores, command: impl Fn(&Task, LeaseToken, &Moment<'_>) -> Change) {
    let now = stores.now().await;
    for (index, trial) in trials(&stores).await.iter().enumerate() {
        let before = stores.snapshot(&trial.task).await;
        for _ in 0..25 {
            let changes: Vec<Change> = (0..10).map(|_| forge(trial, now, token(trial, index), &command)).collect();
            for outcome in join_all(changes.iter().map(|change| stores.tasks.save(change))).await {
                assert_eq!(outcome.unwrap(), SaveOutcome::Stale);
            }
        }
        assert_eq!(stores.snapshot(&trial.task).await, before);
    }
}

pub(crate) async fn a_thousand_stale_completes_change_nothing(stores: Stores) {
    stale_saves_change_nothing(stores, |task, token, moment| {
        decide::complete(task, token, Report::default(), moment).unwrap()
    })
    .await;
}

pub(crate) async fn a_thousand_stale_failures_change_nothing(stores: Stores) {
    stale_saves_change_nothing(stores, |task, token, moment| {
        let mut task = task.clone();
        // Half of them would be queued again, half would end the run.
        let retryable = moment.ids.secret().as_u128() % 2 == 0;
        task.retry.max_attempts = 100;
        decide::fail(&task, token, Failure { retryable, ..Failure::default() }, moment).unwrap()
    })
    .await;
}

pub(crate) async fn a_thousand_stale_releases_change_nothing(stores: Stores) {
    stale_saves_change_nothing(stores, |task, token, moment| {
        decide::release(task, token, None, secs(0), moment).unwrap()
    })
    .await;
}

pub(crate) async fn a_thousand_stale_progress_entries_change_nothing(stores: Stores) {
    let entries = [object(json!({"step": 1})), object(json!({"step": 2}))];
    for (index, trial) in trials(&stores).await.iter().enumerate() {
        let (task, before) = (&trial.task, stores.snapshot(&trial.task).await);
        for _ in 0..25 {
            let appends =
                (0..10).map(|_| stores.progress.append(&task.tenant_id, &task.task_id, token(trial, index), &entries));
            for outcome in join_all(appends).await {
                assert_eq!(outcome.unwrap(), None);
            }
        }
        assert_eq!(stores.snapshot(task).await, before);
    }
}

pub(crate) async fn a_thousand_stale_heartbeats_change_nothing(stores: Stores) {
    for (index, trial) in trials(&stores).await.iter().enumerate() {
        let (task, before) = (&trial.task, stores.snapshot(&trial.task).await);
        for _ in 0..25 {
            let beats = (0..10)
                .map(|_| stores.executions.heartbeat(&task.tenant_id, &task.task_id, token(trial, index), Some(3600)));
            for outcome in join_all(beats).await {
                assert_eq!(outcome.unwrap(), None);
            }
        }
        assert_eq!(stores.snapshot(task).await, before);
    }
}

pub(crate) async fn a_thousand_stale_marks_change_no_conversation(stores: Stores) {
    let conversations = &stores.beside.conversations;
    for (index, trial) in trials(&stores).await.iter().enumerate() {
        let (task, before) = (&trial.task, stores.snapshot(&trial.task).await);
        let entry = conversations.add_conversation(&task.tenant_id, &task.task_id, "hello", "active");
        let entry = entry.await.unwrap().expect("the task is there");
        for _ in 0..25 {
            let marks = (0..10).map(|_| {
                let token = token(trial, index);
                conversations.mark_conversations(&task.tenant_id, &task.task_id, token, "processed")
            });
            for outcome in join_all(marks).await {
                assert_eq!(outcome.unwrap(), None);
            }
        }
        let kept = conversations.list_conversations(&task.tenant_id, &task.task_id, 0, 10).await.unwrap();
        assert_eq!(kept, [entry]);
        assert_eq!(stores.snapshot(task).await, before);
    }
}

/// The stale holder and the current one report at the same moment, 50 times: the current one is
/// recorded, and its worker alone.
pub(crate) async fn a_zombie_never_wins_over_the_current_holder(stores: Stores) {
    for _ in 0..50 {
        let lost = stores.expired(new_task()).await;
        stores.apply(&lost, decide::lease_lost).await;
        let held = stores.claim_next(&lost).await;
        let now = stores.now().await;
        let trial = Trial { token: token_of(&lost), attempt: lost.current.clone().unwrap(), task: held.clone() };
        let zombie = forge(&trial, now, trial.token, |task, token, moment| {
            decide::complete(task, token, Report { result: json!("zombie"), ..Report::default() }, moment).unwrap()
        });
        let report = Report { result: json!("holder"), ..Report::default() };
        let holder = decide::complete(&held, token_of(&held), report, &moment(now)).unwrap();
        let (zombie, holder) = tokio::join!(stores.tasks.save(&zombie), stores.tasks.save(&holder));
        assert_eq!(zombie.unwrap(), SaveOutcome::Stale);
        assert_eq!(holder.unwrap(), SaveOutcome::Saved { id: held.id });
        assert_eq!(stores.load(&held).await.last_result, Some(json!("holder")));
    }
}
