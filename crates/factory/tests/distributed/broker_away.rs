//! A subscriber gets what was committed, whatever becomes of the broker meanwhile.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use serde_json::{Value, json};
use task_testkit::nats::PrivateServer;
use task_testkit::wait;

use crate::support::{Instance, PATIENCE, Received, committed, database, subscribe};

/// Creates and executes tasks until told to stop; how many were accepted.
async fn load(instance: &Instance, name: &str, accepted: &AtomicUsize, stop: &AtomicBool) {
    for n in 0.. {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let id = format!("{name}-{n}");
        instance.create(&id, json!({})).await;
        let answer = instance.post(&format!("/api/v1/tasks/{id}/execute"), json!({})).await.unwrap();
        assert_eq!(answer.status(), 200, "a broker that is away fails no request");
        accepted.fetch_add(1, Ordering::SeqCst);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_outage_of_nats_under_load_loses_no_event_and_no_order() {
    let (database, mut nats) = (database().await, PrivateServer::start().await);
    let url = nats.url();
    let environment = [("DATABASE_URL", database.url()), ("NATS_URL", url.as_str())];
    let instances = [Instance::start(&environment).await, Instance::start(&environment).await];
    let received = Received::default();
    let (accepted, stop) = (AtomicUsize::new(0), AtomicBool::new(false));
    let reaches = |count: usize| {
        let accepted = &accepted;
        wait::until("the load goes on", PATIENCE, move || async move { accepted.load(Ordering::SeqCst) >= count })
    };
    let story = async {
        reaches(50).await;
        nats.stop();
        let at_the_outage = accepted.load(Ordering::SeqCst);
        reaches(at_the_outage + 100).await;
        nats.resume().await;
        let at_the_return = accepted.load(Ordering::SeqCst);
        reaches(at_the_return + 50).await;
        stop.store(true, Ordering::SeqCst);
    };
    let work = async {
        tokio::join!(
            story,
            load(&instances[0], "a", &accepted, &stop),
            load(&instances[0], "b", &accepted, &stop),
            load(&instances[1], "c", &accepted, &stop),
            load(&instances[1], "d", &accepted, &stop),
        );
        let expected = committed(&database).await;
        wait::until("everything committed is received", PATIENCE, || async {
            let received = received.lock().await;
            let ids: HashSet<&str> = received.iter().filter_map(|event| event["event_id"].as_str()).collect();
            ids.len() >= expected.len()
        })
        .await;
        expected
    };
    let expected = tokio::select! {
        () = subscribe(url.clone(), Arc::clone(&received)) => unreachable!("it subscribes for ever"),
        expected = work => expected,
    };
    check(&received.lock().await, &expected);
}

/// Received = committed by id, and of each task 1, 2, 3… at the first sight of each id.
fn check(received: &[Value], expected: &HashMap<String, (String, i64)>) {
    let mut seen = HashSet::new();
    let mut last: HashMap<&str, i64> = HashMap::new();
    for event in received {
        let (id, task) = (event["event_id"].as_str().unwrap(), event["task_id"].as_str().unwrap());
        let seq = event["seq"].as_i64().unwrap();
        assert_eq!(expected.get(id), Some(&(task.to_owned(), seq)), "only what was committed");
        if seen.insert(id) {
            let before = last.insert(task, seq).unwrap_or(0);
            assert_eq!(seq, before + 1, "{task}: no hole, in order");
        }
    }
    assert_eq!(seen.len(), expected.len(), "received = committed");
}
