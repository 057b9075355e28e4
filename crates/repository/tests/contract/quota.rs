//! Exactly the limit is accepted, under any parallelism.

use futures::future::join_all;
use task_domain::decide::{self, Change, NewTask};
use task_domain::{LevelLimits, LimitExceeded, LimitType, RetryPolicy, Task, TaskPatch, TaskStatus, TenantId};
use task_protocols::SaveOutcome;

use crate::support::build::{new_task, queued, tenant, user};
use crate::support::{Stores, moment, secs, token_of};

const NONE: LevelLimits = LevelLimits {
    active_tasks: None,
    daily_executions: None,
    schedule_interval: 1,
    task_execution_rate: None,
    weight: 1,
};
const ACTIVE: LevelLimits = LevelLimits { active_tasks: Some(20), ..NONE };

fn limited(limits: LevelLimits, change: Change) -> Change {
    Change { limits: Some(limits), ..change }
}

fn exceeded(limit_type: LimitType, limit: i64) -> SaveOutcome {
    SaveOutcome::Limited(LimitExceeded { limit_type, limit, used: limit })
}

async fn save_all(stores: &Stores, changes: &[Change]) -> Vec<SaveOutcome> {
    let outcomes = join_all(changes.iter().map(|change| stores.tasks.save(change))).await;
    outcomes.into_iter().map(Result::unwrap).collect()
}

fn count_saved(outcomes: &[SaveOutcome]) -> usize {
    outcomes.iter().filter(|o| matches!(o, SaveOutcome::Saved { .. })).count()
}

pub(crate) async fn of_1000_parallel_creates_of_one_user_exactly_20_are_saved(stores: Stores) {
    let now = stores.now().await;
    let creates: Vec<Change> = (0..1000)
        .map(|n| {
            let new = if n % 2 == 0 { new_task() } else { queued() };
            limited(ACTIVE, decide::create(new, &moment(now)).unwrap())
        })
        .collect();
    let outcomes = save_all(&stores, &creates).await;
    assert_eq!(count_saved(&outcomes), 20);
    let refused = outcomes.iter().filter(|o| **o == exceeded(LimitType::ActiveTasks, 20)).count();
    assert_eq!(refused, 980, "every other one is told the limit and that it is used up");
    assert_eq!(stores.all(&TenantId::default_tenant()).await.len(), 20);
    assert_eq!(stores.events().await.len(), 20, "what was refused left no event");
}

pub(crate) async fn users_and_tenants_have_limits_of_their_own(stores: Stores) {
    let now = stores.now().await;
    let one = LevelLimits { active_tasks: Some(1), ..NONE };
    let variants = [
        new_task(),
        NewTask { user_id: Some(user("bob")), ..new_task() },
        NewTask { tenant_id: tenant("other"), ..new_task() },
    ];
    for new in variants {
        let create = || limited(one, decide::create(new.clone(), &moment(now)).unwrap());
        assert_eq!(count_saved(&save_all(&stores, &[create(), create(), create()]).await), 1, "{new:?}");
    }
    let keys_own = || limited(one, decide::create(NewTask { user_id: None, ..new_task() }, &moment(now)).unwrap());
    assert_eq!(
        count_saved(&save_all(&stores, &[keys_own(), keys_own()]).await),
        2,
        "work without a user is under no limit"
    );
}

pub(crate) async fn finished_and_deleted_tasks_free_their_place_and_reopening_takes_it_again(stores: Stores) {
    let two = LevelLimits { active_tasks: Some(2), ..NONE };
    let now = stores.now().await;
    let create = || limited(two, decide::create(new_task(), &moment(now)).unwrap());
    let (first, second) = (create(), create());
    assert_eq!(count_saved(&[stores.tasks.save(&first).await.unwrap(), stores.tasks.save(&second).await.unwrap()]), 2);
    assert_eq!(stores.tasks.save(&create()).await.unwrap(), exceeded(LimitType::ActiveTasks, 2));
    let complete = TaskPatch { status: Some(TaskStatus::Completed), ..TaskPatch::default() };
    stores.apply(&first.task, |task, moment| decide::update(task, &complete, moment)).await;
    stores.apply(&second.task, decide::delete).await;
    assert_eq!(count_saved(&save_all(&stores, &[create(), create()]).await), 2);
    let done = stores.load(&first.task).await;
    let before = stores.snapshot(&done).await;
    let reopen = limited(two, decide::execute(&done, None, &moment(now)).unwrap());
    assert_eq!(stores.tasks.save(&reopen).await.unwrap(), exceeded(LimitType::ActiveTasks, 2));
    assert_eq!(stores.snapshot(&done).await, before, "a refused save changes nothing");
}

pub(crate) async fn an_edit_of_an_active_task_is_not_limited(stores: Stores) {
    let task = stores.create(new_task()).await;
    let none_left = LevelLimits {
        active_tasks: Some(0),
        daily_executions: Some(0),
        task_execution_rate: Some(0),
        schedule_interval: 1,
        weight: 1,
    };
    let patch = TaskPatch { name: Some("x".into()), ..TaskPatch::default() };
    let change = limited(none_left, decide::update(&task, &patch, &moment(stores.now().await)).unwrap());
    stores.save(&change).await;
}

pub(crate) async fn of_parallel_executes_exactly_the_daily_limit_is_saved(stores: Stores) {
    let mut changes = Vec::new();
    let daily = LevelLimits { daily_executions: Some(10), ..NONE };
    let mut tasks = Vec::new();
    for _ in 0..60 {
        tasks.push(stores.create(new_task()).await);
    }
    let now = stores.now().await;
    for task in &tasks {
        changes.push(limited(daily, decide::execute(task, None, &moment(now)).unwrap()));
    }
    let outcomes = save_all(&stores, &changes).await;
    assert_eq!(count_saved(&outcomes), 10);
    assert_eq!(outcomes.iter().filter(|o| **o == exceeded(LimitType::DailyExecutions, 10)).count(), 50);
}

/// Attempts, other users' runs and runs of another day are not counted; ended, cancelled and
/// deleted runs are.
pub(crate) async fn the_daily_limit_counts_runs_of_the_user_and_the_day(stores: Stores) {
    // Noon of a day long ago, so that the test does not run into midnight.
    let noon = (stores.now().await - chrono::Duration::days(3)).date_naive().and_hms_opt(12, 0, 0).unwrap().and_utc();
    let midnight = noon - secs(12 * 3600);
    stores.create_at(queued(), midnight - secs(1)).await;
    stores.create_at(NewTask { user_id: Some(user("bob")), ..queued() }, noon).await;
    stores.create_at(NewTask { tenant_id: tenant("other"), ..queued() }, noon).await;
    let first_of_the_day = stores.create_at(queued(), midnight).await;
    let retry = RetryPolicy { max_attempts: 9, base_seconds: 0.0, ..RetryPolicy::default() };
    let tried = stores.create_at(NewTask { retry, ..queued() }, noon).await;
    for _ in 0..3 {
        let held = stores.claim_at(&tried, noon + secs(1), 365 * 86_400).await;
        let token = token_of(&held);
        let failure = decide::Failure { retryable: true, ..decide::Failure::default() };
        stores.apply_at(&held, noon + secs(1), |task, moment| decide::fail(task, token, failure.clone(), moment)).await;
    }
    stores.apply_at(&first_of_the_day, noon, |task, moment| decide::cancel(task, None, moment)).await;
    let deleted = stores.create_at(queued(), noon).await;
    stores.apply_at(&deleted, noon, decide::delete).await;
    // Three runs so far: cancelled, tried four times, deleted.
    let create = |limit| {
        let daily = LevelLimits { daily_executions: Some(limit), ..NONE };
        limited(daily, decide::create(queued(), &moment(noon + secs(60))).unwrap())
    };
    assert_eq!(stores.tasks.save(&create(3)).await.unwrap(), exceeded(LimitType::DailyExecutions, 3));
    stores.save(&create(4)).await;
    assert_eq!(stores.tasks.save(&create(4)).await.unwrap(), exceeded(LimitType::DailyExecutions, 4));
}

pub(crate) async fn the_rate_limit_counts_manual_runs_of_the_task_within_a_minute(stores: Stores) {
    let now = stores.now().await - secs(1000);
    let rate = LevelLimits { task_execution_rate: Some(3), ..NONE };
    let task = stores.create_at(queued(), now).await;
    let other = stores.create_at(new_task(), now).await;
    let end_run = |task: Task, at| {
        let stores = stores.clone();
        async move {
            stores.apply_at(&task, at, |task, moment| decide::set_status(task, TaskStatus::Completed, moment)).await
        }
    };
    let execute = |task: &Task, at| limited(rate, decide::execute(task, None, &moment(at)).unwrap());
    // The run of the creation is not manual.
    let mut task = end_run(task, now).await;
    for n in 0..3 {
        stores.save(&execute(&task, now + secs(n))).await;
        task = end_run(task, now + secs(n)).await;
    }
    let refused = exceeded(LimitType::TaskExecutionRate, 3);
    assert_eq!(stores.tasks.save(&execute(&task, now + secs(30))).await.unwrap(), refused);
    assert_eq!(stores.tasks.save(&execute(&task, now + secs(59))).await.unwrap(), refused);
    stores.save(&execute(&other, now + secs(30))).await;
    // More than a minute after the first one, and not yet after the second, there is room for one.
    let later = now + chrono::Duration::milliseconds(60_500);
    stores.save(&execute(&task, later)).await;
    let task = end_run(task, later).await;
    assert_eq!(stores.tasks.save(&execute(&task, later)).await.unwrap(), refused);
}

/// Eight at a time from the same state, as often as it takes: accepted are exactly as many as allowed.
pub(crate) async fn parallel_executes_of_one_task_are_accepted_exactly_to_its_rate(stores: Stores) {
    let now = stores.now().await;
    let rate = LevelLimits { task_execution_rate: Some(5), ..NONE };
    let task = stores.create(new_task()).await;
    let mut accepted = 0;
    for _ in 0..20 {
        let current = stores.load(&task).await;
        let changes: Vec<Change> =
            (0..8).map(|_| limited(rate, decide::execute(&current, None, &moment(now)).unwrap())).collect();
        let outcomes = save_all(&stores, &changes).await;
        let saved = count_saved(&outcomes);
        assert!(saved <= 1, "one task has one run at a time");
        if saved == 0 {
            assert!(outcomes.iter().all(|o| *o == exceeded(LimitType::TaskExecutionRate, 5)), "{outcomes:?}");
            break;
        }
        accepted += saved;
        stores.apply_at(&task, now, |task, moment| decide::set_status(task, TaskStatus::Completed, moment)).await;
    }
    assert_eq!(accepted, 5);
}
