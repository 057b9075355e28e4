//! One claim for all callers of an instance that would claim the same.
//!
//! Callers queue by kind (tenant, types, lease). While a statement runs, those who come form the
//! next one's group, so a burst costs few statements and a lone caller waits for nobody. Callers
//! that wait are looked for again when a hint tells of work, and once a second for all of them by
//! one statement that asks which of their types have any. Oldest first; no connection is held
//! while waiting.
//!
//! Deliberately absent: waiting across instances. Each instance claims for its own callers.

mod news;
mod queue;
mod ticket;

use std::collections::HashSet;
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use task_domain::{Task, TenantId};
use task_protocols::background::Background;
use task_protocols::{ClaimRequest, HintBus, Seat, StoreError};
use tokio::sync::{broadcast, oneshot};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::{Caller, KeyService, ServiceError, WorkerService};
use news::News;
use queue::{Claimant, Group, Kind, Queues};
use ticket::{Held, Ticket};

/// How often the types of all who wait are looked at when no hint comes.
const POLL: Duration = Duration::from_secs(1);
/// Callers that wait in one instance; further ones are answered at once.
const MAX_WAITING: usize = 10_000;

/// A worker that waits in this instance for work.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingWorker {
    pub worker_id: String,
    pub task_types: Vec<String>,
    pub waiting_for: Duration,
}

/// Claims for the callers of this instance. Clones share the queues.
#[derive(Clone)]
pub struct ClaimDispatcher {
    shared: Arc<Shared>,
}

struct Shared {
    workers: WorkerService,
    hints: Arc<dyn HintBus>,
    background: Background,
    queues: Mutex<Queues>,
}

impl ClaimDispatcher {
    pub fn new(workers: WorkerService, hints: Arc<dyn HintBus>, background: Background) -> Self {
        let queues = Mutex::new(Queues::default());
        Self { shared: Arc::new(Shared { workers, hints, background, queues }) }
    }

    /// Claims up to `request.max_tasks`; when there is nothing, waits for work up to `wait`. An
    /// empty answer says that there was nothing. What was claimed for a caller that stopped waiting
    /// (this future was dropped) is given back at once. `request.tenant_id` MUST be given.
    pub async fn claim(&self, request: ClaimRequest, wait: Duration) -> Result<Vec<Task>, ServiceError> {
        let until = Instant::now() + wait;
        let stopping = self.shared.background.stopping();
        let waits = !wait.is_zero() && !stopping.is_cancelled();
        let mut ticket = self.queue(request, waits)?;
        if !waits {
            return ticket.answer().await;
        }
        tokio::select! {
            answer = ticket.answer() => answer,
            () = tokio::time::sleep_until(until) => ticket.leave(),
            () = stopping.cancelled() => ticket.leave(),
        }
    }

    /// The same for a caller whose key may end while it waits: then it gets nothing, and what was
    /// claimed for it is given back.
    ///
    /// # Errors
    /// `KeyEnded`.
    pub async fn claim_authorised(
        &self,
        caller: &Caller,
        request: ClaimRequest,
        wait: Duration,
        keys: &KeyService,
    ) -> Result<Vec<Task>, ServiceError> {
        let tasks = self.claim(request, wait).await?;
        let mut held = Held { tasks, shared: Arc::clone(&self.shared) };
        // Without a wait it was shown a moment ago.
        if wait.is_zero() || held.tasks.is_empty() || keys.stands_for(caller).await {
            return Ok(std::mem::take(&mut held.tasks));
        }
        Err(ServiceError::KeyEnded)
    }

    /// The workers that wait in this instance for work of a tenant, oldest first.
    pub fn waiting(&self, tenant_id: &TenantId) -> Vec<WaitingWorker> {
        let queues = self.shared.lock();
        let mut waiting: Vec<(u64, WaitingWorker)> = Vec::new();
        for (kind, queue) in queues.by_kind.iter().filter(|(kind, _)| kind.tenant_id == *tenant_id) {
            for claimant in queue.claimants.iter().filter(|c| c.waits && !c.answer.is_closed()) {
                let worker = WaitingWorker {
                    worker_id: claimant.worker_id.clone(),
                    task_types: kind.task_types.clone(),
                    waiting_for: claimant.since.elapsed(),
                };
                waiting.push((claimant.number, worker));
            }
        }
        waiting.sort_unstable_by_key(|(number, _)| *number);
        waiting.into_iter().map(|(_, worker)| worker).collect()
    }

    /// Looks for work whenever a hint tells of some, and every second; until `stop` fires.
    pub async fn run(&self, stop: CancellationToken) {
        let mut hints = self.shared.hints.subscribe();
        let mut next_poll = Instant::now() + POLL;
        loop {
            let mut news = News::default();
            tokio::select! {
                hint = hints.recv() => news.add(hint),
                () = tokio::time::sleep_until(next_poll) => news.unknown = true,
                () = stop.cancelled() => return,
            }
            // A burst of hints is one piece of news.
            loop {
                match hints.try_recv() {
                    Ok(hint) => news.add(Ok(hint)),
                    Err(broadcast::error::TryRecvError::Lagged(_)) => news.unknown = true,
                    Err(_) => break,
                }
            }
            if news.closed {
                // The bus is gone: the clock alone wakes us.
                tokio::select! {
                    () = tokio::time::sleep_until(next_poll) => news.unknown = true,
                    () = stop.cancelled() => return,
                }
            }
            if news.unknown {
                next_poll = Instant::now() + POLL;
                news.types.extend(self.shared.ask().await);
            }
            self.shared.wake(news.types);
        }
    }

    fn queue(&self, request: ClaimRequest, waits: bool) -> Result<Ticket, ServiceError> {
        let Some(tenant_id) = request.tenant_id else {
            return Err(StoreError::internal("a dispatched claim needs a tenant").into());
        };
        let mut task_types = request.task_types;
        task_types.sort_unstable();
        task_types.dedup();
        let kind = Kind {
            tenant_id,
            handler: request.handler,
            origin: request.origin,
            task_types,
            lease_seconds: request.lease_seconds,
        };
        let (answer, receiver) = oneshot::channel();
        let mut queues = self.shared.lock();
        queues.numbers += 1;
        let waits = waits && queues.waiting < MAX_WAITING;
        queues.waiting += usize::from(waits);
        let number = queues.numbers;
        let queue = queues.by_kind.entry(kind.clone()).or_default();
        queue.claimants.push_back(Claimant {
            number,
            since: Instant::now(),
            worker_id: request.worker_id,
            max_tasks: request.max_tasks,
            request_id: request.request_id,
            waits,
            in_vain: false,
            answer,
        });
        if !std::mem::replace(&mut queue.served, true) {
            drop(queues);
            // Not in the caller's own future: it may go away while others are in its group.
            let shared = Arc::clone(&self.shared);
            self.shared.background.spawn(async move { shared.serve(&kind).await });
        }
        Ok(Ticket { receiver, shared: Arc::clone(&self.shared) })
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, Queues> {
        self.queues.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Which types of those who wait have work, by one statement.
    async fn ask(&self) -> Vec<(TenantId, String)> {
        let mut wanted = HashSet::new();
        {
            let mut queues = self.lock();
            let Queues { by_kind, waiting, .. } = &mut *queues;
            by_kind.retain(|kind, queue| {
                queue.forget_the_gone(waiting);
                if !queue.served {
                    wanted.extend(kind.task_types.iter().map(|t| (kind.tenant_id.clone(), t.clone())));
                }
                queue.served || !queue.claimants.is_empty()
            });
        }
        if wanted.is_empty() {
            return Vec::new();
        }
        let wanted: Vec<_> = wanted.into_iter().collect();
        self.workers.claimable(&wanted).await.unwrap_or_else(|error| {
            tracing::warn!(error = &error as &dyn std::error::Error, "cannot look for work; trying again");
            Vec::new()
        })
    }

    /// Looks again for those who wait for one of `types`, longest waiting first.
    fn wake(self: &Arc<Self>, types: HashSet<(TenantId, String)>) {
        let mut kinds: Vec<(u64, Kind)> = Vec::new();
        let mut queues = self.lock();
        for (kind, queue) in &mut queues.by_kind {
            let concerned = kind.task_types.iter().any(|name| types.contains(&(kind.tenant_id.clone(), name.clone())));
            let Some(oldest) = queue.claimants.front().filter(|_| concerned) else { continue };
            // Whoever serves them may have looked before the news was true.
            if queue.served {
                queue.again = true;
            } else {
                kinds.push((oldest.number, kind.clone()));
            }
        }
        drop(queues);
        if kinds.is_empty() {
            return;
        }
        kinds.sort_unstable_by_key(|(oldest, _)| *oldest);
        let shared = Arc::clone(self);
        self.background.spawn(async move {
            for (_, kind) in kinds {
                let mut free = false;
                if let Some(queue) = shared.lock().by_kind.get_mut(&kind) {
                    free = !std::mem::replace(&mut queue.served, true);
                    queue.again = true;
                }
                let looked_in_vain = free && shared.serve(&kind).await;
                // Of the one type that is told of nothing is left, so no other kind need look.
                if looked_in_vain && types.len() == 1 && kind.origin.is_none() {
                    return;
                }
            }
        });
    }

    /// Claims for the callers of one kind until all that are left wait in vain; whether it looked, and
    /// never found anything. Where nobody is left to look for, nothing is known.
    async fn serve(self: &Arc<Self>, kind: &Kind) -> bool {
        let (mut looked, mut found) = (false, false);
        while let Some(group) = self.next_group(kind) {
            // Whoever comes later must not wait for a look that never ends.
            let claimed = AssertUnwindSafe(self.claim(kind, &group)).catch_unwind().await;
            let claimed = claimed.unwrap_or_else(|_| Err(StoreError::internal("the claim panicked").into()));
            looked = true;
            found |= claimed.as_ref().is_ok_and(|tasks| !tasks.is_empty());
            let left_over = self.lock().settle(kind, group, claimed);
            self.give_back(left_over);
        }
        looked && !found
    }

    /// Not inline in a condition: the lock must not be held over the await.
    fn next_group(&self, kind: &Kind) -> Option<Group> {
        self.lock().next_group(kind)
    }

    async fn claim(&self, kind: &Kind, group: &Group) -> Result<Vec<Task>, ServiceError> {
        let seats: Vec<Seat> =
            group.claimants.iter().map(|c| Seat { worker_id: c.worker_id.clone(), max_tasks: c.max_tasks }).collect();
        let mut request = ClaimRequest {
            tenant_id: Some(kind.tenant_id.clone()),
            handler: kind.handler,
            task_types: kind.task_types.clone(),
            worker_id: String::new(),
            max_tasks: seats.iter().map(|seat| seat.max_tasks).sum(),
            lease_seconds: kind.lease_seconds,
            origin: kind.origin,
            request_id: None,
        };
        match group.claimants.as_slice() {
            [only] => {
                request.worker_id.clone_from(&only.worker_id);
                request.request_id.clone_from(&only.request_id);
                self.workers.claim(&request).await
            }
            _ => self.workers.claim_seats(&request, &seats).await,
        }
    }

    /// Releases what was claimed for callers that have gone away.
    fn give_back(self: &Arc<Self>, tasks: Vec<Task>) {
        if tasks.is_empty() {
            return;
        }
        let shared = Arc::clone(self);
        self.background.spawn(async move {
            for task in tasks {
                if let Err(error) = shared.workers.give_back(&task).await {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(task_id = %task.task_id, error, "not given back; its lease will run out");
                }
            }
        });
    }
}
