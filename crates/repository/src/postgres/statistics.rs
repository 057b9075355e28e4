//! Statistics of young tables.
//!
//! Before a table is analysed for the first time the planner guesses, and may serve a look for one row
//! by an index that only knows the tenant: all of the tenant's rows are read then, by every statement
//! prepared in that time. The server's own look at what has changed comes up to a minute late, so the
//! process that fills the tables has them analysed as they grow. Prepared statements are planned anew.
//!
//! Deliberately absent: old tables, which are autovacuum's.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use diesel::QueryResult;
use diesel::sql_types::{Double, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use tokio::runtime::Handle;

use super::pool::Pools;
use super::statement::{Sql, Statement};

/// Numbers of changes of this process after which the tables are looked at; then they are left to the server.
const DUE: [u64; 7] = [64, 256, 1024, 4096, 16_384, 65_536, 262_144];

/// The tables that are not known to be as large as what this process did.
const YOUNG: &str = "SELECT c.relname::text FROM pg_catalog.pg_class AS c \
     JOIN pg_catalog.pg_namespace AS n ON n.oid = c.relnamespace \
     WHERE n.nspname = 'task' AND c.relkind = 'r' AND c.reltuples < $1";

/// Those that fill with the tasks.
const TABLES: [(&str, &str); 7] = [
    ("user_tasks", "ANALYZE task.user_tasks"),
    ("task_states", "ANALYZE task.task_states"),
    ("task_executions", "ANALYZE task.task_executions"),
    ("task_history", "ANALYZE task.task_history"),
    ("outbox_events", "ANALYZE task.outbox_events"),
    ("task_progress", "ANALYZE task.task_progress"),
    ("task_conversations", "ANALYZE task.task_conversations"),
];

/// Counts what this process changes.
pub(super) struct Statistics {
    changes: AtomicU64,
    pools: Arc<Pools>,
    runtime: Handle,
}

impl Statistics {
    pub(super) fn new(pools: Arc<Pools>, runtime: Handle) -> Self {
        Self { changes: AtomicU64::new(0), pools, runtime }
    }

    /// A task was saved.
    pub(super) fn changed(&self) {
        let changes = self.changes.fetch_add(1, Ordering::Relaxed) + 1;
        if DUE.contains(&changes) {
            let pools = Arc::clone(&self.pools);
            // Nobody waits for it, and at shutdown it may end with its connection.
            drop(self.runtime.spawn(async move { renew(&pools, changes).await }));
        }
    }
}

async fn renew(pools: &Pools, changes: u64) {
    let Ok(mut connection) = pools.analytics().await else { return };
    if let Err(error) = renew_young(&mut connection, changes).await {
        tracing::debug!(
            error = &error as &dyn std::error::Error,
            "the tables were not analysed; the server will do it"
        );
    }
}

async fn renew_young(connection: &mut AsyncPgConnection, changes: u64) -> QueryResult<()> {
    let young: Vec<String> = Sql(YOUNG).bind::<Double, _>(changes as f64).reading::<Text>().load(connection).await?;
    for (_, analyse) in TABLES.iter().filter(|(table, _)| young.iter().any(|name| name == table)) {
        diesel::sql_query(*analyse).execute(connection).await?;
    }
    Ok(())
}
