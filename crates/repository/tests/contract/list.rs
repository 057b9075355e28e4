//! Lists: filters and pages.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::DateTime;
use task_domain::decide::{self, NewTask};
use task_domain::{Origin, Priority, Task, TaskStatus, TenantId};
use task_protocols::{TaskCursor, TaskFilter, TaskSort};

use crate::support::build::{new_task, queued, tenant, user};
use crate::support::{Stores, everything};

fn default_filter() -> TaskFilter {
    everything(&TenantId::default_tenant())
}

fn ids(tasks: &[Task]) -> Vec<i64> {
    tasks.iter().map(|t| t.id).collect()
}

pub(crate) async fn a_list_is_newest_first_and_says_whether_more_follow(stores: Stores) {
    let mut made = Vec::new();
    for _ in 0..7 {
        made.push(stores.create(new_task()).await.id);
    }
    made.reverse();
    let page = |limit, offset| {
        let (stores, filter) = (stores.clone(), TaskFilter { limit, offset, ..default_filter() });
        async move {
            let page = stores.tasks.list(&filter).await.unwrap();
            (ids(&page.tasks), page.more)
        }
    };
    assert_eq!(page(7, 0).await, (made.clone(), false));
    assert_eq!(page(6, 0).await, (made[..6].to_vec(), true));
    assert_eq!(page(3, 3).await, (made[3..6].to_vec(), true));
    assert_eq!(page(3, 4).await, (made[4..].to_vec(), false));
    assert_eq!(page(3, 7).await, (vec![], false));
    assert_eq!(page(3, 700).await, (vec![], false));
}

/// Which of the tasks made a filter is to find.
type Wanted = fn(&Task) -> bool;

pub(crate) async fn every_condition_of_a_filter_must_hold(stores: Stores) {
    let low = Priority::LOW;
    let variants = [
        new_task(),
        NewTask { user_id: Some(user("bob")), ..new_task() },
        NewTask { user_id: None, ..new_task() },
        NewTask { origin: Origin::Seedcore, ..new_task() },
        queued(),
        NewTask { task_type: "kitchen".into(), ..new_task() },
        NewTask { priority: low, ..new_task() },
        NewTask {
            user_id: Some(user("bob")),
            priority: low,
            task_type: "kitchen".into(),
            origin: Origin::Seedcore,
            ..queued()
        },
    ];
    let mut made = Vec::new();
    for new in variants {
        made.push(stores.create(new).await);
    }
    let filters: [(TaskFilter, Wanted); 8] = [
        (default_filter(), |_| true),
        (TaskFilter { user_id: Some(user("bob")), ..default_filter() }, |t| t.user_id == Some(user("bob"))),
        (TaskFilter { origin: Some(Origin::Seedcore), ..default_filter() }, |t| t.origin == Origin::Seedcore),
        (TaskFilter { status: Some(TaskStatus::Queued), ..default_filter() }, |t| t.status == TaskStatus::Queued),
        (TaskFilter { status: Some(TaskStatus::Failed), ..default_filter() }, |_| false),
        (TaskFilter { task_type: Some("kitchen".into()), ..default_filter() }, |t| t.task_type == "kitchen"),
        (TaskFilter { priority: Some(low), ..default_filter() }, |t| t.priority == Priority::LOW),
        (
            TaskFilter {
                user_id: Some(user("bob")),
                origin: Some(Origin::Seedcore),
                status: Some(TaskStatus::Queued),
                task_type: Some("kitchen".into()),
                priority: Some(low),
                ..default_filter()
            },
            |t| t.user_id == Some(user("bob")) && t.priority == Priority::LOW,
        ),
    ];
    for (filter, wanted) in filters {
        let mut expected: Vec<i64> = made.iter().filter(|t| wanted(t)).map(|t| t.id).collect();
        expected.reverse();
        assert_eq!(ids(&stores.tasks.list(&filter).await.unwrap().tasks), expected, "{filter:?}");
    }
    let before = TaskFilter { after: Some(TaskCursor::from(&made[3])), ..default_filter() };
    assert_eq!(ids(&stores.tasks.list(&before).await.unwrap().tasks), [made[2].id, made[1].id, made[0].id]);
}

/// What a filter finds, oldest first, by the tasks' names.
async fn found(stores: &Stores, filter: TaskFilter) -> Vec<String> {
    let filter = TaskFilter { sort: TaskSort::Oldest, count: true, ..filter };
    let page = stores.tasks.list(&filter).await.unwrap();
    assert_eq!(page.total, i64::try_from(page.tasks.len()).ok(), "{filter:?}");
    page.tasks.into_iter().map(|task| task.name).collect()
}

pub(crate) async fn tags_labels_texts_and_times_are_found(stores: Stores) {
    let day = |n: i64| DateTime::from_timestamp(1_900_000_000 + n * 86_400, 0).unwrap();
    let tags = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect::<Vec<_>>();
    let labels = |pairs: &[(&str, &str)]| pairs.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
    let named = |name: &str| NewTask { name: name.into(), ..new_task() };
    for new in [
        NewTask { tags: tags(&["a", "b"]), due_date: Some(day(1)), ..named("one") },
        NewTask { tags: tags(&["b\"]"]), labels: labels(&[("team", "x"), ("é\"'", "1")]), ..named("two ÄÖ") },
        NewTask { description: Some("100% of_one".into()), due_date: Some(day(2)), ..named("three") },
        NewTask { labels: labels(&[("team", "y")]), tags: tags(&["b"]), ..named("back\\slash") },
    ] {
        stores.create(new).await;
    }
    let tagged = |wanted: &[&str]| TaskFilter { tags: tags(wanted), ..default_filter() };
    assert_eq!(found(&stores, tagged(&["b"])).await, ["one", "back\\slash"]);
    assert_eq!(found(&stores, tagged(&["b", "a"])).await, ["one"]);
    assert_eq!(found(&stores, tagged(&["b\"]"])).await, ["two ÄÖ"]);
    assert!(found(&stores, tagged(&["B"])).await.is_empty());
    let labelled =
        |name: &str, value: &str| TaskFilter { labels: vec![(name.into(), value.into())], ..default_filter() };
    assert_eq!(found(&stores, labelled("team", "x")).await, ["two ÄÖ"]);
    assert_eq!(found(&stores, labelled("é\"'", "1")).await, ["two ÄÖ"]);
    assert!(found(&stores, labelled("team", "z")).await.is_empty());
    let text = |text: &str| TaskFilter { text: Some(text.into()), ..default_filter() };
    assert_eq!(found(&stores, text("ONE")).await, ["one", "three"], "the description counts, the case does not");
    assert_eq!(found(&stores, text("äö")).await, ["two ÄÖ"]);
    assert_eq!(found(&stores, text("0% of_")).await, ["three"], "wildcards are plain characters");
    assert_eq!(found(&stores, text("k\\s")).await, ["back\\slash"]);
    assert!(found(&stores, text("o%e")).await.is_empty());
    let due = |from, to| TaskFilter { due_after: from, due_before: to, ..default_filter() };
    assert_eq!(found(&stores, due(Some(day(1)), None)).await, ["one", "three"]);
    assert_eq!(found(&stores, due(Some(day(1)), Some(day(2)))).await, ["one"]);
    let created = |after| TaskFilter { created_after: Some(after), ..default_filter() };
    assert_eq!(found(&stores, created(stores.now().await - chrono::Duration::hours(1))).await.len(), 4);
    assert!(found(&stores, created(stores.now().await + chrono::Duration::hours(1))).await.is_empty());
}

/// Every order, whole and in pages of every size: the same, none twice, none left out.
pub(crate) async fn every_order_is_total_and_its_pages_fit_together(stores: Stores) {
    let day = |n: i64| DateTime::from_timestamp(1_900_000_000 + n * 86_400, 0);
    for n in 0..12_i64 {
        let due_date = if n % 3 == 0 { None } else { day((n * 7) % 4) };
        let priority = Priority::from_number(1 + (n * 5) % 4).unwrap();
        stores.create(NewTask { due_date, priority, ..new_task() }).await;
    }
    let key = |sort, task: &Task| match sort {
        TaskSort::Newest => (0, 0, -task.id),
        TaskSort::Oldest => (0, 0, task.id),
        TaskSort::Due => (i64::from(task.due_date.is_none()), task.due_date.map_or(0, |d| d.timestamp()), task.id),
        TaskSort::Priority => (0, i64::from(task.priority.number()), task.id),
    };
    for sort in [TaskSort::Newest, TaskSort::Oldest, TaskSort::Due, TaskSort::Priority] {
        let mut all = stores.all(&TenantId::default_tenant()).await;
        all.sort_by_key(|task| key(sort, task));
        for limit in [1, 2, 5, 12, 50] {
            let filter = TaskFilter { sort, limit, ..default_filter() };
            assert_eq!(pages(&stores, filter).await, ids(&all), "{sort:?} by {limit}");
        }
    }
}

pub(crate) async fn a_listed_task_is_what_is_found_but_for_its_last_result(stores: Stores) {
    let task = stores.running(new_task()).await;
    stores.complete(&task).await;
    stores.running(NewTask { task_type: "kitchen".into(), ..new_task() }).await;
    for listed in stores.all(&TenantId::default_tenant()).await {
        let found = stores.load(&listed).await;
        assert_eq!(listed, Task { last_result: None, ..found });
    }
}

pub(crate) async fn a_list_shows_the_status_that_is_current(stores: Stores) {
    let task = stores.create(queued()).await;
    let with = |status| TaskFilter { status: Some(status), ..default_filter() };
    stores.apply(&task, |task, moment| decide::pause(task, None, moment)).await;
    assert_eq!(stores.tasks.list(&with(TaskStatus::Paused)).await.unwrap().tasks.len(), 1);
    assert_eq!(stores.tasks.list(&with(TaskStatus::Queued)).await.unwrap().tasks.len(), 0);
}

/// Pages by `after`, in small steps, while 200 tasks are added: those that were there before
/// come exactly once, none comes twice.
pub(crate) async fn keyset_pages_neither_skip_nor_repeat_while_200_are_inserted(stores: Stores) {
    let mut before = HashSet::new();
    for n in 0..100 {
        // Tasks of others in between must not matter.
        stores.create(NewTask { user_id: Some(user("bob")), tenant_id: tenant("other"), ..new_task() }).await;
        before.insert(stores.create(NewTask { name: format!("{n}"), ..new_task() }).await.id);
    }
    let done = AtomicBool::new(false);
    let insert = async {
        for _ in 0..25 {
            futures::future::join_all((0..8).map(|_| stores.create(new_task()))).await;
        }
        done.store(true, Ordering::Release);
    };
    let page_through = async {
        let mut rounds = 0;
        // At least one round starts while inserts are going on, and the last one after all of them.
        loop {
            let was_done = done.load(Ordering::Acquire);
            let seen = all_pages(&stores, 7).await;
            let unique: HashSet<i64> = seen.iter().copied().collect();
            assert_eq!(unique.len(), seen.len(), "no task came twice");
            assert!(before.is_subset(&unique), "no task was skipped");
            assert!(seen.windows(2).all(|pair| pair[0] > pair[1]), "newest first");
            rounds += 1;
            if was_done {
                assert_eq!(seen.len(), 300);
                break;
            }
        }
        assert!(rounds >= 2);
    };
    tokio::join!(insert, page_through);
}

async fn all_pages(stores: &Stores, limit: i64) -> Vec<i64> {
    pages(stores, TaskFilter { limit, ..default_filter() }).await
}

/// The ids of every page of a filter, one after the other.
async fn pages(stores: &Stores, mut filter: TaskFilter) -> Vec<i64> {
    let mut seen: Vec<i64> = Vec::new();
    loop {
        let page = stores.tasks.list(&filter).await.unwrap();
        seen.extend(page.tasks.iter().map(|t| t.id));
        filter.after = page.tasks.last().map(TaskCursor::from);
        if !page.more {
            return seen;
        }
    }
}
