//! On SQLite, for a process that keeps its subscribers to itself: a commit publishes its events.

use std::time::Duration;

use futures::future::join_all;
use task_domain::decide;
use task_protocols::{EventFilter, OutboxEvent, SaveOutcome};

use crate::support::build::{new_task, queued};
use crate::support::engines::sqlite_engine;
use crate::support::{Stores, moment};

async fn published(stores: &Stores) -> Vec<OutboxEvent> {
    let everything = EventFilter { tenant_id: None, user_id: None, types: Vec::new() };
    stores.outbox.events_after(&everything, 0, i64::MAX, 1000).await.unwrap()
}

fn assert_no_hole(events: &[OutboxEvent], last: i64) {
    let positions: Vec<i64> = events.iter().filter_map(|event| event.position).collect();
    assert_eq!(positions, (last + 1 - positions.len() as i64..=last).collect::<Vec<_>>());
    assert!(events.windows(2).all(|pair| pair[0].id < pair[1].id), "in the order of the commits");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_waited_for_a_relay_goes_before_what_its_commit_publishes() {
    let (engine, stores) = sqlite_engine().await;
    for _ in 0..3 {
        stores.create(new_task()).await;
    }
    assert_eq!(stores.outbox.backlog().await.unwrap(), 3);
    engine.publish_at_commit().await.unwrap();
    assert_eq!(stores.outbox.position_range().await.unwrap(), (1, 3));
    let task = stores.create(queued()).await;
    stores.apply(&task, |task, moment| decide::cancel(task, None, moment)).await;
    assert_eq!(stores.outbox.backlog().await.unwrap(), 0);
    let events = published(&stores).await;
    assert_no_hole(&events, 6);
    let seqs: Vec<i64> = events.iter().filter(|e| e.event.task_id == task.task_id).map(|e| e.event.seq).collect();
    assert_eq!(seqs, [1, 2, 3]);
    engine.publish_at_commit().await.unwrap();
    assert_eq!(published(&stores).await, events, "a second call changes nothing");
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_that_come_to_nothing_leave_no_hole() {
    let (engine, stores) = sqlite_engine().await;
    engine.publish_at_commit().await.unwrap();
    let now = stores.now().await;
    let first = decide::create(new_task(), &moment(now)).unwrap();
    stores.save(&first).await;
    let saves = (0..40).map(|n| {
        let (stores, first) = (stores.clone(), first.clone());
        async move {
            let change = if n % 4 == 0 { first } else { decide::create(queued(), &moment(now)).unwrap() };
            stores.tasks.save(&change).await.unwrap()
        }
    });
    let outcomes = join_all(saves).await;
    assert_eq!(outcomes.iter().filter(|outcome| **outcome == SaveOutcome::Duplicate).count(), 10);
    let events = published(&stores).await;
    assert_no_hole(&events, 1 + 30);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_position_is_not_given_again_when_its_event_is_gone() {
    let (engine, stores) = sqlite_engine().await;
    engine.publish_at_commit().await.unwrap();
    stores.create(new_task()).await;
    stores.create(new_task()).await;
    assert_eq!(stores.outbox.purge_published(Duration::ZERO, 10).await.unwrap(), 2);
    assert_eq!(stores.outbox.position_range().await.unwrap(), (3, 2), "nothing is kept");
    stores.create(new_task()).await;
    assert_eq!(stores.outbox.position_range().await.unwrap(), (3, 3));
    assert_no_hole(&published(&stores).await, 3);
}
