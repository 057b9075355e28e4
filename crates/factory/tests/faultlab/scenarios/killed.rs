//! kill -9 under load, again and again.

use std::sync::atomic::{AtomicBool, Ordering};

use serde_json::json;
use task_testkit::nats::PrivateServer;
use task_testkit::sqlite::temp_database;

use super::{LEASE, PATIENT};
use crate::lab::{Lab, Store, Subscription, listen};
use crate::scale::scale;
use crate::support::{Instance, database};

#[tokio::test(flavor = "multi_thread")]
async fn killed_instances_lose_nothing_and_do_nothing_twice() {
    let (database, nats) = (database().await, PrivateServer::start().await);
    let url = nats.url();
    let environment = [("DATABASE_URL", database.url()), ("NATS_URL", url.as_str()), LEASE];
    let mut instances = vec![Instance::start(&environment).await, Instance::start(&environment).await];
    let subscription = Subscription::nats(url.clone());
    let lab = Lab::of(&instances, PATIENT);
    lab.create_surely("long", "echo", &json!({"config": {"steps": scale(200, 1000), "step_ms": 20}})).await;
    let story = async {
        for n in 0..scale(2, 20) {
            lab.goes_on(30).await;
            instances.remove(n % 2).kill();
            lab.goes_on(10).await;
            instances.insert(n % 2, Instance::start(&environment).await);
            lab.moved(n % 2, &instances[n % 2]);
        }
        lab.goes_on(30).await;
    };
    let (heard, ()) = tokio::join!(listen(&lab, "long"), lab.busy_during(story));
    let mut evidence = lab.evidence(Store::Postgres(database.url()), subscription).await;
    evidence.heard.push(heard);
    evidence.assert_sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_instance_on_sqlite_goes_on_with_its_file() {
    let file = temp_database();
    let url = format!("sqlite://{}", file.path().display());
    let environment = [("DATABASE_URL", url.as_str()), LEASE];
    let mut instances = vec![Instance::start(&environment).await];
    let lab = Lab::of(&instances, PATIENT);
    let over = AtomicBool::new(false);
    let story = async {
        for _ in 0..scale(2, 20) {
            lab.goes_on(30).await;
            instances.remove(0).kill();
            instances.push(Instance::start(&environment).await);
            lab.moved(0, &instances[0]);
        }
        lab.goes_on(30).await;
    };
    let load = async {
        lab.busy_during(story).await;
        lab.relayed().await;
        over.store(true, Ordering::SeqCst);
    };
    let (events, ()) = tokio::join!(lab.read_events(async |_| over.load(Ordering::SeqCst)), load);
    assert!(instances.remove(0).terminate().await.success());
    lab.evidence(Store::Sqlite(&file.path()), Subscription::read(events)).await.assert_sound();
}
