//! The sections of the configuration, as they stand in `defaults.toml`.

use std::collections::HashMap;
use std::time::Duration;

use secrecy::SecretString;
use serde::Deserialize;
use task_domain::fair_share::{MAX_WEIGHT, MIN_WEIGHT};
use task_domain::{Limits, SubscriptionLevel, TypeLimits};
use task_service::RetentionConfig;

use super::executors::{ExecutorsSettings, FeedSettings};
use crate::drop_in::DropInSettings;

/// Every setting.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    pub service: ServiceSettings,
    pub database: DatabaseSettings,
    pub nats: NatsSettings,
    pub auth: AuthSettings,
    pub executor: ExecutorSettings,
    pub executors: ExecutorsSettings,
    pub feeds: FeedSettings,
    pub outbound: OutboundSettings,
    pub neighbours: NeighbourSettings,
    pub consul: ConsulSettings,
    pub inbound: InboundSettings,
    pub log: LogSettings,
    pub retention: RetentionSettings,
    pub limits: LimitsSettings,
    pub fair_share: FairShareSettings,
    pub concurrency: ConcurrencySettings,
    pub drop_in: DropInSettings,
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
    /// Open streams that one instance serves.
    pub max_streams: usize,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DatabaseSettings {
    pub url: SecretString,
    pub pool_size: usize,
    /// Longest wait for a connection.
    pub acquire_timeout_seconds: u64,
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
    pub calendar_url: String,
    pub account_url: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConsulSettings {
    /// Empty: no registration.
    pub host: String,
    pub port: u16,
    /// Where others reach this instance; empty: `service.host`, or this machine's address towards
    /// Consul when that is a wildcard.
    pub advertise_address: String,
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
    /// At least 1.
    pub max_progress_entries: i64,
    pub idempotency_keys_hours: u64,
    pub inbox_ids_days: u64,
    pub deleted_tasks_days: u64,
    pub ended_tasks_days: u64,
    pub stream_days: u64,
    pub interval_seconds: u64,
    pub batch: i64,
    pub batches: usize,
}

impl RetentionSettings {
    pub(crate) fn config(&self) -> RetentionConfig {
        let hours = |hours: u64| Duration::from_secs(hours * 3600);
        RetentionConfig {
            events: hours(self.events_hours),
            idempotency_keys: hours(self.idempotency_keys_hours),
            inbox_ids: hours(self.inbox_ids_days * 24),
            deleted_tasks: hours(self.deleted_tasks_days * 24),
            ended_tasks: hours(self.ended_tasks_days * 24),
            interval: Duration::from_secs(self.interval_seconds),
            batch: self.batch,
            batches: self.batches,
        }
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InboundSettings {
    /// Empty: not subscribed to.
    pub user_deleted_subject: String,
    pub subscription_changed_subject: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LimitsSettings {
    pub default_level: SubscriptionLevel,
    pub levels: Limits,
}

impl LimitsSettings {
    /// The first limit that cannot be meant, as a sentence.
    pub(crate) fn problem(&self) -> Option<String> {
        SubscriptionLevel::ALL.iter().find_map(|level| {
            let of = self.levels.of(*level);
            let name = |limit: &str| format!("limits.levels.{level}.{limit}");
            let counts = [
                ("active_tasks", of.active_tasks),
                ("daily_executions", of.daily_executions),
                ("task_execution_rate", of.task_execution_rate),
            ];
            let negative = counts.into_iter().find(|(_, limit)| limit.is_some_and(|limit| limit < 0));
            if let Some((limit, _)) = negative {
                return Some(format!("{} must be 0 or more; leave it out for no limit", name(limit)));
            }
            let shortest = of.schedule_interval;
            if shortest < 1 {
                return Some(format!("{} must be 1 or more seconds", name("schedule_interval")));
            }
            let is_weight = (MIN_WEIGHT..=MAX_WEIGHT).contains(&of.weight);
            (!is_weight).then(|| format!("{} must be from {MIN_WEIGHT} to {MAX_WEIGHT}", name("weight")))
        })
    }
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FairShareSettings {
    /// By user or key id; everybody else's is that of its level.
    pub weights: HashMap<String, u32>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConcurrencySettings {
    /// By task type; those that are not named have no limit.
    pub types: HashMap<String, TypeSettings>,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypeSettings {
    /// So many tasks of the type run at once in each tenant.
    pub max_concurrent: i32,
}

impl ConcurrencySettings {
    pub(crate) fn type_limits(&self) -> TypeLimits {
        TypeLimits::new(self.types.iter().map(|(name, settings)| (name.clone(), settings.max_concurrent)).collect())
    }
}
