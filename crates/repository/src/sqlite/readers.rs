//! The readers: a fixed set of connections, each read one consistent snapshot.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use diesel::connection::{AnsiTransactionManager, TransactionManager};
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
            let outcome = catch_unwind(AssertUnwindSafe(|| connection.transaction(work).map_err(store_error)));
            let outcome = outcome.unwrap_or_else(|_| {
                // The next read must not see this one's snapshot.
                let _ = AnsiTransactionManager::rollback_transaction(&mut connection);
                Err(StoreError::internal("the read panicked"))
            });
            idle.lock().unwrap_or_else(PoisonError::into_inner).push(connection);
            drop(permit);
            outcome
        });
        outcome.await.map_err(StoreError::internal)?
    }
}

#[cfg(test)]
mod tests {
    use diesel::connection::SimpleConnection;
    use diesel::dsl::sql;
    use diesel::sql_types::BigInt;
    use task_testkit::sqlite::temp_database;

    use super::*;

    #[tokio::test]
    async fn a_read_that_panics_costs_no_reader_and_leaves_no_snapshot_behind() {
        let database = temp_database();
        let connect = || SqliteConnection::establish(&database.path().to_string_lossy()).unwrap();
        let mut writer = connect();
        writer.batch_execute("PRAGMA journal_mode = WAL; CREATE TABLE t (n INTEGER)").unwrap();
        let readers = Readers::new(vec![connect()]);
        let count = |conn: &mut SqliteConnection| -> QueryResult<i64> {
            diesel::select(sql::<BigInt>("(SELECT count(*) FROM t)")).get_result(conn)
        };
        let panicked: StoreResult<i64> = readers
            .run(move |conn| {
                count(conn)?;
                panic!("in a read")
            })
            .await;
        assert!(matches!(panicked, Err(StoreError::Internal(_))));
        writer.batch_execute("INSERT INTO t VALUES (1)").unwrap();
        assert_eq!(readers.run(count).await.unwrap(), 1);
    }
}
