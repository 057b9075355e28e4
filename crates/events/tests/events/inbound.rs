//! In-bound events on a real server, with a stream and without.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_nats::jetstream::{self, stream};
use async_trait::async_trait;
use serde_json::{Value, json};
use task_events::{Inbound, InboundOutcome};
use task_protocols::background::Background;
use task_protocols::{InboundError, InboundEvent, InboundEventHandler, InboundKind};
use task_testkit::{nats::PrivateServer, wait};
use tokio::runtime::Handle;

use crate::support::PATIENCE;

const SUBJECT: &str = "account_service.user.deleted";

/// Notes what it gets. A payload with `fail` fails so often, one with `away` is away so often.
#[derive(Default)]
struct Handler {
    seen: Mutex<Vec<InboundEvent>>,
}

impl Handler {
    fn times(&self, payload: &Value) -> usize {
        self.seen.lock().unwrap().iter().filter(|event| event.payload == *payload).count()
    }
}

#[async_trait]
impl InboundEventHandler for Handler {
    async fn handle(&self, event: &InboundEvent) -> Result<(), InboundError> {
        self.seen.lock().unwrap().push(event.clone());
        let times = self.times(&event.payload) as u64;
        let up_to = |name: &str| event.payload[name].as_u64().is_some_and(|limit| times <= limit);
        match (up_to("fail"), up_to("away")) {
            (true, _) => Err(InboundError::Failed("on purpose".into())),
            (_, true) => Err(InboundError::Unavailable("the database".into())),
            _ => Ok(()),
        }
    }
}

struct Subscribed {
    handler: Arc<Handler>,
    outcomes: Arc<Mutex<Vec<InboundOutcome>>>,
    background: Background,
}

impl Subscribed {
    async fn to(server: &PrivateServer) -> Self {
        let handler = Arc::new(Handler::default());
        let outcomes = Arc::new(Mutex::new(Vec::new()));
        let noted = Arc::clone(&outcomes);
        let background = Background::new(Handle::current());
        let inbound = Inbound {
            client: async_nats::connect(server.url()).await.unwrap(),
            handler: handler.clone(),
            observe: Arc::new(move |_, outcome| noted.lock().unwrap().push(outcome)),
            first_wait: Duration::from_millis(1),
        };
        inbound.start(&background, "inbound", InboundKind::UserDeleted, SUBJECT.into());
        Self { handler, outcomes, background }
    }

    async fn until_seen(&self, payload: &Value, times: usize) {
        wait::until("the event is seen", PATIENCE, || async { self.handler.times(payload) >= times }).await;
    }

    fn count(&self, outcome: InboundOutcome) -> usize {
        self.outcomes.lock().unwrap().iter().filter(|o| **o == outcome).count()
    }

    async fn stop(self) {
        assert!(self.background.shut_down(PATIENCE).await);
    }
}

async fn with_stream(server: &PrivateServer) -> jetstream::Context {
    let context = jetstream::new(async_nats::connect(server.url()).await.unwrap());
    let config =
        stream::Config { name: "ACCOUNT".into(), subjects: vec!["account_service.>".into()], ..Default::default() };
    context.create_stream(config).await.unwrap();
    context
}

async fn publish(context: &jetstream::Context, payload: &Value) {
    context.publish(SUBJECT, payload.to_string().into()).await.unwrap().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_is_read_from_where_it_was_left() {
    let server = PrivateServer::start().await;
    let context = with_stream(&server).await;
    let (first, second) = (json!({"n": 1, "event_id": "e1"}), json!({"n": 2}));
    publish(&context, &first).await;
    let subscribed = Subscribed::to(&server).await;
    subscribed.until_seen(&first, 1).await;
    wait::until("it is acknowledged", PATIENCE, || async {
        let mut consumer = context.get_stream("ACCOUNT").await.unwrap();
        let _ = consumer.info().await;
        let consumer: jetstream::consumer::PullConsumer =
            consumer.get_consumer("task_service-account_service_user_deleted").await.unwrap();
        consumer.cached_info().ack_floor.stream_sequence == 1
    })
    .await;
    subscribed.stop().await;
    publish(&context, &second).await;
    let again = Subscribed::to(&server).await;
    again.until_seen(&second, 1).await;
    assert_eq!(again.handler.times(&first), 0, "what was acknowledged does not come again");
    let seen = again.handler.seen.lock().unwrap()[0].clone();
    assert_eq!(seen.event_id.as_deref(), Some("ACCOUNT:2"), "its place stands in for an id");
    assert!(seen.published_at.is_some());
    again.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_poisoned_message_of_a_stream_is_set_aside_after_five_tries() {
    let server = PrivateServer::start().await;
    let context = with_stream(&server).await;
    let subscribed = Subscribed::to(&server).await;
    let (poison, slow, last) = (json!({"fail": 1000}), json!({"away": 7}), json!({"n": 3}));
    for payload in [&poison, &slow, &last] {
        publish(&context, payload).await;
    }
    context.publish(SUBJECT, "no JSON".into()).await.unwrap().await.unwrap();
    subscribed.until_seen(&last, 1).await;
    subscribed.until_seen(&slow, 8).await;
    wait::until("both are set aside", PATIENCE, || async { subscribed.count(InboundOutcome::SetAside) == 2 }).await;
    assert_eq!(subscribed.handler.times(&poison), 5);
    wait::until("nothing is left", PATIENCE, || async {
        let stream = context.get_stream("ACCOUNT").await.unwrap();
        let name = "task_service-account_service_user_deleted";
        let consumer: jetstream::consumer::PullConsumer = stream.get_consumer(name).await.unwrap();
        let info = consumer.cached_info();
        info.num_ack_pending == 0 && info.num_pending == 0
    })
    .await;
    assert_eq!(subscribed.count(InboundOutcome::Handled), 2);
    subscribed.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_stream_one_instance_of_the_queue_gets_each_message() {
    let server = PrivateServer::start().await;
    let (one, two) = (Subscribed::to(&server).await, Subscribed::to(&server).await);
    let client = async_nats::connect(server.url()).await.unwrap();
    // The subscriptions begin some time after the loops do.
    let ready = json!({"ready": true});
    wait::until("both listen", PATIENCE, || async {
        client.publish(SUBJECT, ready.to_string().into()).await.unwrap();
        client.flush().await.unwrap();
        one.handler.times(&ready) > 0 && two.handler.times(&ready) > 0
    })
    .await;
    let payloads: Vec<Value> = (0..50).map(|n| json!({"n": n})).collect();
    for payload in &payloads {
        client.publish(SUBJECT, payload.to_string().into()).await.unwrap();
    }
    let poison = json!({"fail": 1000});
    client.publish(SUBJECT, poison.to_string().into()).await.unwrap();
    wait::until("each came once", PATIENCE, || async {
        payloads.iter().all(|payload| one.handler.times(payload) + two.handler.times(payload) == 1)
    })
    .await;
    wait::until("the poisoned one is set aside", PATIENCE, || async {
        one.count(InboundOutcome::SetAside) + two.count(InboundOutcome::SetAside) == 1
    })
    .await;
    assert_eq!(one.handler.times(&poison) + two.handler.times(&poison), 5);
    assert_eq!(one.handler.seen.lock().unwrap()[0].event_id, None);
    one.stop().await;
    two.stop().await;
}
