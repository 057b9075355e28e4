//! Instances that stand still for longer than a lease and then go on.

use std::time::Duration;

use task_testkit::nats::PrivateServer;

use super::LEASE;
use crate::lab::{self, Lab, Store, Subscription};
use crate::scale::scale;
use crate::support::{Instance, database};

#[tokio::test(flavor = "multi_thread")]
async fn frozen_instances_come_back_and_change_nothing_that_was_taken_over() {
    let (database, nats) = (database().await, PrivateServer::start().await);
    let url = nats.url();
    let environment = [("DATABASE_URL", database.url()), ("NATS_URL", url.as_str()), LEASE];
    let instances = [Instance::start(&environment).await, Instance::start(&environment).await];
    let subscription = Subscription::nats(url.clone());
    // Whoever asks a frozen instance gives up and asks the other one; it may answer later all the same.
    let lab = Lab::of(&instances, Duration::from_secs(3));
    let story = async {
        for n in 0..scale(1, 6) {
            lab.goes_on(20).await;
            instances[n % 2].signal("STOP");
            // Not a condition but the fault itself: twice a lease.
            tokio::time::sleep(Duration::from_secs(2 * lab::LEASE)).await;
            instances[n % 2].signal("CONT");
            lab.goes_on(20).await;
        }
    };
    lab.busy_during(story).await;
    lab.evidence(Store::Postgres(database.url()), subscription).await.assert_sound();
}
