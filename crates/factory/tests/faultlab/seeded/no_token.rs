//! No token in the WHERE: whoever reports for a running task is believed.

use chrono::TimeDelta;
use serde_json::{Value, json};
use task_domain::decide::{Failure, Rejection, Report};
use task_domain::{LeaseToken, Task, TenantId};
use task_protocols::TaskStore;
use task_service::{Saver, ServiceError, WorkerService};

use super::support::{World, token};
use crate::checker::Promise;
use crate::journal::{Accepted, Answer, Asked, Verb};

/// What the WHERE says of the token.
#[derive(Clone, Copy, PartialEq)]
enum Where {
    LeaseToken,
    /// Nothing: the row is found whatever token is shown.
    Nothing,
}

struct Lab {
    world: World,
    workers: WorkerService,
    condition: Where,
}

impl Lab {
    async fn new(condition: Where) -> Self {
        let world = World::new().await;
        let saver = Saver::new(world.engine.clone(), world.hints.clone());
        let workers = WorkerService::new(saver, world.engine.clone(), world.engine.clone());
        Self { world, workers, condition }
    }

    async fn report(&self, by: &str, verb: Verb, task: &Task, body: Value) {
        let (tenant, id, shown) = (&TenantId::default_tenant(), &task.task_id, token(task));
        let believed = match self.condition {
            Where::LeaseToken => shown,
            Where::Nothing => self.current(task).await.unwrap_or(shown),
        };
        let asked = Asked::Report { verb, task: id.to_string(), token: shown.reveal(), body: body.clone() };
        let pending = self.world.evidence.journal.begin(by, asked);
        let nothing = |_| Accepted::default();
        let answer = match verb {
            Verb::Heartbeat => self.workers.heartbeat(tenant, id, believed, None).await.map(|_| Accepted::default()),
            Verb::Progress => {
                let entries = [body.as_object().unwrap().clone()];
                let kept = self.workers.progress(tenant, id, believed, &entries).await;
                kept.map(|kept| Accepted { seq_id: Some(kept.seq_id), ..Accepted::default() })
            }
            Verb::Complete => {
                let report = Report { result: body["result"].clone(), ..Report::default() };
                self.workers.complete(tenant, id, believed, report).await.map(nothing)
            }
            Verb::Fail => {
                let failure = Failure { message: "no".into(), retryable: true, ..Failure::default() };
                self.workers.fail(tenant, id, believed, failure).await.map(nothing)
            }
            Verb::Release => self.workers.release(tenant, id, believed, None, TimeDelta::zero()).await.map(nothing),
        };
        let answer = match answer {
            Ok(accepted) => Answer::Accepted(accepted),
            Err(ServiceError::Rejected(Rejection::LeaseLost(_))) => Answer::Refused(409),
            Err(error) => panic!("{error}"),
        };
        pending.answered(answer);
    }

    async fn current(&self, task: &Task) -> Option<LeaseToken> {
        let loaded = self.world.engine.find(&task.tenant_id, &task.task_id).await.unwrap()?;
        Some(loaded.task.current?.lease?.token)
    }

    /// A worker gives its task back, another one claims it, and the first one goes on as if nothing had been.
    async fn zombie(&self, verb: Verb) {
        assert!(self.world.create(&format!("for-{}", verb.name())).await);
        let zombie = self.world.claim("zombie").await;
        self.report("zombie", Verb::Release, &zombie, json!({})).await;
        let holder = self.world.claim("holder").await;
        self.report("zombie", verb, &zombie, json!({"result": "zombie"})).await;
        self.report("holder", Verb::Complete, &holder, json!({"result": "holder"})).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_ignores_the_token_is_caught_for_each_verb() {
    for verb in Verb::ALL {
        let lab = Lab::new(Where::Nothing).await;
        lab.zombie(verb).await;
        lab.world.finish().await.assert_caught(Promise::Fenced);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_store_that_checks_it_passes() {
    let lab = Lab::new(Where::LeaseToken).await;
    for verb in Verb::ALL {
        lab.zombie(verb).await;
    }
    lab.world.finish().await.assert_sound();
}
