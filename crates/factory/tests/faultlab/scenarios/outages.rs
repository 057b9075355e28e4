//! The broker or the database is away under load.

use std::time::Duration;

use task_testkit::nats::PrivateServer;
use task_testkit::pg_server::{self, Stop};

use super::{LEASE, PATIENT};
use crate::journal::Answer;
use crate::lab::{Lab, Store, Subscription};
use crate::scale::scale;
use crate::support::{Instance, database};

#[tokio::test(flavor = "multi_thread")]
async fn while_nats_is_away_all_goes_on_and_no_event_is_lost() {
    let (database, mut nats) = (database().await, PrivateServer::start().await);
    let url = nats.url();
    let environment = [("DATABASE_URL", database.url()), ("NATS_URL", url.as_str()), LEASE];
    let instances = [Instance::start(&environment).await, Instance::start(&environment).await];
    let subscription = Subscription::nats(url.clone());
    let lab = Lab::of(&instances, PATIENT);
    let story = async {
        lab.goes_on(20).await;
        nats.stop();
        // Not a condition but the fault itself.
        tokio::time::sleep(Duration::from_secs(scale(3, 60))).await;
        lab.goes_on(10).await;
        nats.resume().await;
        lab.goes_on(20).await;
    };
    lab.busy_during(story).await;
    assert_eq!((lab.journal.refused(503), missing(&lab)), (0, 0), "no request needs the broker");
    lab.evidence(Store::Postgres(database.url()), subscription).await.assert_sound();
}

#[tokio::test(flavor = "multi_thread")]
async fn while_postgres_is_away_there_are_only_503s_and_nothing_is_lost() {
    let (mut postgres, nats) = (pg_server::PrivateServer::start().await, PrivateServer::start().await);
    let (database, url) = (postgres.url(), nats.url());
    let environment = [("DATABASE_URL", database.as_str()), ("NATS_URL", url.as_str()), LEASE];
    let instances = [Instance::start(&environment).await, Instance::start(&environment).await];
    let subscription = Subscription::nats(url.clone());
    let lab = Lab::of(&instances, PATIENT);
    let story = async {
        for _ in 0..scale(1, 4) {
            lab.goes_on(20).await;
            let before = lab.journal.refused(503);
            postgres.stop(Stop::Immediate);
            task_testkit::wait::until("it is missed", PATIENT, || async { lab.journal.refused(503) >= before + 20 })
                .await;
            postgres.resume().await;
            lab.goes_on(20).await;
        }
    };
    lab.busy_during(story).await;
    assert_eq!(missing(&lab), 0, "every request is answered");
    lab.evidence(Store::Postgres(&database), subscription).await.assert_sound();
}

fn missing(lab: &Lab) -> usize {
    lab.journal.count(|operation| operation.answer == Answer::Missing)
}
