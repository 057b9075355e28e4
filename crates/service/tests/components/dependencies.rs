//! What becomes of blocked tasks, and of those who look after them.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use task_domain::decide::DependencyState;
use task_domain::{LimitExceeded, LimitType, SubscriptionLevel, Task, TaskId, TaskStatus, TenantId, UserId};
use task_protocols::{
    BlockedTask, Dependency, DependencyStore, MockDependencyStore, MockExecutionStore, MockTaskStore, SaveOutcome,
    StoreError, StoreResult,
};
use task_service::{Dependencies, RunConstraints, TaskDraft, endings};
use tokio::sync::Notify;
use tokio_util::sync::CancellationToken;

use crate::support::{
    beating, draft, levels, loaded, now, saver, service_of, service_with, silent_hints, stored, user,
};

fn dependency(state: DependencyState) -> Dependency {
    let status = if state == DependencyState::Completed { TaskStatus::Completed } else { TaskStatus::Running };
    let user_id = Some(UserId::new("ann").unwrap());
    Dependency { task_id: TaskId::new("first").unwrap(), user_id, task_type: "echo".into(), status, state }
}

fn blocked(name: &str, owner: &str) -> Task {
    Task {
        task_id: TaskId::new(name).unwrap(),
        user_id: Some(UserId::new(owner).unwrap()),
        status: TaskStatus::Blocked,
        depends_on: vec![TaskId::new("first").unwrap()],
        ..stored(false)
    }
}

/// After the commit there is no way back: whoever is told of an error creates the task again.
#[tokio::test]
async fn a_created_task_is_answered_though_the_look_after_it_fails() {
    for fails_at in [1, 2] {
        let mut store = MockTaskStore::new();
        store.expect_now().returning(|| Ok(now()));
        store.expect_save().times(1).returning(|_| Ok(SaveOutcome::Saved { id: 1 }));
        let mut others = MockTaskStore::new();
        others.expect_find().returning(move |_, _| match fails_at {
            1 => Err(StoreError::unavailable("away")),
            _ => Ok(Some(loaded(blocked("next", "ann")))),
        });
        let mut waiting = MockDependencyStore::new();
        let looks = AtomicUsize::new(0);
        waiting.expect_dependencies().returning(move |_, _| match looks.fetch_add(1, Ordering::SeqCst) {
            0 => Ok(vec![dependency(DependencyState::Waiting)]),
            _ => Err(StoreError::unavailable("away")),
        });
        let level = SubscriptionLevel::Basic;
        let dependencies = Dependencies::new(saver(others, silent_hints()), Arc::new(waiting), levels(level));
        let service = service_with(saver(store, silent_hints()), MockExecutionStore::new(), dependencies);
        let depends_on = vec![TaskId::new("first").unwrap()];
        let constraints = RunConstraints { depends_on, ..RunConstraints::default() };
        let task = service.create(&user("ann"), TaskDraft { constraints, ..draft("echo") }).await.unwrap();
        assert_eq!((task.id, task.status), (1, TaskStatus::Blocked));
    }
}

#[tokio::test(start_paused = true)]
async fn the_slow_look_leaves_users_alone_whose_limit_is_used_up() {
    let names = [("a1", "ann"), ("a2", "ann"), ("b", "bob"), ("a3", "ann")];
    let tries: Arc<Mutex<Vec<String>>> = Arc::default();
    let mut store = MockTaskStore::new();
    store.expect_find().returning(move |_, id| {
        let owner = names.iter().find(|(name, _)| *name == id.as_str()).unwrap().1;
        Ok(Some(loaded(blocked(id.as_str(), owner))))
    });
    let noted = Arc::clone(&tries);
    store.expect_save().returning(move |change| {
        noted.lock().unwrap().push(change.task.task_id.to_string());
        let limit_type = LimitType::DailyExecutions;
        Ok(SaveOutcome::Limited(LimitExceeded { limit_type, limit: 100, used: 100 }))
    });
    let mut waiting = MockDependencyStore::new();
    waiting.expect_blocked_after().returning(move |_, _| {
        let row = |(name, owner)| {
            let Task { tenant_id, id, task_id, user_id, depends_on, .. } = blocked(name, owner);
            BlockedTask { tenant_id, id, task_id, user_id, depends_on }
        };
        Ok(names.map(row).into())
    });
    waiting.expect_dependencies().returning(|_, _| Ok(vec![dependency(DependencyState::Completed)]));
    let saver = saver(store, silent_hints());
    let dependencies = Dependencies::new(saver, Arc::new(waiting), levels(SubscriptionLevel::Basic));
    let (_endings, ended) = endings();
    let stop = CancellationToken::new();
    let pulse = beating();
    let looking = dependencies.run(&ended, pulse.beat(), stop.clone());
    let watching = async {
        tokio::time::sleep(Duration::from_secs(50)).await;
        assert_eq!(*tries.lock().unwrap(), ["a1", "b"], "once each in fifty looks");
        tokio::time::sleep(Duration::from_secs(30)).await;
        assert_eq!(*tries.lock().unwrap(), ["a1", "b", "a1", "b"], "the limit may have changed");
        stop.cancel();
    };
    tokio::join!(looking, pulse.run(stop.clone()), watching);
}

/// A store whose list of blocked tasks never comes.
struct Slow {
    asked: Notify,
}

#[async_trait]
impl DependencyStore for Slow {
    async fn dependencies(&self, _: &TenantId, _: &[TaskId]) -> StoreResult<Vec<Dependency>> {
        Ok(Vec::new())
    }

    async fn waiting_for(&self, _: &TenantId, _: &[TaskId]) -> StoreResult<Vec<TaskId>> {
        self.asked.notify_one();
        Ok(Vec::new())
    }

    async fn forget(&self, _: &TenantId, _: &TaskId) -> StoreResult<()> {
        Ok(())
    }

    async fn blocked_after(&self, _: Option<(TenantId, i64)>, _: i64) -> StoreResult<Vec<BlockedTask>> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn what_ends_is_looked_after_while_the_slow_look_is_under_way() {
    let mut store = MockTaskStore::new();
    store.expect_find().returning(|_, _| Ok(Some(loaded(stored(true)))));
    store.expect_save().returning(|_| Ok(SaveOutcome::Saved { id: 7 }));
    let (endings, ended) = endings();
    let tasks = service_of(saver(store, silent_hints()).telling(endings), MockExecutionStore::new());
    let slow = Arc::new(Slow { asked: Notify::new() });
    let unused = saver(MockTaskStore::new(), silent_hints());
    let dependencies = Dependencies::new(unused, slow.clone(), levels(SubscriptionLevel::Basic));
    let working = async {
        // The first slow look is under way by then.
        tokio::time::sleep(Duration::from_secs(5)).await;
        tasks.cancel(&user("ann"), &stored(true).task_id, None).await.unwrap();
        slow.asked.notified().await;
    };
    let pulse = beating();
    tokio::select! {
        () = dependencies.run(&ended, pulse.beat(), CancellationToken::new()) => panic!("it never ends"),
        () = pulse.run(CancellationToken::new()) => panic!("it never ends"),
        () = working => {}
    }
}

#[tokio::test(start_paused = true)]
async fn a_task_that_was_deleted_while_it_waited_is_forgotten() {
    let mut tasks = MockTaskStore::new();
    tasks.expect_find().returning(|_, _| Ok(None));
    let (mut store, forgotten) = (MockDependencyStore::new(), Arc::new(Notify::new()));
    store.expect_blocked_after().returning(|_, _| {
        let Task { tenant_id, id, task_id, user_id, depends_on, .. } = blocked("gone", "ann");
        Ok(vec![BlockedTask { tenant_id, id, task_id, user_id, depends_on }])
    });
    store.expect_dependencies().returning(|_, _| Ok(Vec::new()));
    let noted = Arc::clone(&forgotten);
    store.expect_forget().withf(|_, task_id| task_id.as_str() == "gone").returning(move |_, _| {
        noted.notify_one();
        Ok(())
    });
    let saver = saver(tasks, silent_hints());
    let dependencies = Dependencies::new(saver, Arc::new(store), levels(SubscriptionLevel::Basic));
    let (_endings, ended) = endings();
    let pulse = beating();
    tokio::select! {
        () = dependencies.run(&ended, pulse.beat(), CancellationToken::new()) => panic!("it never ends"),
        () = pulse.run(CancellationToken::new()) => panic!("it never ends"),
        () = forgotten.notified() => {}
    }
}

/// However many wait, what they wait for is asked for once: a page may name the same few tasks.
#[tokio::test(start_paused = true)]
async fn a_page_of_blocked_tasks_costs_one_question() {
    let (mut store, looks) = (MockDependencyStore::new(), Arc::new(AtomicUsize::new(0)));
    store.expect_blocked_after().returning(|_, _| {
        let row = |n: i64| {
            let Task { tenant_id, task_id, user_id, depends_on, .. } = blocked(&format!("b{n}"), "ann");
            BlockedTask { tenant_id, id: n, task_id, user_id, depends_on }
        };
        Ok((1..=400).map(row).collect())
    });
    let counted = Arc::clone(&looks);
    store.expect_dependencies().returning(move |_, ids| {
        assert_eq!(ids, [TaskId::new("first").unwrap()]);
        counted.fetch_add(1, Ordering::SeqCst);
        Ok(vec![dependency(DependencyState::Waiting)])
    });
    let unused = saver(MockTaskStore::new(), silent_hints());
    let dependencies = Dependencies::new(unused, Arc::new(store), levels(SubscriptionLevel::Basic));
    let (_endings, ended) = endings();
    let pulse = beating();
    tokio::select! {
        () = dependencies.run(&ended, pulse.beat(), CancellationToken::new()) => panic!("it never ends"),
        () = pulse.run(CancellationToken::new()) => panic!("it never ends"),
        () = tokio::time::sleep(Duration::from_millis(2500)) => {}
    }
    assert_eq!(looks.load(Ordering::SeqCst), 3, "one in each of three looks");
}
