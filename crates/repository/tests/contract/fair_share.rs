//! Owners take turns within a priority.

use task_domain::decide::{self, Failure, NewTask};
use task_domain::{LevelLimits, RetryPolicy, Task};

use crate::support::build::{queued, user};
use crate::support::{Stores, claim_types, secs, token_of};

fn of(owner: &str) -> NewTask {
    NewTask { user_id: Some(user(owner)), ..queued() }
}

fn of_key(key: &str) -> NewTask {
    NewTask { user_id: None, key_id: Some(key.into()), ..queued() }
}

async fn fill(stores: &Stores, new: &NewTask, n: usize) -> Vec<Task> {
    let mut made = Vec::with_capacity(n);
    for _ in 0..n {
        made.push(stores.create(new.clone()).await);
    }
    made
}

async fn claim(stores: &Stores, max_tasks: i64) -> Vec<Task> {
    stores.executions.claim(&claim_types(&["garden", "kitchen"], max_tasks)).await.unwrap()
}

/// Who owns the next `n` claimed, one at a time.
async fn owners(stores: &Stores, n: usize) -> Vec<String> {
    let mut owners = Vec::with_capacity(n);
    for _ in 0..n {
        owners.extend(claim(stores, 1).await.iter().map(|task| task.owner().to_owned()));
    }
    owners
}

fn count(owners: &[String], owner: &str) -> usize {
    owners.iter().filter(|o| *o == owner).count()
}

pub(crate) async fn a_late_owners_ten_tasks_do_not_wait_for_2000_of_another(stores: Stores) {
    fill(&stores, &of("ann"), 2000).await;
    fill(&stores, &of("bob"), 10).await;
    fill(&stores, &of_key("k1"), 5).await;
    let first = owners(&stores, 40).await;
    assert_eq!((count(&first, "bob"), count(&first, "k1")), (10, 5), "{first:?}");
    // Once more, when claims have got far: who was idle has saved nothing up.
    for _ in 0..5 {
        claim(&stores, 100).await;
    }
    fill(&stores, &of("bob"), 50).await;
    let next = owners(&stores, 40).await;
    assert!((18..=22).contains(&count(&next, "bob")), "{next:?}");
}

/// Types that are claimed together take turns together.
pub(crate) async fn work_of_another_type_does_not_wait_either(stores: Stores) {
    fill(&stores, &of("ann"), 300).await;
    claim(&stores, 50).await;
    fill(&stores, &NewTask { task_type: "kitchen".into(), ..of("bob") }, 10).await;
    let next = owners(&stores, 40).await;
    assert_eq!(count(&next, "bob"), 10, "{next:?}");
}

/// The engines of these tests give `heavy` the weight 3.
pub(crate) async fn weights_decide_how_often_an_owner_is_served(stores: Stores) {
    fill(&stores, &of("heavy"), 400).await;
    fill(&stores, &of("light"), 400).await;
    let mut served = Vec::new();
    for _ in 0..40 {
        served.extend(claim(&stores, 10).await.iter().map(|task| task.owner().to_owned()));
    }
    let heavy = count(&served, "heavy");
    assert!((270..=330).contains(&heavy), "{heavy} of {}", served.len());
}

/// Of a level that has the weight 3, also for attempts that are queued anew, which know of no level.
pub(crate) async fn an_owner_has_the_weight_of_its_level(stores: Stores) {
    let fill = async |owner: &str, weight: u32| {
        for _ in 0..200 {
            let mut change = decide::create(of(owner), &crate::support::moment(stores.now().await)).unwrap();
            change.limits = Some(LevelLimits { weight, ..LevelLimits::NONE });
            stores.save(&change).await;
        }
    };
    fill("pro", 3).await;
    fill("free", 1).await;
    // An owner's own weight, which these tests give `heavy`, stands before that of its level.
    fill("heavy", 1).await;
    let mut served = Vec::new();
    for _ in 0..21 {
        served.extend(claim(&stores, 10).await.iter().map(|task| task.owner().to_owned()));
    }
    let counts = ["pro", "heavy", "free"].map(|owner| count(&served, owner));
    assert!((80..=100).contains(&counts[0]) && (80..=100).contains(&counts[1]), "{counts:?}");
    assert!((25..=35).contains(&counts[2]), "{counts:?}");
}

pub(crate) async fn an_owners_own_tasks_keep_their_order(stores: Stores) {
    let mut made = Vec::new();
    for _ in 0..20 {
        made.push(stores.create(of("ann")).await.id);
        stores.create(of("bob")).await;
    }
    let all = claim(&stores, 100).await;
    let of_ann: Vec<i64> = all.iter().filter(|task| task.owner() == "ann").map(|task| task.id).collect();
    assert_eq!(of_ann, made);
}

/// A retry is queued anew when its time has come: many of one owner hold up nobody.
pub(crate) async fn delayed_attempts_take_turns_with_what_others_queued(stores: Stores) {
    let then = stores.now().await - secs(200);
    let retry = RetryPolicy { max_attempts: 2, base_seconds: 10.0, ..RetryPolicy::default() };
    for _ in 0..20 {
        let task = stores.create_at(NewTask { retry: retry.clone(), ..of("ann") }, then).await;
        let held = stores.claim_at(&task, then, 3600).await;
        let (token, failure) = (token_of(&held), Failure { retryable: true, ..Failure::default() });
        stores.apply_at(&held, then, |task, moment| decide::fail(task, token, failure.clone(), moment)).await;
    }
    assert_eq!(stores.timed.release_delayed(100).await.unwrap(), 20);
    fill(&stores, &of("bob"), 5).await;
    let first = owners(&stores, 15).await;
    assert_eq!(count(&first, "bob"), 5, "{first:?}");
}

pub(crate) async fn a_refused_create_costs_its_owner_no_turn(stores: Stores) {
    let taken = stores.create(of("bob")).await;
    for _ in 0..100 {
        let again = NewTask { task_id: Some(taken.task_id.clone()), ..of("bob") };
        let change = decide::create(again, &crate::support::moment(stores.now().await)).unwrap();
        stores.tasks.save(&change).await.unwrap();
    }
    fill(&stores, &of("ann"), 50).await;
    fill(&stores, &of("bob"), 5).await;
    let first = owners(&stores, 20).await;
    assert_eq!(count(&first, "bob"), 6, "{first:?}");
}
