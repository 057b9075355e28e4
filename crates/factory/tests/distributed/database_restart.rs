//! PostgreSQL goes away and comes back: only 503s meanwhile, then all is well without a restart.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use task_testkit::pg_server::{PrivateServer, Stop};
use task_testkit::wait;

use crate::support::{Instance, PATIENCE};

/// What clients were answered.
#[derive(Default)]
struct Answers {
    accepted: Mutex<Vec<String>>,
    counts: Mutex<BTreeMap<u16, usize>>,
}

impl Answers {
    fn count(&self, status: u16) -> usize {
        self.counts.lock().unwrap().get(&status).copied().unwrap_or_default()
    }
}

/// Creates tasks that run, until told to stop.
async fn load(instance: &Instance, name: &str, answers: &Answers, stop: &AtomicBool) {
    for n in 0.. {
        if stop.load(Ordering::SeqCst) {
            return;
        }
        let id = format!("{name}-{n}");
        let body = json!({"task_id": id, "name": "x", "task_type": "echo", "run_immediately": true});
        let answer = instance.post("/api/v1/tasks", body).await.expect("an answer, always");
        let status = answer.status().as_u16();
        *answers.counts.lock().unwrap().entry(status).or_default() += 1;
        match status {
            201 => answers.accepted.lock().unwrap().push(id),
            503 => {
                assert!(answer.headers().contains_key("retry-after"));
                assert_eq!(answer.json::<serde_json::Value>().await.unwrap()["detail"], "Internal server error");
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            other => panic!("{other}: {}", answer.text().await.unwrap()),
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_restart_of_postgres_is_503s_and_then_all_is_well() {
    let mut postgres = PrivateServer::start().await;
    let url = postgres.url();
    let instance = Instance::start(&[("DATABASE_URL", &url), ("EXECUTOR_LEASE_SECONDS", "5")]).await;
    let (answers, stop) = (Answers::default(), AtomicBool::new(false));
    let reaches = |status: u16, count: usize| {
        let answers = &answers;
        wait::until("the answers come", PATIENCE, move || async move { answers.count(status) >= count })
    };
    let story = async {
        for how in [Stop::Fast, Stop::Immediate] {
            let accepted = answers.count(201);
            reaches(201, accepted + 50).await;
            let refused = answers.count(503);
            postgres.stop(how);
            reaches(503, refused + 20).await;
            assert_eq!(instance.get("/health").await["status"], "healthy", "the process itself is alive");
            let readiness = instance.answer("/health/detailed").await;
            assert_eq!(readiness.status(), 503);
            assert!(readiness.headers().contains_key("retry-after"));
            postgres.resume().await;
            let accepted = answers.count(201);
            reaches(201, accepted + 50).await;
        }
        stop.store(true, Ordering::SeqCst);
    };
    tokio::join!(
        story,
        load(&instance, "a", &answers, &stop),
        load(&instance, "b", &answers, &stop),
        load(&instance, "c", &answers, &stop),
    );
    // Nothing that was accepted is lost: each has run to its end, once.
    let accepted = answers.accepted.lock().unwrap().clone();
    for id in &accepted {
        instance.status_becomes(id, "completed").await;
        let task = instance.task(id).await;
        assert_eq!((&task["run_count"], &task["success_count"]), (&json!(1), &json!(1)), "{id}");
    }
    let events = wait::until("every event is published", PATIENCE, || async {
        let metrics = instance.get_text("/metrics").await;
        metrics.lines().any(|line| line == "task_service_outbox_backlog 0")
    });
    events.await;
}
