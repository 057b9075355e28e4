//! A progress stream that is cut and resumed at another instance, again and again.

use serde_json::json;

use crate::support::{Instance, database, frames};

const STEPS: i64 = 600;
const CUTS: usize = 200;

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_cut_200_times_between_two_instances_misses_and_repeats_nothing() {
    let (database, nats) = (database().await, task_testkit::nats::url());
    let environment = [("DATABASE_URL", database.url()), ("NATS_URL", nats.as_str())];
    let instances = [Instance::start(&environment).await, Instance::start(&environment).await];
    instances[0].create("long", json!({"steps": STEPS, "step_ms": 5})).await;
    instances[0].execute_async("long").await;
    // Random, and the same in every run.
    let mut dice = 7u32;
    let mut heard: Vec<(String, String)> = Vec::new();
    for cut in 0..=CUTS {
        dice = dice.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let count = if cut == CUTS { usize::MAX } else { (dice >> 30) as usize };
        let last = heard.last().map(|(_, id)| id.clone());
        let response = instances[cut % 2].track("long", last.as_deref()).await;
        assert_eq!(response.status(), 200, "cut {cut}");
        heard.extend(frames(response, count).await);
    }
    let progress: Vec<i64> = heard
        .iter()
        .filter(|(event, _)| event == "progress")
        .map(|(_, id)| id.split_once('-').unwrap().0.parse().unwrap())
        .collect();
    assert_eq!(progress, (1..=STEPS).collect::<Vec<_>>(), "complete, in order, no repeat");
    assert_eq!(heard.iter().filter(|(event, _)| event == "status_change").count(), 4);
    let (last, id) = heard.last().unwrap();
    assert_eq!(last, "status_change", "the end comes last");
    for instance in &instances {
        assert_eq!(instance.track("long", Some(id)).await.status(), 204);
    }
}
