//! A fresh database of each engine.

use std::sync::Arc;
use std::time::Duration;

use chrono::{DateTime, SubsecRound, Utc};
use task_protocols::Clock;
use task_repository::Weights;
use task_repository::postgres::{PostgresConfig, PostgresEngine};
use task_repository::sqlite::{SqliteConfig, SqliteEngine};
use task_testkit::pg::TestDatabase;
use task_testkit::sqlite::temp_database;

use super::Stores;
use super::behind::Database;

struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now().trunc_subsecs(6)
    }
}

pub(crate) async fn sqlite() -> Stores {
    sqlite_engine().await.1
}

/// The engine itself as well, for what only this one can do.
pub(crate) async fn sqlite_engine() -> (Arc<SqliteEngine>, Stores) {
    let database = temp_database();
    let config = SqliteConfig { weights: weights(), ..SqliteConfig::default() };
    let engine = SqliteEngine::open(&database.path(), Arc::new(SystemClock), config).unwrap();
    engine.migrate().await.unwrap();
    let engine = Arc::new(engine);
    (Arc::clone(&engine), Stores::of(engine, Database::Sqlite(Arc::new(database))))
}

pub(crate) async fn postgres() -> Stores {
    let database = TestDatabase::create("contract", async |url| engine(&url).migrate().await.unwrap()).await;
    Stores::of(Arc::new(engine(database.url())), Database::Postgres(Arc::new(database)))
}

fn weights() -> Weights {
    Weights::from([("heavy".to_owned(), 3)])
}

/// Patient, because a suite of a thousand parallel saves on two busy cores is not what the
/// timeouts of production are made for.
fn engine(url: &str) -> PostgresEngine {
    let patience = Duration::from_secs(120);
    let config = PostgresConfig {
        acquire_timeout: patience,
        statement_timeout: patience,
        lock_timeout: patience,
        weights: weights(),
        ..PostgresConfig::new(url)
    };
    PostgresEngine::connect(config, tokio::runtime::Handle::current()).unwrap()
}
