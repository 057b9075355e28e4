//! Clients that create and workers that work, while something happens.

use std::future::Future;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::future::join_all;
use serde_json::json;

use super::{LEASE, Lab, TASK_TYPE};
use crate::journal::{Answer, Granted, Verb};
use crate::scale::Dice;

/// Between two creates of one client: more would only make the final look long.
const PACE: Duration = Duration::from_millis(40);
const CLIENTS: usize = 3;
const WORKERS: usize = 4;

impl Lab {
    /// Keeps every instance busy while `story` happens and until all work is done after it.
    pub(crate) async fn busy_during(&self, story: impl Future<Output = ()>) {
        let story = async {
            story.await;
            self.stop_creating();
        };
        tokio::join!(self.drain_after(story), join_all((0..CLIENTS).map(|n| self.client(n))));
    }

    /// Works while `story` happens and until all is done.
    pub(crate) async fn drain_after(&self, story: impl Future<Output = ()>) {
        let story = async {
            story.await;
            self.drained().await;
            self.working_is_over.store(true, Ordering::SeqCst);
        };
        tokio::join!(story, join_all((0..WORKERS).map(|n| self.worker(n))));
    }

    /// Creates tasks; one in four is for the executors inside the instances.
    async fn client(&self, number: usize) {
        let mut pace = tokio::time::interval(PACE);
        pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let built_in = json!({"config": {"steps": 2, "step_ms": 20}});
        for n in 0.. {
            pace.tick().await;
            let id = format!("c{number}-{n}");
            // Again under the same key, elsewhere, until it is known to have been accepted.
            for instance in number.. {
                if !self.creates() {
                    return;
                }
                let answer = if n % 4 == 3 {
                    self.create(instance, &id, "echo", &built_in).await
                } else {
                    self.create(instance, &id, TASK_TYPE, &json!({})).await
                };
                match answer {
                    Answer::Accepted(_) => break,
                    Answer::Missing | Answer::Refused(503) => pace.tick().await,
                    Answer::Refused(status) => panic!("{id}: a create was answered {status}"),
                };
            }
        }
    }

    async fn worker(&self, number: usize) {
        let (name, mut dice) = (format!("w{number}"), Dice::new(number));
        for turn in number.. {
            if !self.works() {
                return;
            }
            let leases = self.claim(&name, turn, 4, LEASE).await;
            if leases.is_empty() {
                tokio::time::sleep(PACE).await;
            }
            for lease in leases {
                self.work(&name, turn, &lease, &mut dice).await;
            }
        }
    }

    /// Most of the time it goes well.
    async fn work(&self, name: &str, instance: usize, lease: &Granted, dice: &mut Dice) {
        if dice.roll(4) == 0 {
            self.report(name, instance, Verb::Heartbeat, lease, "").await;
        }
        for step in 0..dice.roll(3) {
            self.report(name, instance, Verb::Progress, lease, &step.to_string()).await;
        }
        let verb = match dice.roll(40) {
            // Crashes: the lease has to run out.
            0 => return,
            1..=3 => Verb::Release,
            4..=5 => Verb::Fail,
            _ => Verb::Complete,
        };
        for instance in instance..instance + 4 {
            match self.report(name, instance, verb, lease, "done").await {
                Answer::Missing | Answer::Refused(503) => tokio::time::sleep(PACE).await,
                Answer::Accepted(_) | Answer::Refused(_) => return,
            }
        }
    }
}
