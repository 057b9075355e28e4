//! Creates under an idempotency key.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::join_all;
use task_domain::decide::{self, Change, Idempotency, NewTask};
use task_domain::{LevelLimits, TaskId, TenantId};
use task_protocols::{SaveOutcome, Swept};

use crate::support::build::{queued, task_id, tenant};
use crate::support::{Stores, everything, moment};

async fn keyed(stores: &Stores, new: NewTask, key: &str) -> Change {
    let mut change = decide::create(new, &moment(stores.now().await)).unwrap();
    change.idempotency =
        Some(Idempotency { caller: "user:ann".into(), key: key.into(), fingerprint: "of the body".into() });
    change
}

fn repeated(task_id: &TaskId) -> SaveOutcome {
    SaveOutcome::Repeated { task_id: task_id.clone(), fingerprint: "of the body".into() }
}

async fn count(stores: &Stores) -> usize {
    stores.tasks.list(&everything(&TenantId::default_tenant())).await.unwrap().tasks.len()
}

pub(crate) async fn of_parallel_creates_under_one_key_exactly_one_is_saved(stores: Stores) {
    let mut creates = Vec::new();
    for _ in 0..50 {
        creates.push(keyed(&stores, queued(), "k").await);
    }
    let outcomes = join_all(creates.iter().map(|change| stores.tasks.save(change))).await;
    let outcomes: Vec<_> = outcomes.into_iter().map(Result::unwrap).collect();
    let saved: Vec<_> =
        (0..50).filter(|&n| matches!(outcomes[n], SaveOutcome::Saved { .. })).map(|n| &creates[n].task).collect();
    assert_eq!(saved.len(), 1, "{outcomes:?}");
    assert_eq!(outcomes.iter().filter(|o| **o == repeated(&saved[0].task_id)).count(), 49, "{outcomes:?}");
    assert_eq!(count(&stores).await, 1);
    assert_eq!(stores.outbox.backlog().await.unwrap(), 1);
}

pub(crate) async fn a_repeat_tells_the_task_and_the_fingerprint_of_the_first(stores: Stores) {
    let first = keyed(&stores, queued(), "k").await;
    stores.save(&first).await;
    let mut other = keyed(&stores, NewTask { name: "another".into(), ..queued() }, "k").await;
    other.idempotency.as_mut().unwrap().fingerprint = "of another body".into();
    assert_eq!(stores.tasks.save(&other).await.unwrap(), repeated(&first.task.task_id));
    let made = stores.tasks.made_under(&first.task.tenant_id, "user:ann", "k").await.unwrap();
    assert_eq!(made, Some((first.task.task_id.clone(), "of the body".to_owned())));
    stores.apply(&first.task, decide::delete).await;
    assert_eq!(stores.tasks.save(&other).await.unwrap(), repeated(&first.task.task_id), "the key outlives its task");
    assert_eq!(count(&stores).await, 0);
}

pub(crate) async fn a_key_is_its_callers_and_its_tenants_own(stores: Stores) {
    stores.save(&keyed(&stores, queued(), "k").await).await;
    stores.save(&keyed(&stores, queued(), "K").await).await;
    let mut of_bob = keyed(&stores, queued(), "k").await;
    of_bob.idempotency.as_mut().unwrap().caller = "user:bob".into();
    stores.save(&of_bob).await;
    assert_eq!(stores.tasks.made_under(&tenant("other"), "user:ann", "k").await.unwrap(), None);
    stores.save(&keyed(&stores, NewTask { tenant_id: tenant("other"), ..queued() }, "k").await).await;
    assert_eq!(stores.tasks.made_under(&TenantId::default_tenant(), "user:eve", "k").await.unwrap(), None);
    assert_eq!(count(&stores).await, 3);
}

pub(crate) async fn what_was_not_created_leaves_no_key_behind(stores: Stores) {
    let named = || NewTask { task_id: Some(task_id("taken")), ..queued() };
    stores.create(named()).await;
    assert_eq!(
        stores.tasks.save(&keyed(&stores, named(), "k").await).await.unwrap(),
        SaveOutcome::Duplicate,
        "its id is taken"
    );
    let mut limited = keyed(&stores, queued(), "k").await;
    limited.limits = Some(ONE);
    assert!(matches!(stores.tasks.save(&limited).await.unwrap(), SaveOutcome::Limited(_)));
    let mut fits = keyed(&stores, queued(), "k").await;
    fits.limits = Some(LevelLimits { active_tasks: Some(2), ..ONE });
    stores.save(&fits).await;
}

const ONE: LevelLimits = LevelLimits {
    active_tasks: Some(1),
    daily_executions: None,
    schedule_interval: 1,
    task_execution_rate: None,
    weight: 1,
};

pub(crate) async fn a_repeat_is_told_even_when_the_limit_is_used_up(stores: Stores) {
    let limited = async || Change { limits: Some(ONE), ..keyed(&stores, queued(), "k").await };
    let first = limited().await;
    stores.save(&first).await;
    assert_eq!(stores.tasks.save(&limited().await).await.unwrap(), repeated(&first.task.task_id));
}

pub(crate) async fn a_swept_key_is_free_again(stores: Stores) {
    stores.save(&keyed(&stores, queued(), "k").await).await;
    let sweep = |age| stores.beside.retention.sweep(Swept::IdempotencyKeys, age, 10);
    assert_eq!(sweep(Duration::from_secs(60)).await.unwrap(), 0);
    assert_eq!(sweep(Duration::ZERO).await.unwrap(), 1);
    stores.save(&keyed(&stores, queued(), "k").await).await;
    assert_eq!(count(&stores).await, 2);
}

pub(crate) async fn a_key_that_is_swept_at_any_moment_is_repeated_or_free(stores: Stores) {
    let saving = AtomicBool::new(true);
    let saves = async {
        join_all((0..8).map(|_| async {
            for _ in 0..40 {
                let change = keyed(&stores, queued(), "k").await;
                let outcome = stores.tasks.save(&change).await.unwrap();
                let expected = matches!(outcome, SaveOutcome::Saved { .. } | SaveOutcome::Repeated { .. });
                assert!(expected, "{outcome:?}");
            }
        }))
        .await;
        saving.store(false, Ordering::Release);
    };
    let sweeps = async {
        while saving.load(Ordering::Acquire) {
            stores.beside.retention.sweep(Swept::IdempotencyKeys, Duration::ZERO, 10).await.unwrap();
        }
    };
    tokio::join!(saves, sweeps);
}
