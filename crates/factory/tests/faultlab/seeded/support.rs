//! The sound parts, in this process, on a PostgreSQL database of their own.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::Value;
use task_domain::decide::{self, Change, Moment, NewTask};
use task_domain::{
    Actor, Handler, JsonObject, LeaseToken, OnDependencyFailure, Origin, Payload, Priority, RetryPolicy, Task, TaskId,
    TenantId,
};
use task_events::{InProcessHints, Relay, RelayConfig};
use task_protocols::{
    BusError, ClaimRequest, EventBus, ExecutionStore, HintBus, OutboxEvent, SaveOutcome, StoreResult, TaskStore,
};
use task_repository::postgres::{PostgresConfig, PostgresEngine};
use task_service::RandomIds;
use task_testkit::pg::TestDatabase;

use crate::checker::Evidence;
use crate::journal::{Accepted, Answer, Asked, Granted};
use crate::outcome::{FinalState, Received};

pub(crate) const TASK_TYPE: &str = "lab";

/// A subscriber that is told in this process.
#[derive(Clone, Default)]
pub(crate) struct Subscriber {
    received: Arc<Mutex<Vec<Received>>>,
}

impl Subscriber {
    pub(crate) fn tell(&self, payload: &Payload) {
        self.received.lock().unwrap().push(Received::of(Value::Object(payload.object())));
    }

    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }
}

#[async_trait]
impl EventBus for Subscriber {
    async fn prepare(&self) -> Result<(), BusError> {
        Ok(())
    }

    async fn publish(&self, event: &OutboxEvent) -> Result<(), BusError> {
        self.tell(&event.event.payload);
        Ok(())
    }

    fn epoch(&self) -> u64 {
        0
    }

    async fn check(&self) -> Result<(), BusError> {
        Ok(())
    }
}

pub(crate) struct World {
    pub(crate) database: TestDatabase,
    pub(crate) engine: Arc<PostgresEngine>,
    pub(crate) hints: Arc<dyn HintBus>,
    pub(crate) subscriber: Subscriber,
    pub(crate) evidence: Evidence,
}

impl World {
    pub(crate) async fn new() -> Self {
        let database = TestDatabase::create("seeded", async |url| engine(&url).migrate().await.unwrap()).await;
        Self {
            engine: Arc::new(engine(database.url())),
            database,
            hints: Arc::new(InProcessHints::default()),
            subscriber: Subscriber::default(),
            evidence: Evidence::default(),
        }
    }

    pub(crate) fn relay(&self) -> Relay {
        let (outbox, bus) = (Arc::clone(&self.engine), Arc::new(self.subscriber.clone()));
        Relay::new(outbox, bus, Arc::clone(&self.hints), RelayConfig::default())
    }

    /// Creates a task that waits for a worker, saved by `save`; whether it was accepted.
    pub(crate) async fn create_by(&self, id: &str, save: impl AsyncFn(&Change) -> StoreResult<SaveOutcome>) -> bool {
        let change = new_task(id, self.engine.now().await.unwrap());
        let pending = self.evidence.journal.begin("client", Asked::Create { task: id.into() });
        let answer = match save(&change).await {
            Ok(SaveOutcome::Saved { .. }) => Answer::Accepted(Accepted::default()),
            Ok(refused) => panic!("{refused:?}"),
            Err(_) => Answer::Refused(503),
        };
        let accepted = matches!(answer, Answer::Accepted(_));
        pending.answered(answer);
        accepted
    }

    /// The same, as it should be.
    pub(crate) async fn create(&self, id: &str) -> bool {
        self.create_by(id, async |change| self.engine.save(change).await).await
    }

    /// Leases the next task that waits.
    pub(crate) async fn claim(&self, worker: &str) -> Task {
        let request = ClaimRequest {
            tenant_id: Some(TenantId::default_tenant()),
            handler: Handler::Worker,
            task_types: vec![TASK_TYPE.into()],
            worker_id: worker.into(),
            max_tasks: 1,
            lease_seconds: 600,
            origin: None,
            request_id: None,
        };
        let pending = self.evidence.journal.begin(worker, Asked::Claim);
        let task = self.engine.claim(&request).await.unwrap().pop().expect("a task waits");
        let attempt = task.current.as_ref().unwrap();
        let granted = Granted {
            task: task.task_id.to_string(),
            execution: attempt.execution_id.to_string(),
            token: token(&task).reveal(),
            expires_in: Duration::from_secs(600),
        };
        let accepted = Accepted { leases: vec![granted], ..Accepted::default() };
        pending.answered(Answer::Accepted(accepted));
        task
    }

    /// Reads what is left in the end.
    pub(crate) async fn finish(mut self) -> Evidence {
        self.evidence.state = FinalState::read(self.engine.as_ref()).await;
        self.evidence
    }

    /// The same, with what the subscriber received.
    pub(crate) async fn finish_with_events(mut self) -> Evidence {
        self.evidence.received = Some(self.subscriber.received());
        self.finish().await
    }
}

/// Patient: these tests hold transactions open on purpose.
fn engine(url: &str) -> PostgresEngine {
    let patience = Duration::from_secs(60);
    let config = PostgresConfig {
        acquire_timeout: patience,
        statement_timeout: patience,
        lock_timeout: patience,
        idle_in_transaction_timeout: patience,
        ..PostgresConfig::new(url)
    };
    PostgresEngine::connect(config, tokio::runtime::Handle::current()).unwrap()
}

pub(crate) fn token(task: &Task) -> LeaseToken {
    task.current.as_ref().and_then(|attempt| attempt.lease).expect("it is leased").token
}

fn new_task(id: &str, now: DateTime<Utc>) -> Change {
    let moment = Moment { now, actor: Actor::System("lab"), ids: &RandomIds };
    let new = NewTask {
        tenant_id: TenantId::default_tenant(),
        task_id: Some(TaskId::new(id).unwrap()),
        user_id: None,
        key_id: None,
        origin: Origin::TaskService,
        handler: Handler::Worker,
        name: id.into(),
        description: None,
        task_type: TASK_TYPE.into(),
        config: JsonObject::new(),
        metadata: None,
        tags: Vec::new(),
        labels: BTreeMap::new(),
        attributes: JsonObject::new(),
        priority: Priority::default(),
        schedule: None,
        due_date: None,
        reminder_time: None,
        timeout_seconds: None,
        depends_on: Vec::new(),
        on_dependency_failure: OnDependencyFailure::Fail,
        concurrency_key: None,
        max_concurrent: None,
        blocked: false,
        retry: RetryPolicy::default(),
        credits_per_run: 0.0,
        run_immediately: true,
    };
    decide::create(new, &moment).unwrap()
}
