//! The store behind the instances, looked at when all is over.

use std::path::Path;
use std::sync::Arc;

use chrono::{DateTime, SubsecRound, Utc};
use task_protocols::Clock;
use task_repository::postgres::{PostgresConfig, PostgresEngine};
use task_repository::sqlite::{SqliteConfig, SqliteEngine};

use crate::outcome::FinalState;

#[derive(Clone, Copy)]
pub(crate) enum Store<'a> {
    /// By its URL.
    Postgres(&'a str),
    /// The file; no instance may be running on it.
    Sqlite(&'a Path),
}

impl Store<'_> {
    pub(super) async fn read(self) -> FinalState {
        match self {
            Self::Postgres(url) => {
                let config = PostgresConfig::new(url);
                let engine = PostgresEngine::connect(config, tokio::runtime::Handle::current()).unwrap();
                FinalState::read(&engine).await
            }
            Self::Sqlite(path) => {
                let engine = SqliteEngine::open(path, Arc::new(SystemClock), SqliteConfig::default()).unwrap();
                FinalState::read(&engine).await
            }
        }
    }
}

struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the clock")]
    fn now(&self) -> DateTime<Utc> {
        Utc::now().trunc_subsecs(6)
    }
}
