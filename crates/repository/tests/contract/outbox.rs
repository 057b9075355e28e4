//! The outbox: what is committed, in which order, and what is kept.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures::future::join_all;
use task_domain::decide::{self, NewTask};
use task_domain::{EventType, TaskPatch, TenantId};
use task_protocols::{EventFilter, OutboxEvent};
use task_testkit::wait::until;

use crate::support::Stores;
use crate::support::build::{new_task, queued, tenant, user};

const LONG: Duration = Duration::from_secs(3600);

fn ids(events: &[OutboxEvent]) -> Vec<i64> {
    events.iter().map(|e| e.id).collect()
}

fn positions(events: &[OutboxEvent]) -> Vec<i64> {
    events.iter().filter_map(|e| e.position).collect()
}

fn filter() -> EventFilter {
    EventFilter { tenant_id: Some(TenantId::default_tenant()), user_id: None, types: Vec::new() }
}

async fn five_events(stores: &Stores) -> Vec<i64> {
    for _ in 0..5 {
        stores.create(new_task()).await;
    }
    ids(&stores.events().await)
}

pub(crate) async fn an_empty_outbox_says_so(stores: Stores) {
    assert_eq!(stores.outbox.position_range().await.unwrap(), (0, 0));
    assert_eq!(stores.outbox.backlog().await.unwrap(), 0);
    assert!(stores.outbox.unpublished(10).await.unwrap().is_empty());
    assert!(stores.outbox.events_after(&filter(), 0, i64::MAX, 10).await.unwrap().is_empty());
    assert_eq!(stores.outbox.published_before(Duration::ZERO).await.unwrap(), 0);
    assert_eq!(stores.outbox.purge_published(Duration::ZERO, 10).await.unwrap(), 0);
    stores.outbox.mark_published(&[]).await.unwrap();
}

pub(crate) async fn unpublished_events_come_by_id_and_of_one_task_by_seq(stores: Stores) {
    let task = stores.create(queued()).await;
    stores.create(new_task()).await;
    stores.apply(&task, |task, moment| decide::cancel(task, None, moment)).await;
    let events = stores.events().await;
    assert_eq!(events.len(), 4);
    assert!(ids(&events).windows(2).all(|pair| pair[0] < pair[1]));
    assert!(events.iter().all(|e| e.position.is_none()));
    let seqs: Vec<i64> = events.iter().filter(|e| e.event.task_id == task.task_id).map(|e| e.event.seq).collect();
    assert_eq!(seqs, [1, 2, 3]);
    assert_eq!(ids(&stores.outbox.unpublished(2).await.unwrap()), ids(&events)[..2], "the oldest first");
    assert_eq!(stores.outbox.backlog().await.unwrap(), 4);
}

pub(crate) async fn positions_are_given_in_the_order_of_the_ids_without_holes(stores: Stores) {
    let made = five_events(&stores).await;
    let order = [made[3], made[0], made[4]];
    stores.outbox.mark_published(&order).await.unwrap();
    let published = stores.outbox.events_after(&filter(), 0, i64::MAX, 10).await.unwrap();
    assert_eq!((ids(&published), positions(&published)), (order.to_vec(), vec![1, 2, 3]));
    assert_eq!(stores.outbox.backlog().await.unwrap(), 2);
    assert_eq!(ids(&stores.events().await), [made[1], made[2]]);
    // Marked again, with one that is new and one that never was: the old keep their position.
    stores.outbox.mark_published(&[made[4], made[2], made[3], i64::MAX]).await.unwrap();
    let published = stores.outbox.events_after(&filter(), 0, i64::MAX, 10).await.unwrap();
    assert_eq!((ids(&published), positions(&published)), (vec![made[3], made[0], made[4], made[2]], vec![1, 2, 3, 4]));
    assert_eq!(stores.outbox.position_range().await.unwrap(), (1, 4));
    stores.outbox.mark_published(&[made[1]]).await.unwrap();
    assert_eq!(stores.outbox.position_range().await.unwrap(), (1, 5));
}

/// Two relays that both believe to be alone, marking the same events in bites, 40 events each time.
pub(crate) async fn two_concurrent_markers_leave_no_hole_and_no_position_twice(stores: Stores) {
    for round in 1..=5usize {
        let now = stores.now().await;
        for _ in 0..40 {
            stores.create_at(new_task(), now).await;
        }
        let made = ids(&stores.events().await);
        let mark = |bite: usize| {
            let (stores, made) = (stores.clone(), made.clone());
            async move {
                for chunk in made.chunks(bite) {
                    stores.outbox.mark_published(chunk).await.unwrap();
                }
            }
        };
        tokio::join!(mark(3), mark(5), mark(1));
        let published = stores.outbox.events_after(&filter(), 0, i64::MAX, 1000).await.unwrap();
        assert_eq!(positions(&published), (1..=i64::try_from(round * 40).unwrap()).collect::<Vec<_>>());
        assert_eq!(stores.outbox.backlog().await.unwrap(), 0);
    }
}

/// Eight writers and two relays at once: in the end everything is published once, positions have no
/// hole, and within a task they rise with `seq`.
pub(crate) async fn two_relays_beside_writers_keep_the_order_of_each_task(stores: Stores) {
    let writing = AtomicBool::new(true);
    let writers = async {
        join_all((0..8).map(|n| {
            let stores = stores.clone();
            async move {
                let task = stores.create(new_task()).await;
                for edit in 0..20 {
                    let patch = TaskPatch { name: Some(format!("{n}.{edit}")), ..TaskPatch::default() };
                    stores.apply(&task, |task, moment| decide::update(task, &patch, moment)).await;
                }
            }
        }))
        .await;
        writing.store(false, Ordering::Release);
    };
    let relay = || async {
        loop {
            let more_to_come = writing.load(Ordering::Acquire);
            let batch = ids(&stores.outbox.unpublished(10).await.unwrap());
            if batch.is_empty() && !more_to_come {
                return;
            }
            stores.outbox.mark_published(&batch).await.unwrap();
        }
    };
    tokio::join!(writers, relay(), relay());
    let published = stores.outbox.events_after(&filter(), 0, i64::MAX, 1000).await.unwrap();
    assert_eq!(positions(&published), (1..=8 * 21).collect::<Vec<_>>());
    let mut seqs: HashMap<_, Vec<i64>> = HashMap::new();
    for event in &published {
        seqs.entry(event.event.task_id.clone()).or_default().push(event.event.seq);
    }
    assert!(seqs.values().all(|seqs| *seqs == (1..=21).collect::<Vec<_>>()), "{seqs:?}");
}

pub(crate) async fn published_events_are_read_from_a_position_up_to_a_limit(stores: Stores) {
    let made = five_events(&stores).await;
    stores.outbox.mark_published(&made[..4]).await.unwrap();
    let after = stores.outbox.events_after(&filter(), 1, i64::MAX, 2).await.unwrap();
    assert_eq!(ids(&after), made[1..3]);
    assert_eq!(
        ids(&stores.outbox.events_after(&filter(), 3, i64::MAX, 10).await.unwrap()),
        [made[3]],
        "unpublished ones are not read"
    );
    assert!(stores.outbox.events_after(&filter(), 4, i64::MAX, 10).await.unwrap().is_empty());
    for (after, through, expected) in [(0, 2, &made[..2]), (1, 3, &made[1..3]), (2, 2, &[]), (3, 1, &[])] {
        let window = stores.outbox.events_after(&filter(), after, through, 10).await.unwrap();
        assert_eq!(ids(&window), expected, "{after} to {through}");
    }
}

pub(crate) async fn events_are_read_by_tenant_user_and_type(stores: Stores) {
    let anns = stores.create(queued()).await;
    let bobs = stores.create(NewTask { user_id: Some(user("bob")), ..queued() }).await;
    stores.create(NewTask { tenant_id: tenant("other"), ..queued() }).await;
    stores.create(NewTask { user_id: None, ..queued() }).await;
    for task in [&anns, &bobs] {
        stores.apply(task, |task, moment| decide::cancel(task, None, moment)).await;
    }
    stores.outbox.mark_published(&ids(&stores.events().await)).await.unwrap();
    let read = |filter: EventFilter| {
        let stores = stores.clone();
        async move { stores.outbox.events_after(&filter, 0, i64::MAX, 100).await.unwrap().len() }
    };
    let bob = Some(user("bob"));
    assert_eq!(read(filter()).await, 7);
    assert_eq!(read(EventFilter { user_id: bob.clone(), ..filter() }).await, 3);
    assert_eq!(read(EventFilter { types: vec![EventType::Created], ..filter() }).await, 3);
    assert_eq!(read(EventFilter { types: vec![EventType::Executed, EventType::StatusChanged], ..filter() }).await, 4);
    assert_eq!(read(EventFilter { user_id: bob, types: vec![EventType::Executed], ..filter() }).await, 1);
    assert_eq!(read(EventFilter { tenant_id: Some(tenant("other")), ..filter() }).await, 1);
    assert_eq!(read(EventFilter { tenant_id: Some(tenant("nobody")), ..filter() }).await, 0);
    let everything = read(EventFilter { tenant_id: None, ..filter() }).await;
    assert_eq!(everything, read(filter()).await + 1, "of every tenant");
}

pub(crate) async fn a_published_event_is_read_as_it_was_decided(stores: Stores) {
    let now = stores.now().await;
    let change = decide::create(crate::support::build::full_task(now), &crate::support::moment(now)).unwrap();
    stores.save(&change).await;
    stores.outbox.mark_published(&ids(&stores.events().await)).await.unwrap();
    let everything = EventFilter { tenant_id: None, ..filter() };
    let published = stores.outbox.events_after(&everything, 0, i64::MAX, 10).await.unwrap();
    assert_eq!(published.iter().map(|e| e.event.clone()).collect::<Vec<_>>(), change.events);
}

pub(crate) async fn the_last_position_before_a_window_is_found(stores: Stores) {
    let made = five_events(&stores).await;
    stores.outbox.mark_published(&made[..4]).await.unwrap();
    assert_eq!(stores.outbox.published_before(LONG).await.unwrap(), 0, "all are younger");
    stores.database.date_back("outbox_events", "published_at", 7200, "position <= 2").await;
    assert_eq!(stores.outbox.published_before(LONG).await.unwrap(), 2);
    assert_eq!(stores.outbox.published_before(2 * LONG + LONG).await.unwrap(), 0);
    assert_eq!(stores.outbox.published_before(Duration::ZERO).await.unwrap(), 4, "the fifth is not published");
}

pub(crate) async fn a_purge_removes_old_published_events_and_keeps_the_unpublished(stores: Stores) {
    let made = five_events(&stores).await;
    stores.outbox.mark_published(&made[..4]).await.unwrap();
    assert_eq!(stores.outbox.purge_published(LONG, 100).await.unwrap(), 0, "young ones stay");
    assert_eq!(stores.outbox.purge_published(Duration::ZERO, 3).await.unwrap(), 3, "no more than the limit");
    assert_eq!(stores.outbox.position_range().await.unwrap(), (4, 4));
    assert_eq!(stores.outbox.purge_published(Duration::ZERO, 100).await.unwrap(), 1);
    assert_eq!(ids(&stores.events().await), [made[4]], "what nobody was told of stays");
    let (lowest, highest) = stores.outbox.position_range().await.unwrap();
    assert_eq!(highest, 4, "positions are never given twice");
    assert!(lowest > 4, "nothing at or below the highest is kept");
    stores.outbox.mark_published(&made).await.unwrap();
    assert_eq!(stores.outbox.position_range().await.unwrap(), (5, 5));
}

pub(crate) async fn one_relay_at_a_time_holds_the_lock_until_it_is_dropped(stores: Stores) {
    let lock = stores.outbox.try_lock_relay().await.unwrap().expect("free");
    assert!(lock.is_held().await);
    assert!(stores.outbox.try_lock_relay().await.unwrap().is_none());
    assert!(lock.is_held().await, "asking for it takes nothing away");
    drop(lock);
    // A session's end reaches the database a moment later.
    until("the lock is free again", Duration::from_secs(20), || async {
        match stores.outbox.try_lock_relay().await.unwrap() {
            Some(next) => next.is_held().await,
            None => false,
        }
    })
    .await;
}
