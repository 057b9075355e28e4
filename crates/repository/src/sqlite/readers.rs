//! The readers: a fixed set of connections, each read one consistent snapshot.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use diesel::prelude::*;
use task_protocols::{StoreError, StoreResult};
use tokio::sync::Semaphore;

use super::store_error;

/// Longest wait for a free reader; beyond that callers are told to come again.
const MAX_WAIT: Duration = Duration::from_secs(5);

pub(super) struct Readers {
    idle: Arc<Mutex<Vec<SqliteConnection>>>,
    free: Arc<Semaphore>,
    size: usize,
}

impl Readers {
    pub(super) fn new(connections: Vec<SqliteConnection>) -> Self {
        let size = connections.len();
        Self { free: Arc::new(Semaphore::new(size)), idle: Arc::new(Mutex::new(connections)), size }
    }

    /// How many there are, and how many of them are in use.
    pub(super) fn in_use(&self) -> (usize, usize) {
        (self.size, self.size.saturating_sub(self.free.available_permits()))
    }

    /// Runs a read on the blocking pool.
    pub(super) async fn run<T, F>(&self, work: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
    {
        let permit = tokio::time::timeout(MAX_WAIT, Arc::clone(&self.free).acquire_owned()).await;
        let permit = permit.map_err(StoreError::unavailable)?.map_err(StoreError::unavailable)?;
        let idle = Arc::clone(&self.idle);
        let outcome = tokio::task::spawn_blocking(move || {
            let taken = idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
            let mut connection = taken.ok_or_else(|| StoreError::unavailable("no reader is left"))?;
            // Deferred: the snapshot is taken by the first statement and held to the last.
            let outcome = connection.transaction(work).map_err(store_error);
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            drop(permit);
            outcome
        });
        outcome.await.map_err(StoreError::internal)?
    }
}
