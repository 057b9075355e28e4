//! Configuration: compiled-in defaults, then a file, then the environment.

mod check;
mod executors;
mod sections;

use std::path::Path;

use config::{Config, File, FileFormat};
use secrecy::{ExposeSecret, SecretString};

pub(crate) use self::executors::WeatherSection;
pub use self::sections::Settings;
pub(crate) use self::sections::{InboundSettings, LogSettings, NeighbourSettings};
use crate::drop_in;
use crate::error::StartError;

const DEFAULTS: &str = include_str!("../defaults.toml");

/// Environment variables and the settings they stand for.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("SERVICE_NAME", "service.name"),
    ("HOST", "service.host"),
    ("SERVICE_PORT", "service.port"),
    ("HTTP_WORKERS", "service.http_workers"),
    ("MAX_STREAMS", "service.max_streams"),
    ("MAX_PROGRESS_ENTRIES", "retention.max_progress_entries"),
    ("PG_DSN", "database.url"),
    ("DATABASE_URL", "database.url"),
    ("DATABASE_POOL_SIZE", "database.pool_size"),
    ("DATABASE_ACQUIRE_TIMEOUT_SECONDS", "database.acquire_timeout_seconds"),
    ("NATS_URL", "nats.url"),
    ("API_KEY", "auth.api_key"),
    ("GATEWAY_SECRET", "auth.gateway_secret"),
    ("EXECUTOR_CONCURRENCY", "executor.concurrency"),
    ("EXECUTOR_LEASE_SECONDS", "executor.lease_seconds"),
    ("TASK_PROCESSING_SECONDS", "executors.conversation.processing_seconds"),
    ("ORGANISM_URL", "executors.organism.base_url"),
    ("BACKUP_FOLDER", "executors.data_backup.folder"),
    ("NOTIFICATION_SERVICE_URL", "neighbours.notification_url"),
    ("CALENDAR_SERVICE_URL", "neighbours.calendar_url"),
    ("ACCOUNT_SERVICE_URL", "neighbours.account_url"),
    ("INBOUND_USER_DELETED_SUBJECT", "inbound.user_deleted_subject"),
    ("INBOUND_SUBSCRIPTION_CHANGED_SUBJECT", "inbound.subscription_changed_subject"),
    ("CONSUL_HOST", "consul.host"),
    ("CONSUL_PORT", "consul.port"),
    ("CONSUL_ADVERTISE_ADDRESS", "consul.advertise_address"),
    ("LOG_LEVEL", "log.level"),
    ("LOG_FORMAT", "log.format"),
    ("DEFAULT_SUBSCRIPTION_LEVEL", "limits.default_level"),
    ("TASK_REPOSITORY_PORT", "drop_in.task_repository_port"),
    ("TASK_MANAGEMENT_PORT", "drop_in.task_management_port"),
    ("TASK_MANAGEMENT_CONCURRENCY", "drop_in.task_management_concurrency"),
    ("SEEDCORE_PORT", "drop_in.seedcore_port"),
    ("TASK_TRACKER_PORT", "drop_in.task_tracker_port"),
    ("TASK_MANAGEMENT_API_KEY", "drop_in.task_management_key"),
    ("SEEDCORE_API_KEY", "drop_in.seedcore_key"),
    ("TASK_TRACKER_API_KEY", "drop_in.task_tracker_key"),
    ("DROP_IN_OPEN", "drop_in.open"),
    ("DROP_IN_CORS_ORIGINS", "drop_in.cors_origins"),
];

impl Settings {
    /// Reads the configuration of this process.
    ///
    /// # Errors
    /// A value that cannot be read, an unknown key, or a combination that makes no sense.
    pub fn load(file: Option<&Path>, development: bool) -> Result<Self, StartError> {
        Self::from_environment(file, development, |name| std::env::var(name).ok())
    }

    /// The same, with the environment as an argument. An empty variable counts as unset.
    pub fn from_environment(
        file: Option<&Path>,
        development: bool,
        environment: impl Fn(&str) -> Option<String>,
    ) -> Result<Self, StartError> {
        let get = |name: &str| environment(name).filter(|value| !value.trim().is_empty());
        let wrong = |error: config::ConfigError| StartError::Config(with_variable(error.to_string(), &get));
        let mut builder = Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
        if development {
            // Before the file and the environment, which may still say otherwise.
            builder = builder.add_source(File::from_str("limits.default_level = \"enterprise\"", FileFormat::Toml));
            builder = builder.add_source(File::from_str(drop_in::DEVELOPMENT, FileFormat::Toml));
        }
        if let Some(path) = file {
            builder = builder.add_source(File::from(path).format(FileFormat::Toml));
        }
        if let Some(url) = postgres_parts(&get) {
            builder = builder.set_override("database.url", url).map_err(wrong)?;
        }
        for (name, key) in ENVIRONMENT {
            if let Some(value) = get(name) {
                builder = builder.set_override(*key, value).map_err(wrong)?;
            }
        }
        let mut settings: Self = builder.build().and_then(Config::try_deserialize).map_err(wrong)?;
        settings.development = development;
        settings.check()?;
        Ok(settings)
    }

    /// Whether the service may listen like this: development mode on loopback only.
    ///
    /// # Errors
    /// What is missing, and what to set.
    pub fn check_access(&self) -> Result<(), StartError> {
        if self.development && !is_loopback(&self.service.host) {
            return Err(StartError::DevelopmentNotLoopback { host: self.service.host.clone() });
        }
        Ok(())
    }

    /// Whether the settings name anything that callers can show.
    pub fn has_credentials(&self) -> bool {
        self.development || !self.gateway_secrets().is_empty() || self.api_key().is_some()
    }

    /// The gateway secrets, none when unset.
    pub fn gateway_secrets(&self) -> Vec<SecretString> {
        let parts = self.auth.gateway_secret.expose_secret().split(',').map(str::trim).filter(|part| !part.is_empty());
        parts.map(SecretString::from).collect()
    }

    /// The bootstrap key; `dev_api_key` in development mode when none is set.
    pub fn api_key(&self) -> Option<SecretString> {
        let key = self.auth.api_key.expose_secret();
        match (key.is_empty(), self.development) {
            (false, _) => Some(SecretString::from(key)),
            (true, true) => Some(SecretString::from("dev_api_key")),
            (true, false) => None,
        }
    }
}

/// Names the variable, too, where an error names the setting that was read from one.
fn with_variable(error: String, get: &impl Fn(&str) -> Option<String>) -> String {
    let named = ENVIRONMENT.iter().find(|(name, key)| error.contains(&format!("`{key}`")) && get(name).is_some());
    match named {
        Some((name, _)) => format!("{error} ({name})"),
        None => error,
    }
}

pub(crate) fn is_loopback(host: &str) -> bool {
    host == "localhost" || host.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// A URL from `POSTGRES_HOST` and its companions.
fn postgres_parts(get: &impl Fn(&str) -> Option<String>) -> Option<String> {
    let host = get("POSTGRES_HOST")?;
    let part = |name: &str, default: &str| get(name).unwrap_or_else(|| default.to_owned());
    let (port, database, user) =
        (part("POSTGRES_PORT", "5432"), part("POSTGRES_DB", "postgres"), part("POSTGRES_USER", "postgres"));
    let password = get("POSTGRES_PASSWORD").map(|p| format!(":{}", escape(&p))).unwrap_or_default();
    Some(format!("postgres://{}{password}@{host}:{port}/{}", escape(&user), escape(&database)))
}

/// Percent-encodes what would end a part of a URL.
fn escape(text: &str) -> String {
    text.bytes()
        .map(|byte| {
            if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
                char::from(byte).to_string()
            } else {
                format!("%{byte:02X}")
            }
        })
        .collect()
}

#[cfg(test)]
mod tests;
