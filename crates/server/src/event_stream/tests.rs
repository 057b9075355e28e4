//! Catching up in bounded reads, going on with the feed, and what ends a stream.

use std::sync::Mutex;

use task_domain::{Event, EventType, Origin, Payload, TaskId, TenantId, UserId};
use task_protocols::MockOutboxStore;

use super::*;

fn event(position: i64, user: &str) -> OutboxEvent {
    let event = Event {
        event_id: uuid::Uuid::from_u128(position.unsigned_abs().into()),
        event_type: EventType::Created,
        tenant_id: TenantId::default_tenant(),
        task_id: TaskId::new("t").unwrap(),
        user_id: Some(UserId::new(user).unwrap()),
        origin: Origin::TaskService,
        seq: 1,
        occurred_at: "2030-01-01T00:00:00Z".parse().unwrap(),
        payload: Payload::of(&serde_json::Map::new()),
    };
    OutboxEvent { id: position, position: Some(position), event }
}

fn anns() -> EventFilter {
    EventFilter { tenant_id: None, user_id: Some(UserId::new("ann").unwrap()), types: Vec::new() }
}

/// The windows that were read.
type Windows = Arc<Mutex<Vec<(i64, i64)>>>;

/// A store of the positions `range`, of which `anns` are Ann's, and the windows that were read.
fn store(range: Arc<Mutex<(i64, i64)>>, anns: Vec<i64>) -> (MockOutboxStore, Windows) {
    let (mut outbox, windows) = (MockOutboxStore::new(), Windows::default());
    let read = Arc::clone(&windows);
    outbox.expect_position_range().returning(move || Ok(*range.lock().unwrap()));
    outbox.expect_events_after().returning(move |_, after, through, limit| {
        read.lock().unwrap().push((after, through));
        let hit = anns.iter().filter(|position| (after + 1..=through).contains(*position));
        Ok(hit.take(usize::try_from(limit).unwrap()).map(|position| event(*position, "ann")).collect())
    });
    (outbox, windows)
}

struct Open {
    stream: EventStream,
    feed: broadcast::Sender<Batch>,
}

fn open(outbox: MockOutboxStore, start: Start, revoked: BoxFuture<'static, ()>) -> Open {
    let (feed, receiver) = broadcast::channel(8);
    let stopping = CancellationToken::new();
    let sources = EventSources { outbox: Arc::new(outbox), feed: receiver, task_types: Vec::new(), revoked, stopping };
    Open { stream: EventStream::new(sources, anns(), start), feed }
}

async fn next(open: &mut Open) -> Option<String> {
    let frame = open.stream.next().await?;
    Some(String::from_utf8(frame.to_vec()).unwrap())
}

#[tokio::test(start_paused = true)]
async fn a_rare_event_among_a_million_is_found_in_bounded_reads_that_move_the_subscriber_on() {
    let (outbox, windows) = store(Arc::new(Mutex::new((1, 1_000_000))), vec![777_777, 999_999]);
    let start = Start { position: 3, newest: 1_000_000, named: true };
    let mut open = open(outbox, start, futures::future::pending().boxed());
    assert!(next(&mut open).await.unwrap().starts_with(": ok\n"));
    let mut known = 3;
    loop {
        let frame = next(&mut open).await.unwrap();
        if frame.starts_with("event: ") {
            assert!(frame.contains("\nid: 777777\n"), "{frame}");
            break;
        }
        let position: i64 = frame.strip_prefix("id: ").unwrap().trim().parse().unwrap();
        assert!(position > known && position < 777_777, "{position}");
        known = position;
    }
    assert!(known > 770_000, "a client that is cut off here has little left to look through: {known}");
    while !next(&mut open).await.unwrap().contains("\nid: 999999\n") {}
    let read = windows.lock().unwrap();
    assert!(read.iter().all(|(after, through)| through - after <= WINDOW), "{read:?}");
    assert!(read.windows(2).all(|pair| pair[0].1 == pair[1].0), "each where the last one ended: {read:?}");
    assert_eq!(read.len(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_full_batch_goes_on_behind_its_last_event() {
    let (outbox, _) = store(Arc::new(Mutex::new((1, 250))), (1..=250).collect());
    let start = Start { position: 0, newest: 250, named: true };
    let mut open = open(outbox, start, futures::future::pending().boxed());
    next(&mut open).await.unwrap();
    for position in 1..=250 {
        assert!(next(&mut open).await.unwrap().contains(&format!("\nid: {position}\n")));
    }
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_is_waited_for_and_the_client_kept() {
    let (mut outbox, tries) = (MockOutboxStore::new(), std::sync::atomic::AtomicUsize::new(0));
    outbox.expect_position_range().returning(|| Ok((1, 1)));
    outbox.expect_events_after().returning(move |_, _, _, _| {
        match tries.fetch_add(1, std::sync::atomic::Ordering::SeqCst) {
            0..10 => Err(StoreError::unavailable("away")),
            _ => Ok(vec![event(1, "ann")]),
        }
    });
    let start = Start { position: 0, newest: 1, named: true };
    let mut open = open(outbox, start, futures::future::pending().boxed());
    assert!(next(&mut open).await.unwrap().starts_with(": ok\n"));
    assert_eq!(next(&mut open).await.unwrap(), ": keep-alive\n\n", "it takes long");
    while !next(&mut open).await.unwrap().contains("\nid: 1\n") {}
}

#[tokio::test(start_paused = true)]
async fn a_damaged_store_ends_the_stream() {
    let mut outbox = MockOutboxStore::new();
    outbox.expect_events_after().returning(|_, _, _, _| Err(StoreError::internal("damaged")));
    let start = Start { position: 0, newest: 1, named: true };
    let mut open = open(outbox, start, futures::future::pending().boxed());
    next(&mut open).await.unwrap();
    assert_eq!(next(&mut open).await, None);
}

#[tokio::test(start_paused = true)]
async fn what_is_removed_before_it_is_read_ends_the_stream() {
    let range = Arc::new(Mutex::new((1, 20_000)));
    let (outbox, _) = store(Arc::clone(&range), Vec::new());
    let start = Start { position: 0, newest: 20_000, named: true };
    let mut open = open(outbox, start, futures::future::pending().boxed());
    next(&mut open).await.unwrap();
    assert_eq!(next(&mut open).await.unwrap(), "id: 5000\n\n");
    *range.lock().unwrap() = (5_002, 20_000);
    assert_eq!(next(&mut open).await, None, "the client comes back, and is told 410");
}

#[tokio::test(start_paused = true)]
async fn a_subscriber_hears_of_its_position_while_others_are_told() {
    let range = Arc::new(Mutex::new((1, 7)));
    let (outbox, windows) = store(Arc::clone(&range), Vec::new());
    let mut open = open(outbox, Start { position: 7, newest: 7, named: false }, futures::future::pending().boxed());
    next(&mut open).await.unwrap();
    assert_eq!(next(&mut open).await.unwrap(), "id: 7\n\n", "where it began");
    open.feed.send(Arc::new(vec![event(8, "bob"), event(9, "bob")])).unwrap();
    assert_eq!(next(&mut open).await.unwrap(), ": keep-alive\n\n");
    assert_eq!(next(&mut open).await.unwrap(), "id: 9\n\n");
    assert_eq!(next(&mut open).await.unwrap(), ": keep-alive\n\n");
    open.feed.send(Arc::new(vec![event(10, "ann")])).unwrap();
    assert!(next(&mut open).await.unwrap().contains("\nid: 10\n"));
    // The feed skips some: they are read.
    *range.lock().unwrap() = (1, 13);
    open.feed.send(Arc::new(vec![event(13, "bob")])).unwrap();
    assert_eq!(next(&mut open).await.unwrap(), "id: 13\n\n");
    assert_eq!(*windows.lock().unwrap(), [(10, 13)]);
}

#[tokio::test(start_paused = true)]
async fn a_stream_ends_when_its_key_is_revoked_while_it_reads_and_while_it_waits() {
    for newest in [1_000_000, 0] {
        let (outbox, _) = store(Arc::new(Mutex::new((1, newest))), Vec::new());
        let (revoke, revoked) = tokio::sync::oneshot::channel::<()>();
        let start = Start { position: 0, newest, named: true };
        let mut open = open(outbox, start, revoked.map(drop).boxed());
        next(&mut open).await.unwrap();
        next(&mut open).await.unwrap();
        revoke.send(()).unwrap();
        assert_eq!(next(&mut open).await, None);
    }
}
