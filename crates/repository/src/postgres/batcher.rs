//! Coalescing: requests that arrive while others of their kind are on their way to the database go
//! together in the next statement.
//!
//! Nothing waits on purpose. A request that finds nothing in the air leaves at once and alone; those
//! that come while a batch is in the air form the next one, which leaves when that is back, or when
//! one of them has waited much longer than a batch takes. So an idle database is as quick as without it, a busy one commits many
//! requests at once, and one batch that waits for a lock holds up nobody for long.
//!
//! Deliberately absent: knowledge of what a batch does.

use std::collections::{HashSet, VecDeque};
use std::panic::AssertUnwindSafe;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use futures::FutureExt;
use task_domain::{TaskId, TenantId};
use task_protocols::{StoreError, StoreResult};
use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::Instant;

/// Requests of one batch at most: bounds how long the first of them waits.
const MAX_BATCH: usize = 64;
/// Who has waited so long does not wait for what is in the air, unless batches usually take long.
const LATE: Duration = Duration::from_millis(2);
/// So many times as long as a batch usually takes is late, when that is more.
const USUAL: u32 = 4;
/// And this is late whatever is usual.
const TOO_LATE: Duration = Duration::from_millis(30);
/// Waiting requests that are looked at for one batch, where many are of the same task.
const MAX_LOOK: usize = 4 * MAX_BATCH;
/// Requests that may wait; beyond that callers are told to come again.
const MAX_QUEUE: usize = 4096;

/// The task that a request changes.
pub(super) type Key = (TenantId, TaskId);

/// What is done for many requests at once.
pub(super) trait Batch: Send + Sync + 'static {
    type Item: Send + 'static;
    type Outcome: Send + 'static;

    /// No batch holds two requests of one key, and those of a batch are sorted by it, so that all
    /// batches lock rows in one order.
    fn key(item: &Self::Item) -> Key;

    /// One outcome an item, in their order. An item that fails MUST NOT fail its neighbours.
    fn run(&self, items: Vec<Self::Item>) -> impl Future<Output = Vec<StoreResult<Self::Outcome>>> + Send;
}

/// Gathers the requests of one kind.
pub(super) struct Batcher<B: Batch> {
    shared: Arc<Shared<B>>,
    runtime: Handle,
    flights: usize,
    patience: Duration,
}

struct Shared<B: Batch> {
    batch: B,
    state: Mutex<State<B>>,
}

struct State<B: Batch> {
    queue: VecDeque<Waiting<B>>,
    in_flight: usize,
    tickets: u64,
    /// How long a batch is in the air: a mean of the last few.
    usual: Duration,
}

struct Waiting<B: Batch> {
    ticket: u64,
    key: Key,
    item: B::Item,
    reply: oneshot::Sender<StoreResult<B::Outcome>>,
}

impl<B: Batch> Batcher<B> {
    /// One batch runs at a time, on `runtime`, and up to `flights` when they are slow; a request that has not left
    /// after `patience` is told that the database is not available.
    pub(super) fn new(batch: B, runtime: Handle, flights: usize, patience: Duration) -> Self {
        let state = State { queue: VecDeque::new(), in_flight: 0, tickets: 0, usual: Duration::ZERO };
        let shared = Arc::new(Shared { batch, state: Mutex::new(state) });
        Self { shared, runtime, flights: flights.max(1), patience }
    }

    /// Has the request done. A caller that goes away while it waits takes the request with it; once
    /// it has left it is done.
    pub(super) async fn submit(&self, item: B::Item) -> StoreResult<B::Outcome> {
        let (reply, mut answer) = oneshot::channel();
        let (ticket, late) = self.enqueue(item, reply)?;
        if let Ok(answered) = tokio::time::timeout(late, &mut answer).await {
            return answered.map_err(StoreError::unavailable)?;
        }
        self.hurry();
        let answered = match tokio::time::timeout(self.patience, &mut answer).await {
            Ok(answered) => answered,
            Err(_) if self.shared.withdraw(ticket) => {
                return Err(StoreError::unavailable("the request waited too long for its turn at the database"));
            }
            Err(_) => answer.await,
        };
        // Without an answer the runtime is shutting down.
        answered.map_err(StoreError::unavailable)?
    }

    /// Its ticket, and when it is late.
    fn enqueue(&self, item: B::Item, reply: oneshot::Sender<StoreResult<B::Outcome>>) -> StoreResult<(u64, Duration)> {
        let mut state = self.shared.lock();
        if state.queue.len() >= MAX_QUEUE {
            return Err(StoreError::unavailable("too many requests wait for the database"));
        }
        state.tickets += 1;
        let ticket = state.tickets;
        state.queue.push_back(Waiting { ticket, key: B::key(&item), item, reply });
        if state.in_flight == 0 {
            self.depart(&mut state);
        }
        Ok((ticket, (USUAL * state.usual).clamp(LATE, TOO_LATE)))
    }

    /// Somebody has waited long: what waits leaves beside what is in the air.
    fn hurry(&self) {
        let mut state = self.shared.lock();
        if !state.queue.is_empty() && state.in_flight < self.flights {
            self.depart(&mut state);
        }
    }

    fn depart(&self, state: &mut State<B>) {
        state.in_flight += 1;
        // A batch belongs to several callers, so it outlives each of them; they are what shutdown waits for.
        drop(self.runtime.spawn(work_off(Arc::clone(&self.shared))));
    }
}

impl<B: Batch> Shared<B> {
    fn lock(&self) -> MutexGuard<'_, State<B>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the request was still waiting; it will not be done then.
    fn withdraw(&self, ticket: u64) -> bool {
        let mut state = self.lock();
        let at = state.queue.iter().position(|waiting| waiting.ticket == ticket);
        at.and_then(|at| state.queue.remove(at)).is_some()
    }

    fn took(&self, time: Duration) {
        let mut state = self.lock();
        state.usual = (state.usual * 7 + time.min(TOO_LATE)) / 8;
    }

    /// The next batch; `None` gives the flight back.
    fn next(&self) -> Option<Vec<Waiting<B>>> {
        let mut state = self.lock();
        let mut keys = HashSet::new();
        let (mut batch, mut later) = (Vec::new(), Vec::new());
        while batch.len() < MAX_BATCH && batch.len() + later.len() < MAX_LOOK {
            let Some(waiting) = state.queue.pop_front() else { break };
            if waiting.reply.is_closed() {
                continue;
            }
            if keys.insert(waiting.key.clone()) { batch.push(waiting) } else { later.push(waiting) }
        }
        while let Some(waiting) = later.pop() {
            state.queue.push_front(waiting);
        }
        if batch.is_empty() {
            state.in_flight -= 1;
            return None;
        }
        drop(state);
        batch.sort_by(|a, b| a.key.cmp(&b.key));
        Some(batch)
    }
}

/// Flies one batch after another until nobody waits.
async fn work_off<B: Batch>(shared: Arc<Shared<B>>) {
    while let Some(batch) = shared.next() {
        let (items, replies): (Vec<_>, Vec<_>) = batch.into_iter().map(|w| (w.item, w.reply)).unzip();
        let begun = Instant::now();
        let outcomes = AssertUnwindSafe(async { shared.batch.run(items).await }).catch_unwind().await;
        shared.took(begun.elapsed());
        let mut outcomes = outcomes.unwrap_or_default().into_iter();
        for reply in replies {
            // None is left when the batch panicked.
            let outcome =
                outcomes.next().unwrap_or_else(|| Err(StoreError::internal("the batch ended without an outcome")));
            // Nobody waits any more when the request was dropped.
            let _ = reply.send(outcome);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::join_all;
    use tokio::sync::Semaphore;

    /// Doubles numbers; 13 fails, 666 panics. Each batch needs a permit and is written down.
    #[derive(Clone)]
    struct Doubling {
        go: Arc<Semaphore>,
        seen: Arc<Mutex<Vec<Vec<u32>>>>,
    }

    impl Batch for Doubling {
        type Item = (String, u32);
        type Outcome = u32;

        fn key((name, _): &Self::Item) -> Key {
            (TenantId::default_tenant(), TaskId::new(name).unwrap())
        }

        async fn run(&self, items: Vec<Self::Item>) -> Vec<StoreResult<u32>> {
            self.seen.lock().unwrap().push(items.iter().map(|(_, n)| *n).collect());
            self.go.acquire().await.unwrap().forget();
            assert!(items.iter().all(|(_, n)| *n != 666), "in a batch");
            let double = |n| if n == 13 { Err(StoreError::internal("unlucky")) } else { Ok(n * 2) };
            items.into_iter().map(|(_, n)| double(n)).collect()
        }
    }

    fn batcher(flights: usize, patience: Duration) -> (Batcher<Doubling>, Doubling) {
        let batch = Doubling { go: Arc::new(Semaphore::new(0)), seen: Arc::default() };
        (Batcher::new(batch.clone(), Handle::current(), flights, patience), batch)
    }

    const LONG: Duration = Duration::from_secs(60);

    /// Submits under the number's own name; polled once, so that it is queued when this returns.
    fn queue<'b>(
        batcher: &'b Batcher<Doubling>,
        name: &str,
        n: u32,
    ) -> impl Future<Output = StoreResult<u32>> + Unpin + use<'b> {
        let mut future = Box::pin(batcher.submit((name.to_owned(), n)));
        let polled = (&mut future).now_or_never();
        assert!(polled.is_none(), "nothing is answered before a permit is given");
        future
    }

    async fn flown(batch: &Doubling, flights: usize) {
        while batch.seen.lock().unwrap().len() < flights {
            tokio::task::yield_now().await;
        }
    }

    #[tokio::test]
    async fn the_first_leaves_alone_and_those_that_come_meanwhile_together_in_order_of_their_keys() {
        let (batcher, batch) = batcher(1, LONG);
        let first = queue(&batcher, "z", 1);
        flown(&batch, 1).await;
        let others = [queue(&batcher, "c", 2), queue(&batcher, "a", 13), queue(&batcher, "b", 4)];
        batch.go.add_permits(2);
        assert_eq!(first.await.unwrap(), 2);
        let outcomes = join_all(others).await;
        assert_eq!(*outcomes[0].as_ref().unwrap(), 4);
        assert!(matches!(outcomes[1], Err(StoreError::Internal(_))), "a failure is its own only");
        assert_eq!(*outcomes[2].as_ref().unwrap(), 8);
        assert_eq!(*batch.seen.lock().unwrap(), [vec![1], vec![13, 4, 2]]);
    }

    #[tokio::test]
    async fn two_requests_of_one_key_never_share_a_batch_and_keep_their_order() {
        let (batcher, batch) = batcher(1, LONG);
        let first = queue(&batcher, "x", 1);
        flown(&batch, 1).await;
        let others =
            [queue(&batcher, "a", 2), queue(&batcher, "a", 3), queue(&batcher, "b", 4), queue(&batcher, "a", 5)];
        batch.go.add_permits(4);
        first.await.unwrap();
        join_all(others).await;
        assert_eq!(*batch.seen.lock().unwrap(), [vec![1], vec![2, 4], vec![3], vec![5]]);
    }

    #[tokio::test]
    async fn one_flight_is_in_the_air_and_none_is_lost() {
        let (batcher, batch) = batcher(2, LONG);
        let all: Vec<_> = (0..200).map(|n| queue(&batcher, &format!("t{n:03}"), 1000 + n)).collect();
        flown(&batch, 1).await;
        assert_eq!(batch.seen.lock().unwrap().len(), 1);
        batch.go.add_permits(200);
        let outcomes = join_all(all).await;
        assert!(outcomes.into_iter().zip(0..).all(|(outcome, n)| outcome.unwrap() == 2 * (1000 + n)));
        assert!(batch.seen.lock().unwrap().iter().all(|batch| batch.len() <= MAX_BATCH));
        let after = batcher.submit(("again".into(), 7)).await;
        assert_eq!(after.unwrap(), 14, "the flights are free again");
    }

    #[tokio::test(start_paused = true)]
    async fn who_has_waited_long_does_not_wait_for_what_is_in_the_air_but_only_so_many_are() {
        let (batcher, batch) = batcher(2, LONG);
        let first = queue(&batcher, "a", 1);
        flown(&batch, 1).await;
        let mut waiting = join_all([queue(&batcher, "b", 2), queue(&batcher, "c", 3)]);
        tokio::time::advance(2 * LATE).await;
        tokio::select! {
            _ = &mut waiting => panic!("they are answered when their batch is back"),
            () = flown(&batch, 2) => {}
        }
        let mut last = queue(&batcher, "d", 4);
        tokio::time::advance(2 * LATE).await;
        assert!((&mut last).now_or_never().is_none());
        tokio::task::yield_now().await;
        assert_eq!(*batch.seen.lock().unwrap(), [vec![1], vec![2, 3]], "two are in the air");
        batch.go.add_permits(3);
        let (first, waiting, last) = tokio::join!(first, waiting, last);
        let waiting: Vec<_> = waiting.into_iter().map(Result::unwrap).collect();
        assert_eq!((first.unwrap(), waiting, last.unwrap()), (2, vec![4, 6], 8));
        assert_eq!(batch.seen.lock().unwrap().len(), 3);
    }

    #[tokio::test]
    async fn who_goes_away_while_waiting_takes_the_request_along_and_nobody_elses() {
        let (batcher, batch) = batcher(1, LONG);
        let first = queue(&batcher, "x", 1);
        flown(&batch, 1).await;
        let (gone, stays) = (queue(&batcher, "a", 2), queue(&batcher, "b", 3));
        drop(gone);
        // The one that is in the air is done even so.
        drop(first);
        batch.go.add_permits(2);
        assert_eq!(stays.await.unwrap(), 6);
        assert_eq!(*batch.seen.lock().unwrap(), [vec![1], vec![3]]);
    }

    #[tokio::test]
    async fn a_batch_that_panics_fails_its_own_requests_only() {
        let (batcher, batch) = batcher(1, LONG);
        let first = queue(&batcher, "x", 666);
        flown(&batch, 1).await;
        let next = queue(&batcher, "y", 1);
        batch.go.add_permits(2);
        assert!(matches!(first.await, Err(StoreError::Internal(_))));
        assert_eq!(next.await.unwrap(), 2);
    }

    #[tokio::test]
    async fn too_many_or_too_long_is_unavailable_and_not_done() {
        let (batcher, batch) = batcher(1, Duration::from_millis(1));
        let first = queue(&batcher, "x", 1);
        flown(&batch, 1).await;
        let late = batcher.submit(("late".into(), 2)).await;
        assert!(matches!(late, Err(StoreError::Unavailable(_))));
        let waiting: Vec<_> = (0..MAX_QUEUE).map(|n| Box::pin(batcher.submit((format!("t{n}"), 3)))).collect();
        let mut waiting = waiting;
        for request in &mut waiting {
            assert!(request.now_or_never().is_none());
        }
        let refused = batcher.submit(("more".into(), 4)).now_or_never();
        assert!(matches!(refused, Some(Err(StoreError::Unavailable(_)))));
        drop(waiting);
        batch.go.add_permits(1);
        assert_eq!(first.await.unwrap(), 2, "it had left, so its caller waits for the outcome");
        assert_eq!(*batch.seen.lock().unwrap(), [vec![1]]);
    }
}
