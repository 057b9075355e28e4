//! A relay with a cursor: `id > last` steps over what commits late.

use std::time::Duration;

use task_protocols::OutboxStore;
use task_testkit::wait;

use super::support::World;
use crate::checker::Promise;

/// The commit of `slow` waits for the lock, its event's id already given.
const LATE_COMMIT: &str = "
    CREATE FUNCTION wait_for_lock() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.task_id = 'slow' THEN PERFORM pg_advisory_xact_lock_shared(7); END IF;
        RETURN NULL;
    END $$;
    CREATE TRIGGER wait_for_lock AFTER INSERT ON task.outbox_events FOR EACH ROW EXECUTE FUNCTION wait_for_lock();
    SELECT pg_advisory_lock(7);";

const WAITING: &str = "
    SELECT count(*) FROM pg_locks JOIN pg_database ON pg_database.oid = pg_locks.database
    WHERE locktype = 'advisory' AND objid = 7 AND NOT granted AND datname = current_database()";

/// One task commits while others, whose events have higher ids, were committed and `relayed` before.
async fn late_commit(world: &World, relay: impl AsyncFn()) {
    let client = world.database.client().await;
    client.batch_execute(LATE_COMMIT).await.unwrap();
    let others = async {
        wait::until("the late commit has its ids", Duration::from_secs(30), || async {
            client.query_one(WAITING, &[]).await.unwrap().get::<_, i64>(0) == 1
        })
        .await;
        for n in 0..5 {
            assert!(world.create(&format!("quick-{n}")).await);
        }
        relay().await;
        client.batch_execute("SELECT pg_advisory_unlock(7)").await.unwrap();
    };
    let (accepted, ()) = tokio::join!(world.create("slow"), others);
    assert!(accepted);
    relay().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_remembers_the_last_id_is_caught() {
    let world = World::new().await;
    let last = std::sync::atomic::AtomicI64::new(0);
    let by_cursor = async || {
        let after = last.load(std::sync::atomic::Ordering::SeqCst);
        for event in world.engine.unpublished(1000).await.unwrap().iter().filter(|event| event.id > after) {
            world.subscriber.tell(&event.event.payload);
            last.store(event.id, std::sync::atomic::Ordering::SeqCst);
        }
    };
    late_commit(&world, by_cursor).await;
    world.finish_with_events().await.assert_caught(Promise::Delivered);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_relay_that_marks_passes() {
    let world = World::new().await;
    let relay = world.relay();
    late_commit(&world, async || {
        relay.tick().await.unwrap();
    })
    .await;
    world.finish_with_events().await.assert_sound();
}
