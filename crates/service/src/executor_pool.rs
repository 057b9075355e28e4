//! The pool that runs the built-in task types of this instance.

use std::sync::Arc;
use std::time::Duration;

use task_domain::{Handler, Origin};
use task_protocols::background::Background;
use task_protocols::{ClaimRequest, ExecutorRegistry, Hint, HintBus};
use tokio::sync::{Semaphore, broadcast};
use tokio_util::sync::CancellationToken;

use crate::job::Job;
use crate::{Beat, WorkerService};

/// How the pool works.
#[derive(Debug, Clone)]
pub struct PoolConfig {
    /// Executions at the same time; 0 = the pool claims nothing.
    pub concurrency: usize,
    /// Length of a built-in execution's lease; renewed every third of it.
    pub lease: Duration,
    /// An execution that takes longer is stopped and has failed.
    pub timeout: Duration,
    /// The name the pool claims under.
    pub worker_id: String,
    /// At shutdown: how long running executions may still finish before they are given back.
    pub drain: Duration,
    /// What it claims, as far as this instance has an executor for it.
    pub task_types: Vec<String>,
    /// Only what this API made; `None` = whatever made it.
    pub origin: Option<Origin>,
}

/// Claims built-in work and runs it, each execution under its own lease.
pub struct ExecutorPool {
    parts: PoolParts,
    background: Background,
    config: PoolConfig,
    /// Those that this instance has an executor for; other instances may have more.
    task_types: Vec<String>,
}

/// What [`ExecutorPool`] works with.
#[derive(Clone)]
pub struct PoolParts {
    pub workers: WorkerService,
    pub executors: Arc<dyn ExecutorRegistry>,
    pub hints: Arc<dyn HintBus>,
    /// Tells of work that no hint told of.
    pub beat: Beat,
}

impl ExecutorPool {
    pub fn new(parts: PoolParts, background: Background, config: PoolConfig) -> Self {
        let ours = config.task_types.iter().filter(|task_type| parts.executors.find(task_type).is_some());
        let task_types = ours.cloned().collect();
        Self { parts, background, config, task_types }
    }

    /// Whether it is to run nothing.
    pub fn is_off(&self) -> bool {
        self.config.concurrency == 0
    }

    /// Claims and runs until `stop` fires; then returns at once, while what runs is finished or
    /// given back under the background runner's eye.
    pub async fn run(&self, stop: CancellationToken) {
        if self.is_off() {
            return stop.cancelled().await;
        }
        self.parts.workers.seen().serve(&self.task_types, self.config.origin);
        let slots = Arc::new(Semaphore::new(self.config.concurrency));
        let mut hints = self.parts.hints.subscribe();
        let mut beat = self.parts.beat.clone();
        loop {
            // Hold a slot before asking for work: never claim what cannot start at once.
            let slot = tokio::select! {
                slot = Arc::clone(&slots).acquire_owned() => slot,
                () = stop.cancelled() => return,
            };
            let Ok(slot) = slot else { return };
            let wanted = 1 + slots.available_permits().min(99);
            let tasks = self.claim(wanted).await;
            let may_be_more = tasks.len() == wanted;
            let mut slot = Some(slot);
            for task in tasks {
                // Only this loop takes slots, so those seen free above still are.
                let Some(slot) = slot.take().or_else(|| Arc::clone(&slots).try_acquire_owned().ok()) else { break };
                let job = Job::new(self.parts.clone(), self.config.clone());
                let stop = stop.clone();
                self.background.spawn(async move {
                    job.run(task, stop).await;
                    drop(slot);
                });
            }
            if may_be_more {
                continue;
            }
            tokio::select! {
                () = self.work_queued(&mut hints) => {}
                () = beat.wait(|due| due.builtin) => {}
                () = stop.cancelled() => return,
            }
        }
    }

    async fn claim(&self, wanted: usize) -> Vec<task_domain::Task> {
        let request = ClaimRequest {
            tenant_id: None,
            handler: Handler::Builtin,
            task_types: self.task_types.clone(),
            worker_id: self.config.worker_id.clone(),
            max_tasks: i64::try_from(wanted).unwrap_or(1),
            lease_seconds: i64::try_from(self.config.lease.as_secs()).unwrap_or(i64::MAX),
            origin: self.config.origin,
            request_id: None,
        };
        match self.parts.workers.claim(&request).await {
            Ok(tasks) => tasks,
            Err(error) => {
                tracing::warn!(
                    error = &error as &dyn std::error::Error,
                    "the executor pool could not claim; trying again"
                );
                Vec::new()
            }
        }
    }

    /// Waits for work of ours, then takes the hints that came with it: one look serves them all.
    async fn work_queued(&self, hints: &mut broadcast::Receiver<Hint>) {
        loop {
            match hints.recv().await {
                Ok(hint) if !self.is_ours(&hint) => {}
                Ok(_) | Err(broadcast::error::RecvError::Lagged(_)) => break,
                Err(broadcast::error::RecvError::Closed) => std::future::pending().await,
            }
        }
        while matches!(hints.try_recv(), Ok(_) | Err(broadcast::error::TryRecvError::Lagged(_))) {}
    }

    fn is_ours(&self, hint: &Hint) -> bool {
        let Hint::WorkQueued { handler: Handler::Builtin, task_type, origin, .. } = hint else { return false };
        let is_other_apis = self.config.origin.is_some() && origin.is_some() && self.config.origin != *origin;
        // Without a type it may be any.
        !is_other_apis && (task_type.is_empty() || self.task_types.contains(task_type))
    }
}
