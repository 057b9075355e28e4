//! The embedded engine: SQLite in the process.
//!
//! One writer commits in groups (`writer`), a pool of readers sees consistent snapshots
//! (`readers`). WAL with `synchronous=FULL`: what was answered survives a power cut. Deliberately
//! absent: sharing the file between processes; several instances need PostgreSQL.
//!
//! SQLite plans a statement by the value of its `LIMIT ?`, anew for each value that is bound. What
//! requests wait for is therefore read without: one row by `get_result`, which stops after the first.

mod analytics;
mod api_keys;
mod candidates;
mod claim;
mod concurrency;
mod conversations;
mod dependencies;
mod executions;
mod explain;
mod facts;
mod history;
mod levels;
mod limits;
mod list;
mod outbox;
mod overview;
#[cfg(test)]
mod plans;
mod progress;
mod readers;
mod retention;
mod save;
pub(crate) mod schema;
mod states;
mod tasks;
mod templates;
mod timed;
mod track;
mod writer;
mod written;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use chrono::{DateTime, Utc};
use diesel::connection::SimpleConnection;
use diesel::prelude::*;
use diesel::result::{DatabaseErrorKind, Error};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};
use task_protocols::{Clock, PoolMeter, PoolUse, StoreError, StoreResult};

use readers::Readers;
use writer::Writer;

use crate::Weights;
use crate::columns::Stamp;
use crate::fair_share::FairShare;

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/sqlite");

/// For every connection. The page cache is 16 MiB, the memory map 256 MiB. The log is copied into the file
/// after 32 MiB: a page that many changes touch is copied once.
const PRAGMAS: &str = "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; \
                       PRAGMA temp_store = MEMORY; PRAGMA cache_size = -16384; PRAGMA wal_autocheckpoint = 8192; PRAGMA mmap_size = 268435456;";

/// How the file is used.
#[derive(Debug, Clone)]
pub struct SqliteConfig {
    /// Connections that read at the same time.
    pub readers: usize,
    /// Progress entries kept of a task; past it the oldest go. At least 1.
    pub max_progress_entries: i64,
    /// Owners that are claimed more often than others while all have work queued.
    pub weights: Weights,
}

impl Default for SqliteConfig {
    fn default() -> Self {
        Self { readers: 4, max_progress_entries: task_protocols::MAX_PROGRESS_ENTRIES, weights: Weights::new() }
    }
}

/// Why the database file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    #[error("the folder {0} cannot be made; check its permissions, or name another file in DATABASE_URL")]
    Folder(PathBuf, #[source] std::io::Error),
    #[error("{0} cannot be opened as a SQLite database; is it one, and may this user write it?")]
    Open(PathBuf, #[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the writer thread cannot be started")]
    Thread(#[source] std::io::Error),
}

/// All stores on one SQLite file. Clones share it; the last one dropped closes it.
#[derive(Clone)]
pub struct SqliteEngine {
    writer: Arc<Writer>,
    readers: Arc<Readers>,
    /// Of its own, so that counting takes no reader from requests.
    analytics: Arc<Readers>,
    clock: Arc<dyn Clock>,
    relay_locked: Arc<AtomicBool>,
    /// Whether a commit publishes its events; otherwise the relay does.
    publishing: Arc<AtomicBool>,
    max_progress_entries: i64,
    fair_share: Arc<FairShare>,
}

impl SqliteEngine {
    /// Opens or creates the file, and its folder. The schema is not touched: see [`Self::migrate`].
    ///
    /// # Errors
    /// When the folder cannot be made or the file is no database.
    pub fn open(path: &Path, clock: Arc<dyn Clock>, config: SqliteConfig) -> Result<Self, OpenError> {
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            std::fs::create_dir_all(folder).map_err(|e| OpenError::Folder(folder.to_owned(), e))?;
        }
        let connect = || connect(path).map_err(|e| OpenError::Open(path.to_owned(), e));
        let writer = Writer::start(connect()?).map_err(OpenError::Thread)?;
        let readers = (0..config.readers.max(1)).map(|_| connect()).collect::<Result<_, _>>()?;
        Ok(Self {
            writer: Arc::new(writer),
            readers: Arc::new(Readers::new(readers)),
            analytics: Arc::new(Readers::new(vec![connect()?])),
            clock,
            relay_locked: Arc::default(),
            publishing: Arc::default(),
            max_progress_entries: config.max_progress_entries.max(1),
            fair_share: Arc::new(FairShare::new(config.weights)),
        })
    }

    /// Brings the schema up to date.
    ///
    /// # Errors
    /// When a migration fails; those before it stand.
    pub async fn migrate(&self) -> StoreResult<()> {
        self.writer
            .exclusive(|conn| conn.run_pending_migrations(MIGRATIONS).map(drop).map_err(StoreError::internal))
            .await
    }

    /// Learns whose turn it is from what is queued, so that a restart does not make anybody's new
    /// work overtake the old. Call it once, when the schema is up to date.
    ///
    /// # Errors
    /// When the rows cannot be read; the engine works without, in another order.
    pub async fn learn_turns(&self) -> StoreResult<()> {
        let fair_share = Arc::clone(&self.fair_share);
        self.read(move |conn| claim::learn_turns(conn, &fair_share)).await
    }

    /// From here on a commit publishes its events, and so are those that wait for a relay: for a process
    /// whose subscribers read them from this store only. Call it before anything is changed, when the
    /// schema is up to date.
    ///
    /// # Errors
    /// When what waits cannot be published; nothing is different then.
    pub async fn publish_at_commit(&self) -> StoreResult<()> {
        self.write(outbox::publish_all).await?;
        self.publishing.store(true, Ordering::Release);
        Ok(())
    }

    /// When events of a change that is made `now` are published, if by its commit.
    fn publishes(&self, now: DateTime<Utc>) -> Option<Stamp> {
        self.publishing.load(Ordering::Acquire).then_some(Stamp(now))
    }

    /// Whether the schema is up to date.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub async fn is_current(&self) -> StoreResult<bool> {
        self.writer
            .exclusive(|conn| {
                conn.has_pending_migration(MIGRATIONS).map(|pending| !pending).map_err(StoreError::internal)
            })
            .await
    }

    /// The clock, to the microsecond that the columns keep.
    fn now(&self) -> DateTime<Utc> {
        let now = self.clock.now();
        DateTime::from_timestamp_micros(now.timestamp_micros()).unwrap_or(now)
    }

    /// Changes something in a transaction that is committed when this returns `Ok`. It may run twice, the
    /// first time for nothing.
    async fn write<T, F>(&self, work: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: Fn(&mut SqliteConnection, DateTime<Utc>) -> QueryResult<T> + Send + 'static,
    {
        let clock = self.clone();
        // The time is taken when the job runs, not when it was queued.
        self.writer.run(move |conn| work(conn, clock.now())).await
    }

    /// Reads one consistent snapshot.
    async fn read<T, F>(&self, work: F) -> StoreResult<T>
    where
        T: Send + 'static,
        F: FnOnce(&mut SqliteConnection) -> QueryResult<T> + Send + 'static,
    {
        self.readers.run(work).await
    }
}

fn connect(path: &Path) -> Result<SqliteConnection, Box<dyn std::error::Error + Send + Sync>> {
    let mut connection = SqliteConnection::establish(&path.to_string_lossy())?;
    connection.batch_execute(PRAGMAS)?;
    list::register(&mut connection)?;
    facts::register(&mut connection)?;
    Ok(connection)
}

/// Busy, locked, full and I/O errors may pass; the rest will not.
fn store_error(error: Error) -> StoreError {
    let passing = match &error {
        Error::DatabaseError(DatabaseErrorKind::Unknown, info) => {
            ["locked", "busy", "disk", "I/O", "full", "readonly"].iter().any(|word| info.message().contains(word))
        }
        _ => false,
    };
    if passing { StoreError::unavailable(error) } else { StoreError::internal(error) }
}

/// A stored value that cannot be read, which only a damaged database causes.
fn damaged(message: String) -> Error {
    Error::DeserializationError(message.into())
}

impl PoolMeter for SqliteEngine {
    fn pools(&self) -> Vec<PoolUse> {
        let readers = [("readers", &self.readers), ("analytics", &self.analytics)];
        let readers = readers.map(|(name, readers)| {
            let (size, in_use) = readers.in_use();
            PoolUse { name, size, in_use, waiting: 0 }
        });
        // One writer; what waits for it is its queue.
        let waiting = self.writer.waiting();
        let writer = PoolUse { name: "writer", size: 1, in_use: waiting.min(1), waiting };
        readers.into_iter().chain([writer]).collect()
    }
}
