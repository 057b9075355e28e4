//! The storage engine, by the scheme of the database URL.

use std::path::PathBuf;
use std::sync::Arc;

use secrecy::ExposeSecret;
use task_protocols::{ExecutionStore, HistoryStore, OutboxStore, ProgressStore, TaskStore, TimedStore};
use task_repository::postgres::{PostgresConfig, PostgresEngine};
use task_repository::sqlite::{SqliteConfig, SqliteEngine};

use crate::clock::SystemClock;
use crate::config::DatabaseSettings;
use crate::error::StartError;

/// One engine in all its roles.
#[derive(Clone)]
pub(crate) struct Stores {
    pub(crate) name: &'static str,
    pub(crate) tasks: Arc<dyn TaskStore>,
    pub(crate) executions: Arc<dyn ExecutionStore>,
    pub(crate) timed: Arc<dyn TimedStore>,
    pub(crate) progress: Arc<dyn ProgressStore>,
    pub(crate) outbox: Arc<dyn OutboxStore>,
    pub(crate) history: Arc<dyn HistoryStore>,
}

impl Stores {
    fn of<E>(name: &'static str, engine: Arc<E>) -> Self
    where
        E: TaskStore + ExecutionStore + TimedStore + ProgressStore + OutboxStore + HistoryStore + 'static,
    {
        Self {
            name,
            tasks: engine.clone(),
            executions: engine.clone(),
            timed: engine.clone(),
            progress: engine.clone(),
            outbox: engine.clone(),
            history: engine,
        }
    }
}

/// Opens the engine and, when asked, brings its schema up to date; otherwise it must be so already.
pub(crate) async fn open(settings: &DatabaseSettings, migrate: bool) -> Result<Stores, StartError> {
    let url = settings.url.expose_secret();
    if let Some(path) = url.strip_prefix("sqlite:") {
        let path = PathBuf::from(path.strip_prefix("//").unwrap_or(path));
        let engine = SqliteEngine::open(&path, Arc::new(SystemClock), SqliteConfig::default())
            .map_err(|e| StartError::Database(Box::new(e)))?;
        let current = if migrate { engine.migrate().await.map(|()| true) } else { engine.is_current().await };
        if !current.map_err(|e| StartError::Migrate(Box::new(e)))? {
            return Err(StartError::SchemaNotCurrent);
        }
        return Ok(Stores::of("sqlite", Arc::new(engine)));
    }
    if url.starts_with("postgres") {
        let config = PostgresConfig { main_connections: settings.pool_size, ..PostgresConfig::new(url) };
        let engine = PostgresEngine::connect(config, tokio::runtime::Handle::current())
            .map_err(|e| StartError::Database(Box::new(e)))?;
        let current = if migrate { engine.migrate().await.map(|()| true) } else { engine.is_current().await };
        if !current.map_err(|e| StartError::Migrate(Box::new(e)))? {
            return Err(StartError::SchemaNotCurrent);
        }
        return Ok(Stores::of("postgres", Arc::new(engine)));
    }
    Err(StartError::Config("DATABASE_URL must start with sqlite:// or postgres://".into()))
}
