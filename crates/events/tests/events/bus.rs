//! The JetStream bus on a real server.

use std::time::Duration;

use async_nats::jetstream::{self, stream::StorageType};
use serde_json::json;
use task_events::{NatsBus, NatsConfig, NatsError, STREAM};
use task_protocols::{EventBus, OutboxEvent};
use task_testkit::{nats::PrivateServer, wait};
use tokio_util::sync::CancellationToken;

use crate::relay::relay;
use crate::support::{Outbox, PATIENCE, event, stored, stream};

async fn connect(server: &PrivateServer) -> NatsBus {
    NatsBus::connect(&server.url(), NatsConfig::default()).await.unwrap()
}

/// Publishes as the relay would: until it is acknowledged.
async fn publish(bus: &NatsBus, event: &OutboxEvent) {
    wait::until("the bus takes the event", PATIENCE, || async { bus.publish(event).await.is_ok() }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_is_as_the_documentation_says() {
    let server = PrivateServer::start().await;
    let bus = connect(&server).await;
    let sent = event(1, "my-task", 7);
    publish(&bus, &sent).await;
    let mut stream = stream(&server.url()).await.unwrap();
    let config = stream.info().await.unwrap().config.clone();
    assert_eq!((config.name.as_str(), config.subjects), (STREAM, vec!["task_service.>".to_owned()]));
    assert_eq!(config.storage, StorageType::File);
    assert_eq!(config.duplicate_window, Duration::from_secs(600));
    assert_eq!(config.max_age, Duration::from_secs(7 * 86_400));
    let messages = stored(&server.url()).await;
    assert_eq!(messages.len(), 1);
    assert_eq!(messages[0].subject, "task_service.task.status_changed");
    assert_eq!(messages[0].body, json!(sent.event.payload.object()));
    let id = sent.event.event_id.to_string();
    for (name, expected) in [
        ("Nats-Msg-Id", id.as_str()),
        ("ce-id", id.as_str()),
        ("ce-type", "task.status_changed"),
        ("ce-source", "/task_service"),
        ("ce-subject", "my-task"),
        ("ce-specversion", "1.0"),
        ("ce-time", "2027-01-15T08:00:00.123456Z"),
        ("content-type", "application/json"),
    ] {
        let value = messages[0].headers.get(name).map(|value| value.as_str());
        assert_eq!(value, Some(expected), "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_is_there_before_the_first_event() {
    let server = PrivateServer::start().await;
    let bus = connect(&server).await;
    let stop = CancellationToken::new();
    let relay = relay(&Outbox::with([]), bus);
    let seen = async {
        wait::until("the stream exists", PATIENCE, || async { stream(&server.url()).await.is_some() }).await;
        stop.cancel();
    };
    tokio::join!(relay.run(stop.clone()), seen);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_event_that_is_published_twice_is_stored_once() {
    let server = PrivateServer::start().await;
    let bus = connect(&server).await;
    let (first, second) = (event(1, "a", 1), event(2, "a", 2));
    for sent in [&first, &first, &second, &first, &second] {
        publish(&bus, sent).await;
    }
    assert_eq!(stored(&server.url()).await.len(), 2);
    // Another instance's publish of the same event is the same event.
    publish(&connect(&server).await, &first).await;
    assert_eq!(stored(&server.url()).await.len(), 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_settings_of_an_operators_stream_stand() {
    let server = PrivateServer::start().await;
    let client = async_nats::connect(server.url()).await.unwrap();
    let own = jetstream::stream::Config {
        name: STREAM.into(),
        subjects: vec!["task_service.>".into()],
        max_messages: 5,
        ..jetstream::stream::Config::default()
    };
    jetstream::new(client).create_stream(own).await.unwrap();
    publish(&connect(&server).await, &event(1, "a", 1)).await;
    assert_eq!(stream(&server.url()).await.unwrap().info().await.unwrap().config.max_messages, 5);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_goes_away_is_an_error_at_once_and_its_return_a_new_epoch() {
    let mut server = PrivateServer::start().await;
    let bus = connect(&server).await;
    publish(&bus, &event(1, "a", 1)).await;
    let before = bus.epoch();
    server.stop();
    wait::until("the bus says that it is away", PATIENCE, || async { bus.check().await.is_err() }).await;
    assert!(bus.publish(&event(2, "a", 2)).await.is_err());
    server.resume().await;
    wait::until("the epoch rises", PATIENCE, || async { bus.epoch() > before }).await;
    publish(&bus, &event(2, "a", 2)).await;
    assert_eq!(stored(&server.url()).await.len(), 2, "the server kept what it had acknowledged");
    assert!(bus.check().await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_is_away_at_the_start_is_waited_for() {
    let mut server = PrivateServer::start().await;
    server.stop();
    let bus = connect(&server).await;
    assert!(bus.publish(&event(1, "a", 1)).await.is_err());
    server.resume().await;
    publish(&bus, &event(1, "a", 1)).await;
    assert_eq!(stored(&server.url()).await.len(), 1);
}

#[tokio::test]
async fn an_address_that_cannot_be_read_is_refused() {
    let refused = NatsBus::connect("nats://[::bad", NatsConfig::default()).await;
    assert!(matches!(refused, Err(NatsError::Url(_))));
}

/// The server lost its whole store: what it had acknowledged lately is there again.
#[tokio::test(flavor = "multi_thread")]
async fn what_the_server_lost_is_published_again() {
    let mut server = PrivateServer::start().await;
    let outbox = Outbox::with((1..=50).map(|id| event(id, &format!("t{}", id % 5), id)));
    let relay = relay(&outbox, connect(&server).await);
    let url = server.url();
    let story = async {
        wait::until("all are out", PATIENCE, || async { outbox.published().await.len() == 50 }).await;
        server.stop();
        server.lose_store();
        server.resume().await;
        wait::until("all are there again", PATIENCE, || async { stored(&url).await.len() == 50 }).await;
        outbox.rows().await.push(event(51, "t0", 51));
        wait::until("the next is there", PATIENCE, || async { stored(&url).await.len() == 51 }).await;
    };
    tokio::select! {
        () = relay.run(CancellationToken::new()) => unreachable!("it runs until it is told to stop"),
        () = story => {}
    }
    assert_in_order(&url).await;
}

/// Somebody deleted the stream while the connection stood.
#[tokio::test(flavor = "multi_thread")]
async fn a_removed_stream_is_made_again_with_the_last_minutes() {
    let server = PrivateServer::start().await;
    let outbox = Outbox::with((1..=20).map(|id| event(id, &format!("t{}", id % 5), id)));
    let relay = relay(&outbox, connect(&server).await);
    let url = server.url();
    let story = async {
        wait::until("all are out", PATIENCE, || async { outbox.published().await.len() == 20 }).await;
        let client = async_nats::connect(&url).await.unwrap();
        jetstream::new(client).delete_stream(STREAM).await.unwrap();
        outbox.rows().await.push(event(21, "t0", 21));
        wait::until("all are there again", PATIENCE, || async { stored(&url).await.len() == 21 }).await;
    };
    tokio::select! {
        () = relay.run(CancellationToken::new()) => unreachable!("it runs until it is told to stop"),
        () = story => {}
    }
    assert_in_order(&url).await;
}

async fn assert_in_order(url: &str) {
    let mut last = std::collections::HashMap::new();
    for message in stored(url).await {
        let (task, seq) = (message.body["task_id"].clone(), message.body["seq"].as_i64().unwrap());
        let before = last.insert(task.to_string(), seq).unwrap_or(0);
        assert!(before < seq, "{task}: {seq} after {before}");
    }
}
