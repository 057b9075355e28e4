//! The built-in executors, from the settings.

use std::time::Duration;

use task_executors::{
    BackupSettings, BackupStores, Builtin, NewsSettings, Registry, TypeLimits, WeatherSettings, builtin,
};

use super::engine::Stores;
use super::neighbours::Neighbours;
use super::outbound;
use crate::config::{Settings, WeatherSection};
use crate::error::StartError;

/// For one call to a weather service or for one feed.
const CALL_TIMEOUT: Duration = Duration::from_secs(10);

pub(crate) fn registry(settings: &Settings, stores: &Stores, neighbours: &Neighbours) -> Result<Registry, StartError> {
    let types = &settings.executors;
    let limits = types.bounds().map(|(name, timeout, attempts)| {
        (name.to_owned(), TypeLimits { timeout: Duration::from_secs(timeout), attempts })
    });
    let parts = Builtin {
        policy: outbound::policy(settings)?,
        notifications: neighbours.notifications.clone(),
        calendar: neighbours.calendar.clone(),
        accounts: neighbours.accounts.clone(),
        stores: BackupStores {
            tasks: stores.tasks.clone(),
            executions: stores.executions.clone(),
            conversations: stores.conversations.clone(),
        },
        daily_weather: weather(&types.daily_weather),
        weather_alert: weather(&types.weather_alert),
        news: NewsSettings {
            sources: settings.feeds.sources.clone(),
            categories: settings.feeds.categories.clone(),
            default_category: settings.feeds.default_category.clone(),
            timeout: CALL_TIMEOUT,
        },
        backup: BackupSettings { folder: types.data_backup.folder.clone(), keep: types.data_backup.keep },
        conversation_seconds: types.conversation.processing_seconds,
        organism_url: Some(types.organism.base_url.clone()).filter(|url| !url.is_empty()),
        limits: limits.into(),
    };
    builtin(parts).map_err(|e| StartError::Internal(e.to_string()))
}

fn weather(section: &WeatherSection) -> WeatherSettings {
    WeatherSettings {
        geocoding_url: section.geocoding_url.clone(),
        forecast_url: section.base_url.clone(),
        default_location: Some(section.default_location.clone()).filter(|place| !place.is_empty()),
        timeout: CALL_TIMEOUT,
    }
}
