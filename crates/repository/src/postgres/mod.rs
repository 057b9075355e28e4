//! The PostgreSQL engine: every store on one database, whose clock decides leases and schedules.
//!
//! Reads are typed diesel; what must be one guarded statement is a file in `sql/`. A save is one
//! statement outside a transaction block, so a lost race costs nothing and no lock is held while
//! the network is waited for.
//!
//! Deliberately absent: business rules (decided in the domain), LISTEN/NOTIFY (hints travel elsewhere), and
//! repeating a failed statement: only a caller knows what is safe to repeat.

mod analytics;
mod api_keys;
mod batcher;
mod claim;
mod clock;
mod concurrency;
mod config;
mod conversations;
mod dependencies;
mod errors;
mod executions;
mod explain;
mod facts;
mod heartbeats;
mod history;
mod levels;
mod list;
mod migrate;
mod outbox;
mod overview;
mod pool;
mod progress;
mod records;
mod relay_lock;
mod retention;
mod save;
mod saved;
// A schema lists whole tables; the history is only written by SQL files.
#[allow(dead_code)]
pub(crate) mod schema;
mod statistics;
mod tasks;
mod templates;
mod timed;
mod tls;
mod together;
mod track;
mod usage;
mod watermark;

use std::sync::Arc;

use task_protocols::{PoolMeter, PoolUse, StoreResult};
use tokio::runtime::Handle;

pub use config::{ConnectError, PostgresConfig};
pub use migrate::MigrateError;

use batcher::Batcher;
use clock::DatabaseClock;
use concurrency::SweepPlace;
use heartbeats::Heartbeats;
use pool::Pools;
use progress::Appends;
use save::{Kind, Saves};
use statistics::Statistics;
use watermark::Watermark;

use crate::fair_share::FairShare;
use crate::statement;

/// The stores on PostgreSQL. Share it behind an `Arc`, one per process.
pub struct PostgresEngine {
    pools: Arc<Pools>,
    creates: Batcher<Saves>,
    updates: Batcher<Saves>,
    heartbeats: Batcher<Heartbeats>,
    appends: Batcher<Appends>,
    clock: DatabaseClock,
    watermark: Watermark,
    fair_share: FairShare,
    statistics: Statistics,
    parked: SweepPlace,
}

impl PostgresEngine {
    /// Checks the configuration; connects only when a connection is first needed. `runtime` MUST
    /// be a multi-thread runtime that lives as long as the process: it drives the connections,
    /// whichever runtime uses them.
    pub fn connect(config: PostgresConfig, runtime: Handle) -> Result<Self, ConnectError> {
        let (flights, patience) = (config.flights, config.acquire_timeout);
        let max_entries = config.max_progress_entries.max(1);
        let fair_share = FairShare::new(config.weights.clone());
        let pools = Arc::new(Pools::new(config, runtime.clone())?);
        let saves = |kind| Batcher::new(Saves { kind, pools: Arc::clone(&pools) }, runtime.clone(), flights, patience);
        let heartbeats = Heartbeats { pools: Arc::clone(&pools) };
        let appends = Appends { pools: Arc::clone(&pools), max_entries };
        Ok(Self {
            fair_share,
            creates: saves(Kind::Create),
            updates: saves(Kind::Update),
            heartbeats: Batcher::new(heartbeats, runtime.clone(), flights, patience),
            appends: Batcher::new(appends, runtime.clone(), flights, patience),
            statistics: Statistics::new(Arc::clone(&pools), runtime),
            pools,
            clock: DatabaseClock::default(),
            watermark: Watermark::default(),
            parked: SweepPlace::default(),
        })
    }

    /// Brings the schema up to date. Several instances may start at once: they take turns.
    pub async fn migrate(&self) -> Result<(), MigrateError> {
        migrate::run(&self.pools).await
    }

    /// Learns whose turn it is from what is queued, so that a restart does not make anybody's new
    /// work overtake the old. Call it once, when the schema is up to date.
    ///
    /// # Errors
    /// When the rows cannot be read; the engine works without, in another order.
    pub async fn learn_turns(&self) -> StoreResult<()> {
        claim::learn_turns(self).await
    }

    /// Whether the schema is up to date. Writes nothing.
    pub async fn is_current(&self) -> Result<bool, MigrateError> {
        migrate::is_current(&self.pools).await
    }
}

impl PoolMeter for PostgresEngine {
    fn pools(&self) -> Vec<PoolUse> {
        self.pools.in_use()
    }
}
