//! Streams over a store in memory: no gap, no repeat, in order, and little reading.

use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::join_all;
use task_domain::{ExecutionStatus, Task, TaskStatus};
use task_protocols::background::Background;
use task_protocols::{ApiKey, Hint, MockApiKeyStore, MockExecutionStore, MockHintBus, MockTaskStore, TrackPosition};
use task_service::{
    KeyService, Opened, Scope, ServiceError, TrackEvent, TrackFrame, TrackOptions, TrackService, TrackServiceParts,
    TrackStart, TrackStream,
};
use tokio::sync::broadcast;

use crate::support::{key, leased, loaded, now, user};
use crate::track_memory::{Log, Memory, execution};

struct World {
    memory: Arc<Memory>,
    service: Arc<TrackService>,
    hints: broadcast::Sender<Hint>,
    task: Task,
    background: Background,
}

fn clock() -> Arc<MockTaskStore> {
    let mut clock = MockTaskStore::new();
    clock.expect_now().returning(|| Ok(now()));
    Arc::new(clock)
}

impl World {
    fn new(keys: MockApiKeyStore) -> Self {
        let memory = Arc::new(Memory::default());
        let task = leased();
        let (stored, mut tasks) = (task.clone(), MockTaskStore::new());
        tasks.expect_find().returning(move |_, _| Ok(Some(loaded(stored.clone()))));
        tasks.expect_now().returning(|| Ok(now()));
        let (attempt, mut executions) = (task.current.clone().unwrap(), MockExecutionStore::new());
        executions
            .expect_find_execution()
            .returning(move |_, id| Ok(Some(task_domain::Execution { execution_id: id, ..attempt.clone() })));
        let background = Background::new(tokio::runtime::Handle::current());
        let service = Arc::new(TrackService::new(TrackServiceParts {
            tasks: Arc::new(tasks),
            executions: Arc::new(executions),
            tracks: memory.clone(),
            keys: Arc::new(KeyService::new(Arc::new(keys), clock(), background.clone())),
            stopping: background.stopping(),
        }));
        let (hints, _) = broadcast::channel(4096);
        let (sender, mut bus) = (hints.clone(), MockHintBus::new());
        bus.expect_subscribe().returning(move || sender.subscribe());
        let bus = Arc::new(bus);
        let running = Arc::clone(&service);
        background.supervise("tracks", move |stop| {
            let (running, bus) = (Arc::clone(&running), bus.clone());
            async move { running.run(bus, stop).await }
        });
        Self { memory, service, hints, task, background }
    }

    async fn try_open(&self, options: TrackOptions) -> Opened {
        self.service.open(&user("ann"), &self.task.task_id, options).await.unwrap()
    }

    async fn open(&self, start: TrackStart) -> TrackStream {
        match self.try_open(TrackOptions { start, execution_id: None }).await {
            Opened::Stream(stream) => *stream,
            Opened::NothingLeft => panic!("there is something left"),
        }
    }

    fn hint(&self) {
        let (tenant_id, task_id) = (self.task.tenant_id.clone(), self.task.task_id.clone());
        let _ = self.hints.send(Hint::ProgressAppended { tenant_id, task_id });
    }
}

fn short(frame: &TrackFrame) -> String {
    match &frame.event {
        TrackEvent::Progress(entry) => entry.seq_id.to_string(),
        TrackEvent::StatusChange(change) => change.status.to_string(),
        TrackEvent::ExecutionEnded(change) => format!("ended {}", change.ended.unwrap()),
        TrackEvent::Truncated { first_seq_id } => format!("truncated {first_seq_id}"),
    }
}

async fn next(stream: &mut TrackStream) -> Option<TrackFrame> {
    tokio::time::timeout(Duration::from_secs(30), stream.next()).await.expect("a frame, or the end")
}

async fn rest(mut stream: TrackStream) -> Vec<String> {
    let mut told = Vec::new();
    while let Some(frame) = next(&mut stream).await {
        told.push(short(&frame));
    }
    told
}

/// Random numbers that are the same in every run.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % sides
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_that_is_cut_anywhere_while_work_goes_on_misses_and_repeats_nothing() {
    for seed in 0..20 {
        let world = World::new(MockApiKeyStore::new());
        let mut dice = Dice(seed);
        let mut told: Vec<String> = Vec::new();
        let mut position = TrackPosition::default();
        let mut stream = world.open(TrackStart::Beginning).await;
        for step in 0..200 {
            match dice.roll(6) {
                // More than one page at times.
                0 => world.memory.report(dice.roll(300)),
                1 => (0..dice.roll(30)).for_each(|_| world.memory.become_(TaskStatus::Queued, None)),
                2 => world.memory.report(1),
                3 => {
                    // Ends before `next` is done, which must lose nothing.
                    let _ = tokio::time::timeout(Duration::from_micros(dice.roll(500) as u64), async {
                        while let Some(frame) = stream.next().await {
                            position = frame.position;
                            told.push(short(&frame));
                        }
                    })
                    .await;
                }
                4 => stream = world.open(TrackStart::After(position)).await,
                _ => world.hint(),
            }
            if step == 199 {
                world.memory.become_(TaskStatus::Completed, Some(ExecutionStatus::Completed));
                world.hint();
            }
        }
        while let Some(frame) = next(&mut stream).await {
            position = frame.position;
            told.push(short(&frame));
        }
        if let Opened::Stream(stream) =
            world.try_open(TrackOptions { start: TrackStart::After(position), execution_id: None }).await
        {
            told.extend(rest(*stream).await);
        }
        assert_eq!(told, world.memory.all(), "seed {seed}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_thousand_listeners_cost_one_read_per_entry() {
    let world = World::new(MockApiKeyStore::new());
    world.memory.become_(TaskStatus::Running, None);
    let mut streams = join_all((0..1000).map(|_| world.open(TrackStart::Beginning))).await;
    for stream in &mut streams {
        assert_eq!(short(&next(stream).await.unwrap()), "running");
    }
    world.memory.reads();
    for n in 1..=20i64 {
        world.memory.report(1);
        world.hint();
        for stream in &mut streams {
            assert_eq!(short(&next(stream).await.unwrap()), n.to_string());
        }
    }
    let reads = world.memory.reads();
    // One for each entry, and the few that looked without a hint.
    assert!((20..100).contains(&reads), "{reads} reads");
    world.memory.become_(TaskStatus::Failed, Some(ExecutionStatus::Failed));
    world.hint();
    for told in join_all(streams.into_iter().map(rest)).await {
        assert_eq!(told, ["failed"]);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_any_hint_the_store_is_looked_at() {
    let world = World::new(MockApiKeyStore::new());
    let stream = world.open(TrackStart::Now).await;
    world.memory.become_(TaskStatus::Running, None);
    world.memory.report(2);
    world.memory.become_(TaskStatus::Completed, Some(ExecutionStatus::Completed));
    assert_eq!(rest(stream).await, ["running", "1", "2", "completed"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_is_too_slow_is_cut_off_and_resumes() {
    let world = World::new(MockApiKeyStore::new());
    let mut fast = world.open(TrackStart::Beginning).await;
    let mut slow = world.open(TrackStart::Beginning).await;
    for n in 1..=200 {
        world.memory.report(1);
        world.hint();
        assert_eq!(short(&next(&mut fast).await.unwrap()), n.to_string());
    }
    assert_eq!(next(&mut slow).await, None, "more than it may be behind");
    world.memory.become_(TaskStatus::Completed, Some(ExecutionStatus::Completed));
    assert_eq!(rest(world.open(TrackStart::Beginning).await).await, world.memory.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_of_a_deleted_task_ends() {
    let world = World::new(MockApiKeyStore::new());
    let stream = world.open(TrackStart::Beginning).await;
    world.memory.log.lock().unwrap().deleted = true;
    assert_eq!(rest(stream).await, Vec::<String>::new());
    let gone = world.service.open(&user("ann"), &world.task.task_id, TrackOptions::default()).await;
    assert!(matches!(gone, Err(ServiceError::TaskNotFound { .. })));
}

#[tokio::test(start_paused = true)]
async fn a_store_that_is_away_is_waited_for_and_the_listener_kept() {
    let world = World::new(MockApiKeyStore::new());
    world.memory.report(500);
    world.memory.become_(TaskStatus::Completed, None);
    let stream = world.open(TrackStart::Beginning).await;
    world.memory.failing.store(4, Ordering::SeqCst);
    assert_eq!(rest(stream).await, world.memory.all());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_of_a_revoked_key_ends() {
    let revoked = Arc::new(Mutex::new(None));
    let (asked, mut keys) = (Arc::clone(&revoked), MockApiKeyStore::new());
    keys.expect_find_key().returning(move |id| {
        Ok(Some(ApiKey {
            id: id.to_owned(),
            tenant_id: task_domain::TenantId::default_tenant(),
            name: "worker".into(),
            secret_hash: String::new(),
            scopes: Vec::new(),
            task_types: Vec::new(),
            created_at: now(),
            expires_at: None,
            revoked_at: *asked.lock().unwrap(),
            last_used_at: None,
        }))
    });
    let world = World::new(keys);
    let caller = key(&[Scope::TasksWork], &[]);
    let opened = world.service.open(&caller, &world.task.task_id, TrackOptions::default()).await.unwrap();
    let Opened::Stream(mut stream) = opened else { panic!("it goes on") };
    world.memory.report(1);
    world.hint();
    assert_eq!(short(&next(&mut stream).await.unwrap()), "1");
    *revoked.lock().unwrap() = Some(now());
    assert_eq!(next(&mut stream).await, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_read_the_task_may_not_listen() {
    let world = World::new(MockApiKeyStore::new());
    for stranger in [user("bob"), key(&[Scope::TasksWork], &["other_type"])] {
        let refused = world.service.open(&stranger, &world.task.task_id, TrackOptions::default()).await;
        assert!(matches!(refused, Err(ServiceError::Forbidden { action: "read", .. })));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_attempt_is_followed_to_its_end() {
    let world = World::new(MockApiKeyStore::new());
    world.memory.become_(TaskStatus::Running, None);
    world.memory.report(2);
    let options = TrackOptions { start: TrackStart::Beginning, execution_id: Some(execution(1)) };
    let Opened::Stream(stream) = world.try_open(options).await else { panic!("it goes on") };
    world.memory.become_(TaskStatus::Queued, Some(ExecutionStatus::Released));
    world.memory.become_(TaskStatus::Running, None);
    world.hint();
    assert_eq!(rest(*stream).await, ["running", "1", "2", "ended released"]);
    let options = TrackOptions { start: TrackStart::Beginning, execution_id: Some(execution(2)) };
    let Opened::Stream(mut other) = world.try_open(options).await else { panic!("it goes on") };
    world.background.shut_down(Duration::from_secs(10)).await;
    assert_eq!(next(&mut other).await, None, "nothing of another attempt, and shutdown ends it");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_listener_that_was_overtaken_by_trimming_is_told() {
    let world = World::new(MockApiKeyStore::new());
    world.memory.report(10);
    world.memory.log.lock().unwrap().trimmed = 4;
    world.memory.become_(TaskStatus::Completed, Some(ExecutionStatus::Completed));
    let told = rest(world.open(TrackStart::Beginning).await).await;
    assert_eq!(told, ["truncated 5", "5", "6", "7", "8", "9", "10", "completed"]);
    // The retention took everything but the task itself.
    *world.memory.log.lock().unwrap() = Log { status: Some(TaskStatus::Completed), ..Log::default() };
    assert_eq!(rest(world.open(TrackStart::Beginning).await).await, ["completed"]);
}
