//! Clients that go away in the middle of their requests.

use std::time::Duration;

use futures::{StreamExt, stream};
use serde_json::json;
use task_testkit::nats::PrivateServer;
use task_testkit::wait;

use super::PATIENT;
use crate::journal::{Answer, Verb};
use crate::lab::{Lab, Store, Subscription, TASK_TYPE};
use crate::scale::{Dice, scale};
use crate::support::{Instance, database};

/// Of other connections to this database.
const OPEN_TRANSACTIONS: &str = "
    SELECT count(*) FROM pg_stat_activity
    WHERE datname = current_database() AND pid <> pg_backend_pid() AND xact_start < now() - interval '1 second'";

/// A request that is cut off after a few milliseconds, anywhere between its first byte and its answer.
async fn aborted(lab: &Lab, n: usize) {
    let mut dice = Dice::new(n);
    let kind = dice.roll(3);
    let cut = Duration::from_micros(u64::from(dice.roll(20_000)));
    let request = async {
        if kind < 2 {
            lab.create(n, &format!("t{n}"), TASK_TYPE, &json!({})).await;
        } else {
            for lease in lab.claim("gone", n, 1, crate::lab::LEASE).await {
                lab.report("gone", n, Verb::Complete, &lease, "gone").await;
            }
        }
    };
    // Dropped, it closes its connection.
    let _ = tokio::time::timeout(cut, request).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn aborted_requests_leave_no_transaction_open_and_no_connection_taken() {
    let (database, nats) = (database().await, PrivateServer::start().await);
    let url = nats.url();
    // So few that every connection that does not come back would be missed.
    let environment = [("DATABASE_URL", database.url()), ("NATS_URL", url.as_str()), ("DATABASE_POOL_SIZE", "3")];
    let instances = [Instance::start(&environment).await, Instance::start(&environment).await];
    let subscription = Subscription::nats(url.clone());
    let lab = Lab::of(&instances, PATIENT);
    stream::iter(0..scale(200, 2000)).for_each_concurrent(16, |n| aborted(&lab, n)).await;
    assert!(lab.journal.count(|operation| operation.answer == Answer::Missing) > 0, "some were cut off");
    let client = database.client().await;
    wait::until("no transaction is open", PATIENT, || async {
        client.query_one(OPEN_TRANSACTIONS, &[]).await.unwrap().get::<_, i64>(0) == 0
    })
    .await;
    for instance in &instances {
        wait::until("every connection is back", PATIENT, || async {
            let metrics = instance.get_text("/metrics").await;
            let taken = metrics.lines().filter(|line| {
                line.starts_with("task_service_database_pool") && line.contains("\"in_use\"") && !line.ends_with(" 0")
            });
            taken.count() == 0
        })
        .await;
    }
    // All is well: what the storm left behind is worked off.
    lab.drain_after(async {}).await;
    lab.evidence(Store::Postgres(database.url()), subscription).await.assert_sound();
}
