//! Every scenario of the load generator, with as little of everything as shows that it works: what
//! breaks a measurement is seen with the change that breaks it.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic where it stands")]

use task_bench::scenarios::{self, Known};
use task_bench::setup::{Bench, Scale};
use task_testkit::nats::PrivateServer;

async fn measured(names: &[&str]) {
    let nats = PrivateServer::start().await;
    let bench = Bench {
        program: env!("CARGO_BIN_EXE_task-service").into(),
        server: task_testkit::pg::server_url(),
        nats: Some(nats.url()),
        scale: Scale::tiny(),
    };
    let mut known = Known::default();
    for name in names {
        let rows = scenarios::measure(&bench, name, &mut known).await;
        assert!(!rows.is_empty(), "{name}");
        let failed: Vec<_> = rows.iter().filter_map(|row| row.failure()).collect();
        assert!(failed.is_empty(), "{name}: {failed:?}");
    }
}

#[tokio::test]
async fn every_scenario_runs() {
    measured(scenarios::NAMES).await;
}

#[tokio::test]
async fn every_large_scenario_runs_small() {
    measured(scenarios::LARGE).await;
}
