//! The one place that spawns: supervised loops, and requests that outlive their connection.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;

/// Longest wait between two starts of a loop that keeps ending.
const MAX_RESTART_DELAY: Duration = Duration::from_secs(30);

/// Spawns on the main runtime and knows what is still running.
#[derive(Clone)]
pub struct Background {
    runtime: Handle,
    tracker: TaskTracker,
    stop: CancellationToken,
    running: Arc<std::sync::Mutex<Vec<&'static str>>>,
}

impl Background {
    /// `runtime` MUST be a multi-thread runtime that lives as long as the process: connections
    /// are driven by the runtime that opened them.
    pub fn new(runtime: Handle) -> Self {
        Self { runtime, tracker: TaskTracker::new(), stop: CancellationToken::new(), running: Arc::default() }
    }

    /// Fires when shutdown begins.
    pub fn stopping(&self) -> CancellationToken {
        self.stop.clone()
    }

    /// Names of the supervised loops.
    pub fn loops(&self) -> Vec<&'static str> {
        self.running.lock().map(|names| names.clone()).unwrap_or_default()
    }

    /// Runs `make()` until shutdown; when it ends or panics it is started again after a growing wait.
    pub fn supervise<F, Fut>(&self, name: &'static str, mut make: F)
    where
        F: FnMut(CancellationToken) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        if let Ok(mut names) = self.running.lock() {
            names.push(name);
        }
        let stop = self.stop.clone();
        self.spawn(async move {
            let mut delay = Duration::from_millis(100);
            loop {
                let started = tokio::time::Instant::now();
                let ended = std::panic::AssertUnwindSafe(make(stop.clone())).catch_unwind().await;
                if stop.is_cancelled() {
                    return;
                }
                if started.elapsed() > MAX_RESTART_DELAY {
                    delay = Duration::from_millis(100);
                }
                let how = if ended.is_err() { "panicked" } else { "ended" };
                tracing::error!(loop_name = name, ?delay, "background loop {how}; starting it again");
                tokio::select! {
                    () = tokio::time::sleep(delay) => {}
                    () = stop.cancelled() => return,
                }
                delay = (delay * 2).min(MAX_RESTART_DELAY);
            }
        });
    }

    /// Runs a future to its end whatever becomes of the caller; shutdown waits for it.
    pub fn spawn<Fut>(&self, future: Fut) -> JoinHandle<Fut::Output>
    where
        Fut: Future + Send + 'static,
        Fut::Output: Send + 'static,
    {
        self.runtime.spawn(self.tracker.track_future(future))
    }

    /// Tells everything to stop and waits for it, at most `grace`; whether all has ended.
    pub async fn shut_down(&self, grace: Duration) -> bool {
        self.stop.cancel();
        self.tracker.close();
        tokio::time::timeout(grace, self.tracker.wait()).await.is_ok()
    }
}
