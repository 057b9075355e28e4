//! Where the database is: the configuration and what is refused of it.

use std::fmt::{self, Debug};
use std::str::FromStr;
use std::time::Duration;

use tokio_postgres::config::SslMode;

use crate::Weights;

/// How long a silent peer is trusted.
const KEEPALIVE_IDLE: Duration = Duration::from_secs(30);
/// How long sent bytes may stay unacknowledged before the connection counts as lost.
const USER_TIMEOUT: Duration = Duration::from_secs(10);

/// Where the database is and how much of it is used.
#[derive(Clone)]
pub struct PostgresConfig {
    /// `postgres://`, `postgresql://` or `postgresql+asyncpg://`; holds the password.
    pub url: String,
    /// Shown by the server in `pg_stat_activity`.
    pub application_name: String,
    /// Connections for everything but claims.
    pub main_connections: usize,
    /// Connections for claims, so that a crowd of workers never starves the API.
    pub claim_connections: usize,
    /// Statements of one kind that are on their way at the same time when they are slow; requests that
    /// come while one is on its way go together in the next one. At least 1.
    pub flights: usize,
    /// Longest wait for a free connection, or for a place in the next statement; then `Unavailable`.
    pub acquire_timeout: Duration,
    pub statement_timeout: Duration,
    pub lock_timeout: Duration,
    pub idle_in_transaction_timeout: Duration,
    /// Progress entries kept of a task; past it the oldest go. At least 1.
    pub max_progress_entries: i64,
    /// Owners that are claimed more often than others while all have work queued.
    pub weights: Weights,
}

impl PostgresConfig {
    /// The defaults for this URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self {
            url: url.into(),
            application_name: "task-service".into(),
            main_connections: 16,
            claim_connections: 4,
            flights: 4,
            acquire_timeout: Duration::from_secs(1),
            statement_timeout: Duration::from_secs(5),
            lock_timeout: Duration::from_secs(2),
            idle_in_transaction_timeout: Duration::from_secs(10),
            max_progress_entries: task_protocols::MAX_PROGRESS_ENTRIES,
            weights: Weights::new(),
        }
    }
}

impl Debug for PostgresConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PostgresConfig")
            .field("url", &"secret")
            .field("application_name", &self.application_name)
            .finish_non_exhaustive()
    }
}

/// Why a configuration cannot be used. Never quotes the URL.
#[derive(Debug, thiserror::Error)]
pub enum ConnectError {
    #[error(
        "the PostgreSQL URL cannot be read; write postgres://user:password@host:port/database, with special characters of user and password percent-encoded"
    )]
    Url,
    #[error(
        "the PostgreSQL URL asks for TLS (sslmode), which is not supported yet; use sslmode=disable or prefer, in a network you trust"
    )]
    Tls,
    #[error("a PostgreSQL pool needs at least one connection")]
    EmptyPool,
    #[error("the PostgreSQL pools could not be made")]
    Pool(#[source] deadpool::managed::BuildError),
}

/// What the client connects to.
pub(super) fn target(config: &PostgresConfig) -> Result<tokio_postgres::Config, ConnectError> {
    let (scheme, rest) = config.url.split_once("://").ok_or(ConnectError::Url)?;
    if !matches!(scheme, "postgres" | "postgresql" | "postgresql+asyncpg") {
        return Err(ConnectError::Url);
    }
    // The client knows no verify-ca and verify-full, and would call the whole URL unreadable.
    if rest.contains("sslmode=verify-") {
        return Err(ConnectError::Tls);
    }
    // The client's own message may quote a piece of a password that was not percent-encoded.
    let mut target =
        tokio_postgres::Config::from_str(&format!("postgresql://{rest}")).map_err(|_| ConnectError::Url)?;
    if !matches!(target.get_ssl_mode(), SslMode::Disable | SslMode::Prefer) {
        return Err(ConnectError::Tls);
    }
    if target.get_application_name().is_none() {
        target.application_name(&config.application_name);
    }
    target.keepalives_idle(KEEPALIVE_IDLE).tcp_user_timeout(USER_TIMEOUT);
    Ok(target)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str) -> Result<tokio_postgres::Config, ConnectError> {
        target(&PostgresConfig::new(url))
    }

    #[test]
    fn the_three_schemes_mean_the_same() {
        for scheme in ["postgres", "postgresql", "postgresql+asyncpg"] {
            let target = check(&format!("{scheme}://me:secret@db:5433/tasks")).unwrap();
            assert_eq!(
                (target.get_user(), target.get_dbname(), target.get_ports()),
                (Some("me"), Some("tasks"), &[5433][..])
            );
        }
    }

    #[test]
    fn tls_is_refused_by_name() {
        for mode in ["require", "verify-ca", "verify-full"] {
            assert!(matches!(check(&format!("postgres://db/tasks?sslmode={mode}")), Err(ConnectError::Tls)), "{mode}");
        }
        assert!(check("postgres://db/tasks?sslmode=prefer").is_ok());
    }

    #[test]
    fn no_message_quotes_the_url() {
        for url in ["mysql://me:hunter2@db/tasks", "postgres://db/tasks?hunter2=1", "hunter2"] {
            let error = check(url).unwrap_err();
            assert!(!format!("{error} {error:?}").contains("hunter2"), "{url}");
        }
        assert!(!format!("{:?}", PostgresConfig::new("postgres://me:hunter2@db")).contains("hunter2"));
    }
}
