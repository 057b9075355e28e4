//! Publish before commit: subscribers hear of what never happened.

use task_domain::decide::Change;
use task_protocols::TaskStore;

use super::support::World;
use crate::checker::Promise;

/// Commits of these tasks fail at their very end, as on a full disk.
const FAILING_COMMIT: &str = "
    CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$
    BEGIN
        IF NEW.task_id LIKE 'bad%' THEN RAISE EXCEPTION 'the commit fails'; END IF;
        RETURN NULL;
    END $$;
    CREATE CONSTRAINT TRIGGER refuse AFTER INSERT ON task.outbox_events DEFERRABLE INITIALLY DEFERRED
        FOR EACH ROW EXECUTE FUNCTION refuse();";

async fn world() -> World {
    let world = World::new().await;
    world.database.client().await.batch_execute(FAILING_COMMIT).await.unwrap();
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn publishing_before_the_commit_is_caught() {
    let world = world().await;
    let publish_and_save = async |change: &Change| {
        change.events.iter().for_each(|event| world.subscriber.tell(&event.payload));
        world.engine.save(change).await
    };
    assert!(world.create_by("good", publish_and_save).await);
    assert!(!world.create_by("bad", publish_and_save).await, "its commit fails");
    world.finish_with_events().await.assert_caught(Promise::OnlyCommitted);
}

#[tokio::test(flavor = "multi_thread")]
async fn publishing_from_the_outbox_passes() {
    let world = world().await;
    for id in ["good", "bad", "better", "bad again"] {
        let id = id.replace(' ', "-");
        assert_eq!(world.create(&id).await, !id.starts_with("bad"));
        world.relay().tick().await.unwrap();
    }
    world.finish_with_events().await.assert_sound();
}
