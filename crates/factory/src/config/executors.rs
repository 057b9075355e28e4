//! The sections of the built-in task types.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Deserialize;

/// `[executors.<type>]`, one section a type.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ExecutorsSettings {
    pub echo: TypeSettings,
    pub http: TypeSettings,
    pub custom: TypeSettings,
    pub daily_weather: WeatherSection,
    pub weather_alert: WeatherSection,
    pub daily_news: TypeSettings,
    pub news_monitor: TypeSettings,
    pub price_tracker: TypeSettings,
    pub data_backup: BackupSection,
    pub todo: TypeSettings,
    pub reminder: TypeSettings,
    pub calendar_event: TypeSettings,
    pub conversation: ConversationSection,
    pub organism: OrganismSection,
}

/// The bounds of a type.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TypeSettings {
    pub timeout_seconds: u64,
    pub attempts: u32,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WeatherSection {
    pub timeout_seconds: u64,
    pub attempts: u32,
    pub base_url: String,
    pub geocoding_url: String,
    /// Empty = none.
    pub default_location: String,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct BackupSection {
    pub timeout_seconds: u64,
    pub attempts: u32,
    pub folder: PathBuf,
    pub keep: usize,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConversationSection {
    pub timeout_seconds: u64,
    pub attempts: u32,
    pub processing_seconds: f64,
}

#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct OrganismSection {
    pub timeout_seconds: u64,
    pub attempts: u32,
    /// Empty = none.
    pub base_url: String,
}

/// Where the news types find their feeds.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct FeedSettings {
    pub default_category: String,
    pub sources: BTreeMap<String, String>,
    pub categories: BTreeMap<String, Vec<String>>,
}

impl ExecutorsSettings {
    /// Timeout (seconds) and attempts of every type.
    pub(crate) fn bounds(&self) -> [(&'static str, u64, u32); 14] {
        macro_rules! bounds {
            ($($name:ident),+) => { [$((stringify!($name), self.$name.timeout_seconds, self.$name.attempts)),+] };
        }
        bounds!(
            echo,
            http,
            custom,
            daily_weather,
            weather_alert,
            daily_news,
            news_monitor,
            price_tracker,
            data_backup,
            todo,
            reminder,
            calendar_event,
            conversation,
            organism
        )
    }

    /// The first setting that cannot be used, as a sentence.
    pub(crate) fn problem(&self, feeds: &FeedSettings) -> Option<String> {
        for (name, timeout, attempts) in self.bounds() {
            if !(1..=86_400).contains(&timeout) {
                return Some(format!("executors.{name}.timeout_seconds must be from 1 to 86400"));
            }
            if !(1..=10).contains(&attempts) {
                return Some(format!("executors.{name}.attempts must be from 1 to 10"));
            }
        }
        if !(0.0..=3600.0).contains(&self.conversation.processing_seconds) {
            return Some(
                "executors.conversation.processing_seconds (TASK_PROCESSING_SECONDS) must be from 0 to 3600".into(),
            );
        }
        if self.data_backup.folder.as_os_str().is_empty() {
            return Some("executors.data_backup.folder (BACKUP_FOLDER) must name a folder".into());
        }
        if !(1..=100_000).contains(&self.data_backup.keep) {
            return Some("executors.data_backup.keep must be from 1 to 100000".into());
        }
        let (weather, alert) = (&self.daily_weather, &self.weather_alert);
        let urls = [
            ("executors.daily_weather.base_url", &weather.base_url),
            ("executors.daily_weather.geocoding_url", &weather.geocoding_url),
            ("executors.weather_alert.base_url", &alert.base_url),
            ("executors.weather_alert.geocoding_url", &alert.geocoding_url),
        ];
        let organism = Some(&self.organism.base_url).filter(|url| !url.is_empty());
        let organism = organism.map(|url| ("executors.organism.base_url (ORGANISM_URL)", url));
        for (name, url) in urls.into_iter().chain(organism) {
            if !super::check::is_http_url(url) {
                return Some(format!("{name} must be a URL such as http://10.0.0.7:8080"));
            }
        }
        let feed_urls = feeds.sources.values().chain(feeds.categories.values().flatten());
        if let Some(wrong) = feed_urls.into_iter().find(|url| !super::check::is_http_url(url)) {
            return Some(format!("feeds: `{wrong}` is not the URL of a feed"));
        }
        if !feeds.categories.contains_key(&feeds.default_category) {
            return Some("feeds.default_category must be one of feeds.categories".into());
        }
        None
    }
}
