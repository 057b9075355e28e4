//! The dispatcher: few statements for many callers.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use task_domain::decide::{self, Claimer, Moment};
use task_domain::{Actor, Handler, Task, TaskId, TenantId};
use task_protocols::background::Background;
use task_protocols::{
    ClaimRequest, Hint, HintBus, MockExecutionStore, MockHintBus, MockProgressStore, MockTaskStore, SaveOutcome, Seat,
    StoreError,
};
use task_service::{
    ClaimDispatcher, ClaimOrder, RandomIds, Saver, Scope, ServiceError, WorkerService, authorised_claim,
};
use task_testkit::wait;
use tokio::runtime::Handle;
use tokio::sync::{Semaphore, broadcast};

use crate::support::{Hints, key, loaded, now, stored, user};

const PATIENCE: Duration = Duration::from_secs(20);

/// A queue of tasks behind a mock store that counts its statements.
#[derive(Clone)]
struct Queue {
    /// Tasks that may be claimed.
    ready: Arc<AtomicUsize>,
    claims: Arc<AtomicUsize>,
    questions: Arc<AtomicUsize>,
    released: Arc<AtomicUsize>,
    leased: Arc<Mutex<HashMap<TaskId, Task>>>,
    /// Statements begun, and callers that called.
    entered: Arc<AtomicUsize>,
    called: Arc<AtomicUsize>,
    /// A statement ends when it has one of these.
    gate: Arc<Semaphore>,
    hints: broadcast::Sender<Hint>,
    background: Background,
}

fn task_for(worker_id: &str) -> Task {
    let claimer = Claimer { worker_id: worker_id.into(), lease_seconds: 60 };
    let queued = Task { task_id: TaskId::from_stored(uuid::Uuid::now_v7().to_string()), ..stored(true) };
    decide::claim(&queued, &claimer, &Moment { now: now(), actor: Actor::System("test"), ids: &RandomIds })
        .unwrap()
        .task
}

impl Queue {
    fn new(gated: bool) -> Self {
        Self {
            ready: Arc::default(),
            claims: Arc::default(),
            questions: Arc::default(),
            released: Arc::default(),
            leased: Arc::default(),
            entered: Arc::default(),
            called: Arc::default(),
            gate: Arc::new(Semaphore::new(if gated { 0 } else { Semaphore::MAX_PERMITS })),
            hints: broadcast::channel(1024).0,
            background: Background::new(Handle::current()),
        }
    }

    fn take(&self, seats: &[(String, i64)]) -> Vec<Task> {
        self.claims.fetch_add(1, Ordering::SeqCst);
        let mut tasks = Vec::new();
        for (worker_id, max_tasks) in seats {
            for _ in 0..*max_tasks {
                if self.ready.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |n| n.checked_sub(1)).is_ok() {
                    let task = task_for(worker_id);
                    self.leased.lock().unwrap().insert(task.task_id.clone(), task.clone());
                    tasks.push(task);
                }
            }
        }
        tasks
    }

    fn dispatcher(&self) -> ClaimDispatcher {
        let mut executions = MockExecutionStore::new();
        let (one, many, asked) = (self.clone(), self.clone(), self.clone());
        executions.expect_claim().returning(move |request| {
            one.pass_gate();
            Ok(one.take(&[(request.worker_id.clone(), request.max_tasks)]))
        });
        executions.expect_claim_seats().returning(move |_, seats: &[Seat]| {
            many.pass_gate();
            Ok(many.take(&seats.iter().map(|s| (s.worker_id.clone(), s.max_tasks)).collect::<Vec<_>>()))
        });
        executions.expect_claimable_types().returning(move |types| {
            asked.questions.fetch_add(1, Ordering::SeqCst);
            Ok(if asked.ready.load(Ordering::SeqCst) > 0 { types.to_vec() } else { Vec::new() })
        });
        executions.expect_find_ended_by_token().returning(|_, _, _| Ok(None));
        let mut tasks = MockTaskStore::new();
        let leased = Arc::clone(&self.leased);
        tasks.expect_find().returning(move |_, task_id| Ok(leased.lock().unwrap().get(task_id).cloned().map(loaded)));
        let released = Arc::clone(&self.released);
        tasks.expect_save().returning(move |_| {
            released.fetch_add(1, Ordering::SeqCst);
            Ok(SaveOutcome::Saved { id: 7 })
        });
        let hints: Arc<dyn HintBus> = Arc::new(Hints(self.hints.clone()));
        let saver = Saver::new(Arc::new(tasks), Arc::clone(&hints));
        let workers = WorkerService::new(saver, Arc::new(executions), Arc::new(MockProgressStore::new()));
        let dispatcher = ClaimDispatcher::new(workers, hints, self.background.clone());
        let running = dispatcher.clone();
        self.background.supervise("claims", move |stop| {
            let running = running.clone();
            async move { running.run(stop).await }
        });
        dispatcher
    }

    /// `count` tasks come, and a hint tells of them.
    fn come(&self, count: usize) {
        self.ready.fetch_add(count, Ordering::SeqCst);
        let _ = self.hints.send(Hint::WorkQueued {
            handler: Handler::Worker,
            tenant_id: Some(TenantId::default_tenant()),
            task_type: "render".into(),
            origin: None,
        });
    }

    fn claims(&self) -> usize {
        self.claims.load(Ordering::SeqCst)
    }

    /// A caller of its own.
    fn call(&self, dispatcher: &ClaimDispatcher, request: ClaimRequest, wait: Duration) -> Caller {
        let (dispatcher, called) = (dispatcher.clone(), Arc::clone(&self.called));
        self.background.spawn(async move {
            called.fetch_add(1, Ordering::SeqCst);
            dispatcher.claim(request, wait).await
        })
    }

    /// The statement that this one takes the time of.
    fn pass_gate(&self) {
        self.entered.fetch_add(1, Ordering::SeqCst);
        let permit = tokio::task::block_in_place(|| Handle::current().block_on(self.gate.acquire()));
        permit.unwrap().forget();
    }
}

fn order(worker_id: &str, max_tasks: i64) -> ClaimRequest {
    ClaimRequest {
        tenant_id: Some(TenantId::default_tenant()),
        handler: Handler::Worker,
        task_types: vec!["render".into(), "print".into()],
        worker_id: worker_id.into(),
        max_tasks,
        lease_seconds: 60,
        origin: None,
        request_id: None,
    }
}

type Caller = tokio::task::JoinHandle<Result<Vec<Task>, ServiceError>>;

const LONG: Duration = Duration::from_secs(600);

async fn until_waiting(dispatcher: &ClaimDispatcher, count: usize) {
    wait::until("all wait", PATIENCE, || async { dispatcher.waiting(&TenantId::default_tenant()).len() == count })
        .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_waiters_and_one_task_cost_about_one_claim() {
    let queue = Queue::new(false);
    let dispatcher = queue.dispatcher();
    let waiters: Vec<_> = (0..1000).map(|n| queue.call(&dispatcher, order(&format!("w{n}"), 1), LONG)).collect();
    until_waiting(&dispatcher, 1000).await;
    wait::until("the first looks are over", PATIENCE, || async {
        let before = queue.claims();
        tokio::task::yield_now().await;
        before == queue.claims() && before > 0
    })
    .await;
    let before = queue.claims();
    queue.come(1);
    until_waiting(&dispatcher, 999).await;
    let cost = queue.claims() - before;
    assert!(cost <= 3, "{cost} claims for one task");
    queue.background.shut_down(PATIENCE).await;
    let answers = join_all(waiters).await;
    let served = answers.into_iter().filter(|a| a.as_ref().unwrap().as_ref().unwrap().len() == 1).count();
    assert_eq!(served, 1, "the others are answered empty at shutdown");
}

#[tokio::test(flavor = "multi_thread")]
async fn callers_of_a_burst_share_statements() {
    let queue = Queue::new(true);
    let dispatcher = queue.dispatcher();
    queue.ready.store(50, Ordering::SeqCst);
    let call = |n: usize| queue.call(&dispatcher, order(&format!("w{}", n % 9), 1), Duration::ZERO);
    let callers: Vec<_> = (0..60).map(call).collect();
    // The first statement takes until all have called.
    wait::until("all have called", PATIENCE, || async { queue.called.load(Ordering::SeqCst) == 60 }).await;
    queue.gate.add_permits(1000);
    let answers: Vec<Vec<Task>> = join_all(callers).await.into_iter().map(|a| a.unwrap().unwrap()).collect();
    assert_eq!(answers.iter().map(Vec::len).sum::<usize>(), 50);
    assert!(answers.iter().all(|tasks| tasks.len() <= 1));
    assert!(queue.claims() < 30, "{} statements for 60 callers", queue.claims());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_longest_waiting_is_served_first() {
    let queue = Queue::new(false);
    let dispatcher = queue.dispatcher();
    let mut waiters = Vec::new();
    for n in 0..5 {
        waiters.push(queue.call(&dispatcher, order(&format!("w{n}"), 2), LONG));
        until_waiting(&dispatcher, n + 1).await;
    }
    queue.come(5);
    until_waiting(&dispatcher, 2).await;
    let mut counts = Vec::new();
    for waiter in waiters.drain(..3) {
        counts.push(waiter.await.unwrap().unwrap().len());
    }
    assert_eq!(counts, [2, 2, 1]);
    let left: Vec<String> =
        dispatcher.waiting(&TenantId::default_tenant()).into_iter().map(|worker| worker.worker_id).collect();
    assert_eq!(left, ["w3", "w4"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_hint_costs_a_moment_not_the_work() {
    let queue = Queue::new(false);
    let dispatcher = queue.dispatcher();
    let waiter = queue.call(&dispatcher, order("w", 1), LONG);
    until_waiting(&dispatcher, 1).await;
    queue.ready.store(1, Ordering::SeqCst);
    assert_eq!(waiter.await.unwrap().unwrap().len(), 1, "the slow poll finds it");
}

#[tokio::test(flavor = "multi_thread")]
async fn waiting_idly_costs_one_question_whatever_the_number_of_waiters() {
    let queue = Queue::new(false);
    let dispatcher = queue.dispatcher();
    for n in 0..500 {
        let request = ClaimRequest { lease_seconds: 60 + n % 50, ..order(&format!("w{n}"), 1) };
        drop(queue.call(&dispatcher, request, LONG));
    }
    until_waiting(&dispatcher, 500).await;
    let asked = queue.questions.load(Ordering::SeqCst);
    wait::until("it asks again", PATIENCE, || async { queue.questions.load(Ordering::SeqCst) > asked }).await;
    let claims = queue.claims();
    let asked = queue.questions.load(Ordering::SeqCst);
    wait::until("it asks twice more", PATIENCE, || async { queue.questions.load(Ordering::SeqCst) >= asked + 2 }).await;
    assert_eq!(queue.claims(), claims, "nobody claims when there is nothing");
}

/// Whoever asked longest for a type has gone away: nobody looked for him, so nothing is known of the type.
#[tokio::test(flavor = "multi_thread")]
async fn a_caller_that_has_gone_keeps_no_hint_from_the_others() {
    let queue = Queue::new(false);
    let dispatcher = queue.dispatcher();
    for n in 0..30 {
        let gone = queue.call(&dispatcher, ClaimRequest { lease_seconds: 30 + n, ..order("gone", 1) }, LONG);
        until_waiting(&dispatcher, 1).await;
        let waiter = queue.call(&dispatcher, ClaimRequest { lease_seconds: 100 + n, ..order("w", 1) }, LONG);
        until_waiting(&dispatcher, 2).await;
        gone.abort();
        assert!(gone.await.unwrap_err().is_cancelled());
        let asked = queue.questions.load(Ordering::SeqCst);
        queue.come(1);
        assert_eq!(waiter.await.unwrap().unwrap().len(), 1);
        if queue.questions.load(Ordering::SeqCst) == asked {
            return;
        }
        // The slow look came in between and may have served him; once more.
    }
    panic!("only the slow look serves who waits behind one that has gone");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_panics_keeps_nobody_waiting() {
    let mut executions = MockExecutionStore::new();
    executions.expect_claim().returning(|_| panic!("in a claim"));
    let hints: Arc<dyn HintBus> = Arc::new(MockHintBus::new());
    let saver = Saver::new(Arc::new(MockTaskStore::new()), Arc::clone(&hints));
    let workers = WorkerService::new(saver, Arc::new(executions), Arc::new(MockProgressStore::new()));
    let dispatcher = ClaimDispatcher::new(workers, hints, Background::new(Handle::current()));
    for _ in 0..2 {
        let answer = tokio::time::timeout(PATIENCE, dispatcher.claim(order("w", 1), Duration::ZERO)).await.unwrap();
        assert!(matches!(answer, Err(ServiceError::Store(StoreError::Internal(_)))), "{answer:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_claimed_for_a_caller_that_has_gone_is_given_back() {
    let queue = Queue::new(true);
    let dispatcher = queue.dispatcher();
    queue.ready.store(3, Ordering::SeqCst);
    let caller = queue.call(&dispatcher, order("gone", 3), LONG);
    wait::until("its statement is under way", PATIENCE, || async { queue.entered.load(Ordering::SeqCst) == 1 }).await;
    caller.abort();
    assert!(caller.await.unwrap_err().is_cancelled());
    queue.gate.add_permits(1000);
    wait::until("all is given back", PATIENCE, || async { queue.released.load(Ordering::SeqCst) == 3 }).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn trouble_of_the_store_is_told_to_every_caller() {
    let mut executions = MockExecutionStore::new();
    executions.expect_claim().returning(|_| Err(StoreError::unavailable("away")));
    executions.expect_claim_seats().returning(|_, _| Err(StoreError::unavailable("away")));
    let mut hints = MockHintBus::new();
    hints.expect_send().return_const(());
    let hints: Arc<dyn HintBus> = Arc::new(hints);
    let saver = Saver::new(Arc::new(MockTaskStore::new()), Arc::clone(&hints));
    let workers = WorkerService::new(saver, Arc::new(executions), Arc::new(MockProgressStore::new()));
    let dispatcher = ClaimDispatcher::new(workers, hints, Background::new(Handle::current()));
    let answers = join_all((0..10).map(|n| dispatcher.claim(order(&format!("w{n}"), 1), Duration::ZERO))).await;
    for answer in answers {
        assert!(matches!(answer, Err(ServiceError::Store(StoreError::Unavailable(_)))), "{answer:?}");
    }
}

#[test]
fn a_key_claims_only_with_its_scope_and_for_its_types() {
    let order = |types: &[&str]| ClaimOrder {
        task_types: types.iter().map(|t| (*t).to_owned()).collect(),
        worker_id: "w".into(),
        max_tasks: 1,
        lease_seconds: 60,
        wait: Duration::ZERO,
        request_id: None,
    };
    let limited = key(&[Scope::TasksWork], &["render"]);
    assert!(authorised_claim(&limited, &order(&["render"])).is_ok());
    for (caller, types) in
        [(limited, &["render", "print"][..]), (key(&[Scope::TasksWrite], &[]), &["render"]), (user("ann"), &["render"])]
    {
        let refused = authorised_claim(&caller, &order(types));
        assert!(matches!(refused, Err(ServiceError::Forbidden { action: "claim", .. })), "{refused:?}");
    }
}
