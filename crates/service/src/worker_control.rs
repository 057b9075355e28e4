//! What a worker must be told at once: that work was taken from it.
//!
//! Any instance may take it, and the worker listens at one of them, so it travels as a hint. Hints
//! may be lost: the next heartbeat's refusal tells the same.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use task_domain::TenantId;
use task_protocols::{Hint, HintBus, LeaseTaken};
use tokio::sync::{broadcast, mpsc};
use tokio_util::sync::CancellationToken;

/// What a listener may lag behind before its stream ends.
const BUFFER: usize = 64;

type Listeners = HashMap<(TenantId, String), Vec<mpsc::Sender<LeaseTaken>>>;

/// The workers that listen in this instance.
pub struct WorkerControl {
    hints: Arc<dyn HintBus>,
    listeners: Mutex<Listeners>,
}

impl WorkerControl {
    pub fn new(hints: Arc<dyn HintBus>) -> Self {
        Self { hints, listeners: Mutex::default() }
    }

    /// Listens from now on for what is taken from a worker of a tenant. The receiver ends when it
    /// lags by more than 64, or when something may have been missed.
    pub fn listen(&self, tenant_id: &TenantId, worker_id: &str) -> mpsc::Receiver<LeaseTaken> {
        let (sender, receiver) = mpsc::channel(BUFFER);
        let mut listeners = self.lock();
        // Whoever went away while nothing was taken from it.
        listeners.retain(|_, senders| {
            senders.retain(|sender| !sender.is_closed());
            !senders.is_empty()
        });
        listeners.entry((tenant_id.clone(), worker_id.to_owned())).or_default().push(sender);
        receiver
    }

    /// The workers of a tenant that listen in this instance, by name.
    pub fn listening(&self, tenant_id: &TenantId) -> Vec<String> {
        let listeners = self.lock();
        let live = listeners.iter().filter(|(_, senders)| senders.iter().any(|sender| !sender.is_closed()));
        let mut workers: Vec<String> =
            live.filter(|((tenant, _), _)| tenant == tenant_id).map(|((_, worker), _)| worker.clone()).collect();
        workers.sort_unstable();
        workers
    }

    /// Passes on what hints tell until `stop` fires.
    pub async fn run(&self, stop: CancellationToken) {
        let mut hints = self.hints.subscribe();
        loop {
            let hint = tokio::select! {
                hint = hints.recv() => hint,
                () = stop.cancelled() => return,
            };
            match hint {
                Ok(Hint::LeaseTaken(taken)) => self.tell(taken),
                Ok(_) => {}
                // Any of them may have missed something: they come back, and look.
                Err(broadcast::error::RecvError::Lagged(_)) => self.lock().clear(),
                Err(broadcast::error::RecvError::Closed) => return stop.cancelled().await,
            }
        }
    }

    fn tell(&self, taken: LeaseTaken) {
        let worker = (taken.tenant_id.clone(), taken.worker_id.clone());
        let mut listeners = self.lock();
        if let Some(senders) = listeners.get_mut(&worker) {
            senders.retain(|sender| sender.try_send(taken.clone()).is_ok());
            if senders.is_empty() {
                listeners.remove(&worker);
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Listeners> {
        self.listeners.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
