//! Where the database is: the configuration and what is refused of it.

use std::fmt::{self, Debug};
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use percent_encoding::percent_decode_str;
use tokio_postgres::config::SslMode;

use super::tls::{TlsMode, TlsSettings};
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
    #[error("sslmode in the PostgreSQL URL must be one of: disable, prefer, require, verify-ca, verify-full")]
    TlsMode,
    #[error(
        "sslrootcert in the PostgreSQL URL checks nothing with this sslmode; write sslmode=verify-full, verify-ca or require"
    )]
    UnusedRootCertificates,
    #[error(
        "{0} in the PostgreSQL URL is not supported; leave it out, and let a password or the network say who connects"
    )]
    ClientCertificate(&'static str),
    #[error("the certificates of sslrootcert in the PostgreSQL URL cannot be read from {}", .path.display())]
    RootCertificates { path: PathBuf, source: Box<dyn std::error::Error + Send + Sync> },
    #[error(
        "sslmode in the PostgreSQL URL asks for certificates to be checked, and there is none to trust; name a PEM file in sslrootcert, or install the machine's (ca-certificates)"
    )]
    NoRootCertificates,
    #[error("TLS cannot be set up")]
    TlsSetup(#[source] rustls::Error),
    #[error("a PostgreSQL pool needs at least one connection")]
    EmptyPool,
    #[error("the PostgreSQL pools could not be made")]
    Pool(#[source] deadpool::managed::BuildError),
}

/// What the client connects to, and how it is encrypted.
pub(super) fn target(config: &PostgresConfig) -> Result<(tokio_postgres::Config, TlsSettings), ConnectError> {
    let (scheme, rest) = config.url.split_once("://").ok_or(ConnectError::Url)?;
    if !matches!(scheme, "postgres" | "postgresql" | "postgresql+asyncpg") {
        return Err(ConnectError::Url);
    }
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (tls, query) = tls_settings(query)?;
    // The client's own message may quote a piece of a password that was not percent-encoded.
    let mut target =
        tokio_postgres::Config::from_str(&format!("postgresql://{place}?{query}")).map_err(|_| ConnectError::Url)?;
    target.ssl_mode(match tls.mode {
        TlsMode::Disable => SslMode::Disable,
        TlsMode::Prefer => SslMode::Prefer,
        TlsMode::Require | TlsMode::VerifyCa | TlsMode::VerifyFull => SslMode::Require,
    });
    if target.get_application_name().is_none() {
        target.application_name(&config.application_name);
    }
    target.keepalives_idle(KEEPALIVE_IDLE).tcp_user_timeout(USER_TIMEOUT);
    Ok((target, tls))
}

/// What the parameters of a URL say of TLS, and those that say something else: the client knows fewer
/// modes, and no root certificates.
fn tls_settings(query: &str) -> Result<(TlsSettings, String), ConnectError> {
    let (mut settings, mut others) = (TlsSettings::default(), Vec::new());
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        let text = || percent_decode_str(value).decode_utf8().map_err(|_| ConnectError::Url);
        match name {
            // asyncpg calls it `ssl`.
            "sslmode" | "ssl" => settings.mode = TlsMode::parse(&text()?).ok_or(ConnectError::TlsMode)?,
            // The machine's own, which is what is meant without it, too.
            "sslrootcert" if value == "system" => settings.root_certificates = None,
            "sslrootcert" => settings.root_certificates = Some(PathBuf::from(text()?.into_owned())),
            "sslcert" => return Err(ConnectError::ClientCertificate("sslcert")),
            "sslkey" => return Err(ConnectError::ClientCertificate("sslkey")),
            _ => others.push(pair),
        }
    }
    if settings.root_certificates.is_some() && matches!(settings.mode, TlsMode::Disable | TlsMode::Prefer) {
        return Err(ConnectError::UnusedRootCertificates);
    }
    Ok((settings, others.join("&")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(url: &str) -> Result<tokio_postgres::Config, ConnectError> {
        target(&PostgresConfig::new(url)).map(|(target, _)| target)
    }

    fn tls(query: &str) -> Result<TlsSettings, ConnectError> {
        target(&PostgresConfig::new(format!("postgres://db/tasks{query}"))).map(|(_, tls)| tls)
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
    fn a_url_says_how_it_is_encrypted() {
        for (query, mode, asked) in [
            ("", TlsMode::Prefer, SslMode::Prefer),
            ("?sslmode=disable", TlsMode::Disable, SslMode::Disable),
            ("?sslmode=prefer&connect_timeout=3", TlsMode::Prefer, SslMode::Prefer),
            ("?sslmode=require", TlsMode::Require, SslMode::Require),
            ("?ssl=require", TlsMode::Require, SslMode::Require),
            ("?sslmode=verify-ca", TlsMode::VerifyCa, SslMode::Require),
            ("?application_name=x&sslmode=verify-full", TlsMode::VerifyFull, SslMode::Require),
        ] {
            assert_eq!(tls(query).unwrap(), TlsSettings { mode, root_certificates: None }, "{query}");
            assert_eq!(check(&format!("postgres://db/tasks{query}")).unwrap().get_ssl_mode(), asked, "{query}");
        }
        let named = tls("?sslrootcert=/etc/my%20ca.pem&sslmode=verify-full").unwrap();
        assert_eq!(named.root_certificates.unwrap().to_str(), Some("/etc/my ca.pem"));
        assert_eq!(tls("?sslmode=verify-full&sslrootcert=system").unwrap().root_certificates, None);
    }

    #[test]
    fn what_cannot_be_meant_of_tls_is_refused_by_name() {
        for mode in ["allow", "Require", "verify", ""] {
            assert!(matches!(tls(&format!("?sslmode={mode}")), Err(ConnectError::TlsMode)), "{mode}");
        }
        for query in ["?sslcert=/me.pem", "?sslmode=require&sslkey=/me.key"] {
            assert!(matches!(tls(query), Err(ConnectError::ClientCertificate(_))), "{query}");
        }
        for query in ["?sslrootcert=/ca.pem", "?sslmode=disable&sslrootcert=/ca.pem"] {
            assert!(matches!(tls(query), Err(ConnectError::UnusedRootCertificates)), "{query}");
        }
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
