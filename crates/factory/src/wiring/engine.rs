//! The storage engine, by the scheme of the database URL.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use secrecy::ExposeSecret;
use task_protocols::{
    AnalyticsStore, ApiKeyStore, ConversationStore, DependencyStore, ExecutionStore, ExplainStore, FactStore,
    HistoryStore, InboxStore, LevelStore, OutboxStore, OverviewStore, PoolMeter, ProgressStore, RetentionStore,
    StoreError, StoreResult, TaskStore, TemplateStore, TimedStore, TrackStore,
};
use task_repository::postgres::{MigrateError, PostgresConfig, PostgresEngine};
use task_repository::sqlite::{SqliteConfig, SqliteEngine};

use crate::clock::SystemClock;
use crate::config::Settings;
use crate::error::StartError;

/// One engine in all its roles, one line each.
macro_rules! stores {
    ($($field:ident: $role:path,)+) => {
        #[derive(Clone)]
        pub(crate) struct Stores {
            /// `sqlite` or `postgres`.
            pub(crate) name: &'static str,
            $(pub(crate) $field: Arc<dyn $role>,)+
        }

        impl Stores {
            fn of<E: $($role +)+ 'static>(name: &'static str, engine: &Arc<E>) -> Self {
                Self { name, $($field: engine.clone(),)+ }
            }
        }
    };
}

stores! {
    tasks: TaskStore,
    executions: ExecutionStore,
    timed: TimedStore,
    progress: ProgressStore,
    outbox: OutboxStore,
    history: HistoryStore,
    overview: OverviewStore,
    templates: TemplateStore,
    analytics: AnalyticsStore,
    dependencies: DependencyStore,
    conversations: ConversationStore,
    explain: ExplainStore,
    facts: FactStore,
    tracks: TrackStore,
    api_keys: ApiKeyStore,
    levels: LevelStore,
    inbox: InboxStore,
    retention: RetentionStore,
    pools: PoolMeter,
}

/// Opens the engine and, when asked, brings its schema up to date; otherwise it must be so already.
pub(crate) async fn open(settings: &Settings, migrate: bool) -> Result<Stores, StartError> {
    let url = settings.database.url.expose_secret();
    let weights = settings.fair_share.weights.clone();
    let max_progress_entries = settings.retention.max_progress_entries;
    if let Some(path) = sqlite_path(settings) {
        let config = SqliteConfig { max_progress_entries, weights, ..SqliteConfig::default() };
        let engine =
            SqliteEngine::open(&path, Arc::new(SystemClock), config).map_err(|e| StartError::Database(Box::new(e)))?;
        let current = if migrate { engine.migrate().await.map(|()| true) } else { engine.is_current().await };
        if !current.map_err(|e| StartError::Migrate(Box::new(e)))? {
            return Err(StartError::SchemaNotCurrent);
        }
        learned(engine.learn_turns().await);
        if publishes_at_commit(settings) {
            engine.publish_at_commit().await.map_err(StartError::Store)?;
        }
        return Ok(Stores::of("sqlite", &Arc::new(engine)));
    }
    if url.starts_with("postgres") {
        let config = PostgresConfig {
            main_connections: settings.database.pool_size,
            acquire_timeout: Duration::from_secs(settings.database.acquire_timeout_seconds),
            max_progress_entries,
            weights,
            ..PostgresConfig::new(url)
        };
        let engine = PostgresEngine::connect(config, tokio::runtime::Handle::current())
            .map_err(|e| StartError::Database(Box::new(e)))?;
        let current = if migrate { engine.migrate().await.map(|()| true) } else { engine.is_current().await };
        let failed = |error| match error {
            MigrateError::Connect(error) => StartError::Store(StoreError::unavailable(error)),
            error => StartError::Migrate(Box::new(error)),
        };
        if !current.map_err(failed)? {
            return Err(StartError::SchemaNotCurrent);
        }
        learned(engine.learn_turns().await);
        return Ok(Stores::of("postgres", &Arc::new(engine)));
    }
    Err(StartError::Config("DATABASE_URL must start with sqlite:// or postgres://".into()))
}

/// The file of the embedded engine, when it is that one.
pub(crate) fn sqlite_path(settings: &Settings) -> Option<PathBuf> {
    let path = settings.database.url.expose_secret().strip_prefix("sqlite:")?;
    Some(PathBuf::from(path.strip_prefix("//").unwrap_or(path)))
}

/// Whether a commit is all that it takes to publish: everything is in this process.
pub(crate) fn publishes_at_commit(settings: &Settings) -> bool {
    sqlite_path(settings).is_some() && settings.nats.url.expose_secret().is_empty()
}

/// Not knowing who waits is no reason not to start.
fn learned(outcome: StoreResult<()>) {
    if let Err(error) = outcome {
        let error = &error as &dyn std::error::Error;
        tracing::warn!(error, "the turns of what is queued cannot be read; newer work of an owner may overtake older");
    }
}
