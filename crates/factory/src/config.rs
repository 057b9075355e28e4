//! Configuration: compiled-in defaults, then a file, then the environment.

use std::path::Path;

use config::{Config, File, FileFormat};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use task_domain::{Limits, SubscriptionLevel};

use crate::error::StartError;

const DEFAULTS: &str = include_str!("defaults.toml");

/// Environment variables and the settings they stand for.
const ENVIRONMENT: &[(&str, &str)] = &[
    ("SERVICE_NAME", "service.name"),
    ("HOST", "service.host"),
    ("SERVICE_PORT", "service.port"),
    ("HTTP_WORKERS", "service.http_workers"),
    ("PG_DSN", "database.url"),
    ("DATABASE_URL", "database.url"),
    ("DATABASE_POOL_SIZE", "database.pool_size"),
    ("NATS_URL", "nats.url"),
    ("API_KEY", "auth.api_key"),
    ("GATEWAY_SECRET", "auth.gateway_secret"),
    ("EXECUTOR_CONCURRENCY", "executor.concurrency"),
    ("EXECUTOR_LEASE_SECONDS", "executor.lease_seconds"),
    ("NOTIFICATION_SERVICE_URL", "neighbours.notification_url"),
    ("LOG_LEVEL", "log.level"),
    ("LOG_FORMAT", "log.format"),
    ("DEFAULT_SUBSCRIPTION_LEVEL", "limits.default_level"),
];

/// Every setting.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub service: ServiceSettings,
    pub database: DatabaseSettings,
    pub nats: NatsSettings,
    pub auth: AuthSettings,
    pub executor: ExecutorSettings,
    pub outbound: OutboundSettings,
    pub neighbours: NeighbourSettings,
    pub log: LogSettings,
    pub retention: RetentionSettings,
    pub limits: LimitsSettings,
    /// Set by `--dev` and nothing else.
    #[serde(skip)]
    pub development: bool,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServiceSettings {
    pub name: String,
    pub host: String,
    /// 0 = any free port.
    pub port: u16,
    pub http_workers: usize,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSettings {
    pub url: SecretString,
    pub pool_size: usize,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NatsSettings {
    pub url: SecretString,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AuthSettings {
    pub api_key: SecretString,
    pub gateway_secret: SecretString,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecutorSettings {
    pub concurrency: usize,
    pub lease_seconds: u64,
    pub timeout_seconds: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OutboundSettings {
    pub allow_http: bool,
    pub allowed_ports: Vec<u16>,
    pub allow_networks: Vec<String>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NeighbourSettings {
    pub notification_url: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LogSettings {
    pub level: String,
    pub format: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RetentionSettings {
    pub events_hours: u64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsSettings {
    pub default_level: SubscriptionLevel,
    pub levels: Limits,
}

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
        let wrong = |error: config::ConfigError| StartError::Config(error.to_string());
        let mut builder = Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
        if development {
            // Before the file and the environment, which may still say otherwise.
            builder = builder.add_source(File::from_str("limits.default_level = \"enterprise\"", FileFormat::Toml));
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

    fn check(&self) -> Result<(), StartError> {
        let wrong = |message: &str| Err(StartError::Config(message.to_owned()));
        if !(5..=86_400).contains(&self.executor.lease_seconds) {
            return wrong("executor.lease_seconds (EXECUTOR_LEASE_SECONDS) must be from 5 to 86400");
        }
        if self.executor.concurrency > 1000 {
            return wrong("executor.concurrency (EXECUTOR_CONCURRENCY) must be from 0 to 1000");
        }
        if !(1..=500).contains(&self.database.pool_size) {
            return wrong("database.pool_size (DATABASE_POOL_SIZE) must be from 1 to 500");
        }
        if !(1..=64).contains(&self.service.http_workers) {
            return wrong("service.http_workers (HTTP_WORKERS) must be from 1 to 64");
        }
        Ok(())
    }

    /// Whether the service may listen like this: development mode on loopback only, and otherwise
    /// with a credential that callers can show. Commands that do not serve need neither.
    ///
    /// # Errors
    /// What is missing, and what to set.
    pub fn check_access(&self) -> Result<(), StartError> {
        if self.development && !is_loopback(&self.service.host) {
            return Err(StartError::DevelopmentNotLoopback { host: self.service.host.clone() });
        }
        if !self.development && self.gateway_secrets().is_empty() && self.api_key().is_none() {
            return Err(StartError::NoCredentials);
        }
        Ok(())
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

fn is_loopback(host: &str) -> bool {
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
mod tests {
    use super::*;

    fn load(development: bool, pairs: &[(&str, &str)]) -> Result<Settings, StartError> {
        Settings::from_environment(None, development, |name| {
            pairs.iter().find(|(n, _)| *n == name).map(|(_, v)| (*v).to_owned())
        })
    }

    #[test]
    fn development_needs_nothing_and_stays_on_loopback() {
        let settings = load(true, &[]).unwrap();
        assert_eq!(settings.limits.default_level, SubscriptionLevel::Enterprise);
        assert_eq!(settings.api_key().unwrap().expose_secret(), "dev_api_key");
        assert_eq!(settings.database.url.expose_secret(), "sqlite://data/tasks.db");
        let open = load(true, &[("HOST", "0.0.0.0")]).unwrap();
        assert!(matches!(open.check_access(), Err(StartError::DevelopmentNotLoopback { .. })));
    }

    #[test]
    fn without_a_credential_the_start_is_refused() {
        assert!(matches!(load(false, &[]).unwrap().check_access(), Err(StartError::NoCredentials)));
        assert!(load(false, &[("API_KEY", "k")]).unwrap().check_access().is_ok());
        let settings = load(false, &[("GATEWAY_SECRET", "a, b")]).unwrap();
        assert!(settings.check_access().is_ok());
        assert_eq!(settings.gateway_secrets().len(), 2);
        assert_eq!(settings.limits.default_level, SubscriptionLevel::Basic);
        assert!(settings.api_key().is_none());
    }

    #[test]
    fn the_environment_wins_and_a_wrong_value_is_named() {
        let settings = load(true, &[("SERVICE_PORT", "9000"), ("DEFAULT_SUBSCRIPTION_LEVEL", "free")]).unwrap();
        assert_eq!((settings.service.port, settings.limits.default_level), (9000, SubscriptionLevel::Free));
        let error = load(true, &[("SERVICE_PORT", "many")]).unwrap_err().to_string();
        assert!(error.contains("port"), "{error}");
        let error = load(true, &[("DEFAULT_SUBSCRIPTION_LEVEL", "gold")]).unwrap_err().to_string();
        assert!(error.contains("free, basic, pro, enterprise"), "{error}");
    }

    #[test]
    fn postgres_may_be_named_in_parts() {
        let settings = load(
            true,
            &[
                ("POSTGRES_HOST", "db"),
                ("POSTGRES_USER", "me"),
                ("POSTGRES_PASSWORD", "p@ss"),
                ("POSTGRES_DB", "tasks"),
            ],
        )
        .unwrap();
        assert_eq!(settings.database.url.expose_secret(), "postgres://me:p%40ss@db:5432/tasks");
    }
}
