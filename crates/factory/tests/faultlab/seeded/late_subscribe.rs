//! History, then subscribe: what happens in between is never told.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::future::BoxFuture;
use serde_json::json;
use task_domain::decide::Report;
use task_domain::{Task, TenantId};
use task_protocols::background::Background;
use task_protocols::{StoreResult, TaskKey, TrackFrom, TrackHead, TrackPage, TrackPosition, TrackStore};
use task_repository::postgres::PostgresEngine;
use task_service::{
    Access, Caller, KeyService, Opened, Saver, Scope, TrackEvent, TrackOptions, TrackService, TrackServiceParts,
    WorkerService,
};
use tokio::sync::{Mutex, broadcast};

use super::support::{World, token};
use crate::checker::Promise;
use crate::outcome::Heard;

/// The store, with something that happens right after the first read of a stream.
struct Interrupted {
    engine: Arc<PostgresEngine>,
    then: Mutex<Option<BoxFuture<'static, ()>>>,
}

#[async_trait]
impl TrackStore for Interrupted {
    async fn heads(&self, tasks: &[TaskKey]) -> StoreResult<Vec<Option<TrackHead>>> {
        self.engine.heads(tasks).await
    }

    async fn position_after(&self, task: &TaskKey, progress: i64) -> StoreResult<Option<TrackPosition>> {
        self.engine.position_after(task, progress).await
    }

    async fn track(&self, task: &TaskKey, from: TrackFrom) -> StoreResult<Option<TrackPage>> {
        let page = self.engine.track(task, from).await;
        if let Some(then) = self.then.lock().await.take() {
            then.await;
        }
        page
    }
}

/// A worker that reports progress and tells whoever listens at that moment.
#[derive(Clone)]
struct Reporter {
    workers: WorkerService,
    task: Task,
    live: broadcast::Sender<i64>,
}

impl Reporter {
    async fn report(&self) {
        let entries = [json!({"n": 1}).as_object().unwrap().clone()];
        let (tenant, id) = (&self.task.tenant_id, &self.task.task_id);
        let kept = self.workers.progress(tenant, id, token(&self.task), &entries).await.unwrap();
        let _ = self.live.send(kept.seq_id);
    }

    async fn complete(&self) {
        let (tenant, id) = (&self.task.tenant_id, &self.task.task_id);
        self.workers.complete(tenant, id, token(&self.task), Report::default()).await.unwrap();
    }
}

struct Lab {
    world: World,
    reporter: Reporter,
    store: Arc<Interrupted>,
}

impl Lab {
    /// A running task with two entries; a third one comes right after the first read of its stream.
    async fn new() -> Self {
        let world = World::new().await;
        assert!(world.create("t").await);
        let saver = Saver::new(world.engine.clone(), world.hints.clone());
        let workers = WorkerService::new(saver, world.engine.clone(), world.engine.clone());
        let reporter = Reporter { workers, task: world.claim("w").await, live: broadcast::channel(64).0 };
        reporter.report().await;
        reporter.report().await;
        let third = reporter.clone();
        let then: BoxFuture<'static, ()> = Box::pin(async move { third.report().await });
        let store = Arc::new(Interrupted { engine: world.engine.clone(), then: Mutex::new(Some(then)) });
        Self { world, reporter, store }
    }

    fn key(&self) -> TaskKey {
        TaskKey { tenant_id: TenantId::default_tenant(), task_id: self.reporter.task.task_id.clone() }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_that_subscribes_after_the_history_is_caught() {
    let mut lab = Lab::new().await;
    let from = TrackFrom { position: TrackPosition::default(), progress_limit: 100, changes_limit: 100 };
    let page = lab.store.track(&lab.key(), from).await.unwrap().unwrap();
    let mut progress: Vec<i64> = page.progress.iter().map(|entry| entry.seq_id).collect();
    let mut live = lab.reporter.live.subscribe();
    lab.reporter.report().await;
    progress.push(live.recv().await.unwrap());
    lab.reporter.complete().await;
    lab.world.evidence.heard.push(Heard { task: "t".into(), progress });
    lab.world.finish().await.assert_caught(Promise::WholeStream);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_stream_that_subscribes_first_passes() {
    let mut lab = Lab::new().await;
    let background = Background::new(tokio::runtime::Handle::current());
    let service = Arc::new(TrackService::new(TrackServiceParts {
        tasks: lab.world.engine.clone(),
        executions: lab.world.engine.clone(),
        tracks: lab.store.clone(),
        keys: Arc::new(KeyService::new(lab.world.engine.clone(), lab.world.engine.clone(), background.clone())),
        stopping: background.stopping(),
    }));
    let (hub, hints) = (service.clone(), lab.world.hints.clone());
    background.supervise("hub", move |stop| {
        let (hub, hints) = (hub.clone(), hints.clone());
        async move { hub.run(hints, stop).await }
    });
    let access =
        Access::Key { key_id: "k".into(), scopes: Scope::ALL.to_vec(), task_types: Vec::new(), acting_for: None };
    let caller = Caller { tenant_id: TenantId::default_tenant(), access };
    let opened = service.open(&caller, &lab.reporter.task.task_id, TrackOptions::default()).await.unwrap();
    let Opened::Stream(mut stream) = opened else { panic!("the task runs") };
    let mut heard = Heard { task: "t".into(), progress: Vec::new() };
    let listen = async {
        while let Some(frame) = stream.next().await {
            if let TrackEvent::Progress(entry) = frame.event {
                heard.progress.push(entry.seq_id);
                if entry.seq_id == 3 {
                    lab.reporter.report().await;
                    lab.reporter.complete().await;
                }
            }
        }
    };
    tokio::time::timeout(Duration::from_secs(30), listen).await.expect("the stream ends with its task");
    assert!(background.shut_down(Duration::from_secs(10)).await);
    lab.world.evidence.heard.push(heard);
    lab.world.finish().await.assert_sound();
}
