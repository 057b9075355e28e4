//! Workers that go on although their lease ran out and the task was given to another.

use std::collections::HashMap;

use futures::{StreamExt, stream};
use serde_json::json;
use task_testkit::nats::PrivateServer;

use super::PATIENT;
use crate::journal::{Answer, Granted, Verb};
use crate::lab::{LEASE, Lab, Store, Subscription, TASK_TYPE};
use crate::scale::scale;
use crate::support::{Instance, database};

/// Claims until it has this many tasks.
async fn claim_all(lab: &Lab, by: &str, lease: u64, count: usize) -> Vec<Granted> {
    let mut claimed = Vec::new();
    for turn in 0.. {
        claimed.extend(lab.claim(by, turn, 100, lease).await);
        if claimed.len() >= count {
            break;
        }
    }
    claimed
}

#[tokio::test(flavor = "multi_thread")]
async fn of_thousands_of_stale_reports_none_is_accepted() {
    let tasks = scale(100, 2000);
    let (database, nats) = (database().await, PrivateServer::start().await);
    let url = nats.url();
    let environment = [("DATABASE_URL", database.url()), ("NATS_URL", url.as_str())];
    let instances = [Instance::start(&environment).await, Instance::start(&environment).await];
    let subscription = Subscription::nats(url.clone());
    let lab = Lab::of(&instances, PATIENT);
    let create = |n: usize| {
        let lab = &lab;
        async move { lab.create(n, &format!("t{n}"), TASK_TYPE, &json!({})).await }
    };
    stream::iter(0..tasks)
        .map(create)
        .buffer_unordered(8)
        .for_each(async |answer| {
            assert!(matches!(answer, Answer::Accepted(_)), "{answer:?}");
        })
        .await;
    // The same worker claims again: its name is no fence either.
    let stale = claim_all(&lab, "w", LEASE, tasks).await;
    let held = claim_all(&lab, "w", 600, tasks).await;
    let current: HashMap<&str, &str> = held.iter().map(|lease| (lease.task.as_str(), lease.token.as_str())).collect();
    assert_eq!(current.len(), tasks, "each was given once");
    let zombies = stale.iter().enumerate().flat_map(|(n, lease)| Verb::ALL.map(|verb| (n, lease, verb)));
    let mut refused = 0;
    let report = |(n, lease, verb): (usize, &Granted, Verb)| {
        assert_ne!(current[lease.task.as_str()], lease.token);
        let (lab, lease) = (&lab, lease.clone());
        async move { lab.report("zombie", n, verb, &lease, "zombie").await }
    };
    let zombies: Vec<_> = zombies.collect();
    let mut answers = stream::iter(zombies).map(report).buffer_unordered(8);
    while let Some(answer) = answers.next().await {
        assert_eq!(answer, Answer::Refused(409));
        refused += 1;
    }
    drop(answers);
    assert_eq!(refused, tasks * Verb::ALL.len());
    for (n, lease) in held.iter().enumerate() {
        let answer = lab.report("w", n, Verb::Complete, lease, "done").await;
        assert!(matches!(answer, Answer::Accepted(_)), "the holder's report is accepted: {answer:?}");
    }
    lab.evidence(Store::Postgres(database.url()), subscription).await.assert_sound();
}
