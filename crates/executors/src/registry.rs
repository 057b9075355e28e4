//! The built-in executors by task type.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Duration;

use task_protocols::{AccountClient, CalendarClient, ExecutorRegistry, NotificationClient, TaskExecutor};

use crate::backup::{BackupSettings, BackupStores};
use crate::guard::{GuardedClient, OutboundPolicy, SystemLookup};
use crate::limited::{Limited, TypeLimits};
use crate::{
    CalendarEvents, Conversation, DataBackup, Echo, Http, News, NewsMonitor, NewsSettings, Organism, PriceTracker,
    Reminder, Todo, Weather, WeatherAlert, WeatherSettings,
};

/// Finds the executor of a task type.
pub struct Registry {
    by_type: HashMap<&'static str, Arc<dyn TaskExecutor>>,
}

#[derive(Debug, thiserror::Error)]
pub enum RegistryError {
    #[error("two executors handle task type `{0}`; register one")]
    Twice(&'static str),
    #[error("the outbound HTTP client cannot be set up")]
    Client(#[from] reqwest::Error),
}

impl Registry {
    /// Each type within its bounds; the default ones for a type that `limits` does not name.
    ///
    /// # Errors
    /// When two executors handle one type.
    pub fn new(
        executors: Vec<Arc<dyn TaskExecutor>>,
        limits: &BTreeMap<String, TypeLimits>,
    ) -> Result<Self, RegistryError> {
        let mut by_type: HashMap<_, Arc<dyn TaskExecutor>> = HashMap::new();
        for executor in executors {
            for task_type in executor.task_types() {
                let limits = limits.get(*task_type).copied().unwrap_or_default();
                let limited = Limited { executor: Arc::clone(&executor), limits };
                if by_type.insert(*task_type, Arc::new(limited)).is_some() {
                    return Err(RegistryError::Twice(task_type));
                }
            }
        }
        Ok(Self { by_type })
    }
}

impl ExecutorRegistry for Registry {
    fn find(&self, task_type: &str) -> Option<Arc<dyn TaskExecutor>> {
        self.by_type.get(task_type).cloned()
    }
}

/// What the built-in executors work with.
pub struct Builtin {
    /// Of everything that a task's owner names.
    pub policy: OutboundPolicy,
    pub notifications: Arc<dyn NotificationClient>,
    pub calendar: Arc<dyn CalendarClient>,
    pub accounts: Arc<dyn AccountClient>,
    pub stores: BackupStores,
    pub daily_weather: WeatherSettings,
    pub weather_alert: WeatherSettings,
    pub news: NewsSettings,
    pub backup: BackupSettings,
    /// Seconds that a conversation works when its task does not say.
    pub conversation_seconds: f64,
    /// Where the organism is; `None`: its tasks are for outside workers.
    pub organism_url: Option<String>,
    pub limits: BTreeMap<String, TypeLimits>,
}

/// Every executor of this version.
///
/// # Errors
/// When the outbound client cannot be set up.
pub fn builtin(parts: Builtin) -> Result<Registry, RegistryError> {
    let client = GuardedClient::new(parts.policy, Arc::new(SystemLookup))?;
    // What the configuration names is called wherever it is; what a task names, under the policy.
    let operators = GuardedClient::new(OutboundPolicy::operators_choice(), Arc::new(SystemLookup))?;
    let (notifications, accounts) = (parts.notifications, parts.accounts);
    let mut executors: Vec<Arc<dyn TaskExecutor>> = vec![
        Arc::new(Echo),
        Arc::new(Http::new(client.clone())),
        Arc::new(Weather::new(operators.clone(), Arc::clone(&accounts), parts.daily_weather)),
        Arc::new(WeatherAlert::new(operators.clone(), accounts, Arc::clone(&notifications), parts.weather_alert)),
        Arc::new(News::new(client.clone(), operators.clone(), parts.news.clone())),
        Arc::new(NewsMonitor::new(client.clone(), operators.clone(), Arc::clone(&notifications), parts.news)),
        Arc::new(PriceTracker::new(client, Arc::clone(&notifications))),
        Arc::new(Todo::new(Arc::clone(&notifications))),
        Arc::new(Reminder::new(notifications)),
        Arc::new(CalendarEvents::new(parts.calendar, Arc::clone(&parts.stores.tasks))),
        Arc::new(Conversation::new(Arc::clone(&parts.stores.conversations), parts.conversation_seconds)),
        Arc::new(DataBackup::new(parts.stores, parts.backup)),
    ];
    if let Some(url) = parts.organism_url {
        let timeout = parts.limits.get("organism").map_or(Duration::from_secs(600), |limits| limits.timeout);
        executors.push(Arc::new(Organism::new(operators, url, timeout)));
    }
    Registry::new(executors, &parts.limits)
}
