//! Many requests at the same time: each is answered as if it were alone.

use futures::future::join_all;
use serde_json::json;
use task_domain::decide::{self, Change, NewTask, Report};
use task_domain::{LevelLimits, LimitType, Task, TaskPatch, TenantId};
use task_protocols::SaveOutcome;

use crate::support::build::{new_task, object, queued, task_id, user};
use crate::support::{Stores, executions_of, moment, strange_token, token_of};

fn limited(new: NewTask, active_tasks: i64, now: chrono::DateTime<chrono::Utc>) -> Change {
    let limits = LevelLimits {
        active_tasks: Some(active_tasks),
        daily_executions: None,
        schedule_interval: 1,
        task_execution_rate: None,
        weight: 1,
    };
    Change { limits: Some(limits), ..decide::create(new, &moment(now)).unwrap() }
}

fn is_saved(outcome: &SaveOutcome) -> bool {
    matches!(outcome, SaveOutcome::Saved { .. })
}

async fn save_all(stores: &Stores, changes: &[Change]) -> Vec<SaveOutcome> {
    let outcomes = join_all(changes.iter().map(|change| stores.tasks.save(change))).await;
    outcomes.into_iter().map(Result::unwrap).collect()
}

pub(crate) async fn of_200_parallel_creates_of_20_users_each_gets_exactly_its_limit(stores: Stores) {
    let now = stores.now().await;
    let of_user = |n: i64| NewTask { user_id: Some(user(&format!("user{}", n % 20))), ..new_task() };
    let creates: Vec<Change> = (0..200).map(|n| limited(of_user(n), n % 20, now)).collect();
    let outcomes = save_all(&stores, &creates).await;
    for user in 0..20 {
        let mine: Vec<_> = outcomes.iter().skip(user).step_by(20).collect();
        let saved = mine.iter().filter(|outcome| is_saved(outcome)).count();
        assert_eq!(saved, user.min(10), "user {user}");
        let refused =
            |o: &&&SaveOutcome| matches!(o, SaveOutcome::Limited(e) if e.limit_type == LimitType::ActiveTasks);
        assert_eq!(mine.iter().filter(refused).count(), 10 - saved, "user {user}");
    }
    let expected: usize = (0..20).map(|user: usize| user.min(10)).sum();
    assert_eq!(stores.all(&TenantId::default_tenant()).await.len(), expected);
    assert_eq!(stores.events().await.len(), expected);
}

pub(crate) async fn creates_that_are_refused_for_their_id_take_nothing_of_the_limit(stores: Stores) {
    let taken = stores.create(NewTask { task_id: Some(task_id("taken")), ..new_task() }).await;
    let now = stores.now().await;
    // One place is used; there are five more, for which the taken id competes as well.
    let creates: Vec<Change> = (0..40)
        .map(|n| {
            let id = (n % 2 == 0).then(|| taken.task_id.clone());
            limited(NewTask { task_id: id, ..new_task() }, 6, now)
        })
        .collect();
    let outcomes = save_all(&stores, &creates).await;
    assert_eq!(outcomes.iter().filter(|o| is_saved(o)).count(), 5);
    assert_eq!(outcomes.iter().filter(|o| **o == SaveOutcome::Duplicate).count(), 20);
    assert_eq!(outcomes.iter().filter(|o| matches!(o, SaveOutcome::Limited(_))).count(), 15);
}

async fn many_running(stores: &Stores, n: usize) -> Vec<Task> {
    let mut tasks = Vec::new();
    for _ in 0..n {
        tasks.push(stores.running(new_task()).await);
    }
    tasks
}

pub(crate) async fn of_parallel_completes_exactly_those_with_a_current_token_are_accepted(stores: Stores) {
    let tasks = many_running(&stores, 40).await;
    let now = stores.now().await;
    let complete = |task: &Task, n: usize| {
        let report = Report { result: json!({"n": n}), ..Report::default() };
        let change = decide::complete(task, token_of(task), report, &moment(now)).unwrap();
        // Every second one lost its lease to somebody else.
        let guard = if n.is_multiple_of(2) { change.lease } else { decide::LeaseGuard::Held(strange_token()) };
        Change { lease: guard, ..change }
    };
    let completes: Vec<Change> = tasks.iter().enumerate().map(|(n, task)| complete(task, n)).collect();
    let outcomes = save_all(&stores, &completes).await;
    for (n, (task, outcome)) in tasks.iter().zip(&outcomes).enumerate() {
        let stands = stores.load(task).await;
        let ended = stores.executions.list_executions(&executions_of(task)).await.unwrap();
        if n.is_multiple_of(2) {
            assert_eq!(*outcome, SaveOutcome::Saved { id: task.id });
            assert_eq!(stands.last_result, Some(json!({"n": n})), "its own result");
        } else {
            assert_eq!(*outcome, SaveOutcome::Stale);
            assert_eq!(stands, *task, "untouched");
        }
        assert_eq!(ended.len(), 1);
    }
}

pub(crate) async fn of_changes_of_one_task_at_the_same_time_one_is_saved_and_none_is_lost(stores: Stores) {
    let task = stores.create(new_task()).await;
    let others = many_running(&stores, 5).await;
    let now = stores.now().await;
    let rename = |task: &Task, name: &str| {
        let patch = TaskPatch { name: Some(name.to_owned()), ..TaskPatch::default() };
        decide::update(task, &patch, &moment(now)).unwrap()
    };
    let mut changes: Vec<Change> = (0..30).map(|n| rename(&task, &format!("name {n}"))).collect();
    changes.extend(others.iter().map(|other| rename(other, "other")));
    let outcomes = save_all(&stores, &changes).await;
    let winners: Vec<usize> = (0..30).filter(|&n| is_saved(&outcomes[n])).collect();
    assert_eq!(winners.len(), 1);
    assert_eq!(outcomes.iter().filter(|o| **o == SaveOutcome::Stale).count(), 29, "the others are told");
    assert_eq!(stores.load(&task).await.name, format!("name {}", winners[0]));
    assert!(outcomes[30..].iter().all(is_saved));
}

pub(crate) async fn a_change_that_cannot_be_stored_fails_alone(stores: Stores) {
    let now = stores.now().await;
    let create = |n: i32| {
        // PostgreSQL keeps no NUL in a text; SQLite does.
        let name = if n == 7 { "a\0b".to_owned() } else { format!("task {n}") };
        decide::create(NewTask { name, ..new_task() }, &moment(now)).unwrap()
    };
    let creates: Vec<Change> = (0..50).map(create).collect();
    let outcomes = join_all(creates.iter().map(|change| stores.tasks.save(change))).await;
    for (n, outcome) in outcomes.iter().enumerate().filter(|(n, _)| *n != 7) {
        assert!(outcome.as_ref().is_ok_and(is_saved), "{n}: {outcome:?}");
    }
}

pub(crate) async fn heartbeats_and_progress_of_many_tasks_at_the_same_time_are_told_apart(stores: Stores) {
    let tasks = many_running(&stores, 20).await;
    let resting = stores.create(queued()).await;
    let beats = tasks.iter().zip(1..).flat_map(|(task, n)| {
        let (tenant_id, id) = (&task.tenant_id, &task.task_id);
        let mine = stores.executions.heartbeat(tenant_id, id, token_of(task), Some(1000 * n));
        let strangers = stores.executions.heartbeat(tenant_id, id, strange_token(), Some(7));
        [mine, strangers]
    });
    let beats = join_all(beats).await;
    for (n, pair) in beats.chunks(2).enumerate() {
        let renewed = pair[0].as_ref().unwrap().expect("its lease is current");
        let asked = 1000 * (n as i64 + 1);
        assert!((asked - 500..=asked).contains(&renewed.expires_in.num_seconds()), "as long as it asked itself");
        assert_eq!(*pair[1].as_ref().unwrap(), None);
    }
    let appends = tasks.iter().chain([&resting]).flat_map(|task| {
        let token = task.current.as_ref().and_then(|e| e.lease).map_or_else(strange_token, |lease| lease.token);
        let stores = &stores;
        (0..3).map(move |k| async move {
            let entries: Vec<_> = (0..=k).map(|n| object(json!({"task": task.id, "k": k, "n": n}))).collect();
            stores.progress.append(&task.tenant_id, &task.task_id, token, &entries).await.unwrap()
        })
    });
    let appended = join_all(appends).await;
    assert!(appended[60..].iter().all(Option::is_none), "nobody holds it");
    for (task, appended) in tasks.iter().zip(appended.chunks(3)) {
        let listed = stores.progress.list_progress(&task.tenant_id, &task.task_id, 0, 100).await.unwrap();
        assert_eq!(listed.iter().map(|e| e.seq_id).collect::<Vec<_>>(), [1, 2, 3, 4, 5, 6], "no holes");
        assert!(listed.iter().all(|entry| entry.data["task"] == task.id), "only its own");
        for (k, appended) in appended.iter().enumerate() {
            let last = appended.as_ref().expect("held").seq_id;
            let stands = &listed[usize::try_from(last).unwrap() - 1].data;
            assert_eq!((&stands["k"], &stands["n"]), (&json!(k), &json!(k)), "each is told its own last number");
        }
    }
}
