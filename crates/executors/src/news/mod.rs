//! `daily_news`: what the feeds say, merged. `news_monitor` is next door.
//!
//! Deliberately absent: conditional requests (ETag, Last-Modified); a feed is read whole at every run.

mod feeds;
mod monitor;
mod tame;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use task_domain::JsonObject;
use task_protocols::{ConfigProblem, ExecutionContext, ExecutorError, Outcome, TaskExecutor};

use feeds::{Feed, FeedClients};
pub use monitor::NewsMonitor;

use crate::fields::{Fields, invalid_config, is_web_url};
use crate::guard::GuardedClient;
use crate::shared::{progress, unless_cancelled};

const MAX_NAMED: usize = 50;
const MAX_TEXT: usize = 2000;
const MAX_LIMIT: u64 = 100;
const DEFAULT_LIMIT: u64 = 20;

/// Where the news come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewsSettings {
    /// Feed URLs by the name that a task's `sources` may use.
    pub sources: BTreeMap<String, String>,
    /// Feed URLs by category.
    pub categories: BTreeMap<String, Vec<String>>,
    /// Of a task that names neither categories nor sources.
    pub default_category: String,
    /// For each feed.
    pub timeout: Duration,
}

impl NewsSettings {
    /// The feeds that a config's `sources` and `categories` name, each URL once.
    fn feeds(&self, fields: &mut Fields<'_>) -> Vec<Feed> {
        let mut feeds = Vec::new();
        for source in fields.texts("sources", MAX_NAMED, MAX_TEXT) {
            match self.sources.get(&source).or_else(|| self.sources.get(&source.to_ascii_lowercase())) {
                Some(url) => feeds.push(Feed { name: Some(source), url: url.clone(), is_operators: true }),
                None if is_web_url(&source) => feeds.push(Feed { name: None, url: source, is_operators: false }),
                None => {
                    let names = names(self.sources.keys());
                    fields
                        .problem("sources", format!("`{source}` is not a source; use a feed's URL or one of: {names}"));
                }
            }
        }
        let mut categories = fields.texts("categories", MAX_NAMED, MAX_TEXT);
        if fields.present("sources").is_none() && fields.present("categories").is_none() {
            categories.push(self.default_category.clone());
        }
        for category in categories {
            match self.categories.get(&category).or_else(|| self.categories.get(&category.to_ascii_lowercase())) {
                Some(urls) => {
                    feeds.extend(urls.iter().map(|url| Feed { name: None, url: url.clone(), is_operators: true }));
                }
                None => {
                    let names = names(self.categories.keys());
                    fields.problem("categories", format!("`{category}` is not a category; use one of: {names}"));
                }
            }
        }
        let mut seen = BTreeSet::new();
        feeds.retain(|feed| seen.insert(feed.url.clone()));
        feeds
    }
}

fn names<'a>(names: impl Iterator<Item = &'a String>) -> String {
    names.map(String::as_str).collect::<Vec<_>>().join(", ")
}

/// Config: `sources` (names or feed URLs), `categories`, each one or a list; `limit` 1–100, default 20.
#[derive(Clone)]
pub struct News {
    clients: FeedClients,
    settings: NewsSettings,
}

impl News {
    /// `operators` reads the feeds of the settings, `guarded` those that a task names.
    pub fn new(guarded: GuardedClient, operators: GuardedClient, settings: NewsSettings) -> Self {
        Self { clients: FeedClients { guarded, operators }, settings }
    }

    fn read(&self, config: &JsonObject) -> Result<(Vec<Feed>, usize), Vec<ConfigProblem>> {
        let mut fields = Fields::of(config);
        let feeds = self.settings.feeds(&mut fields);
        let limit = fields.number("limit", DEFAULT_LIMIT, 1, MAX_LIMIT);
        fields.finish((feeds, usize::try_from(limit).unwrap_or_default()))
    }

    async fn run(&self, context: &ExecutionContext) -> Result<Outcome, ExecutorError> {
        let (feeds, limit) = self.read(&context.task.config).map_err(invalid_config)?;
        let (calls, all) = (feeds.len(), feeds.len());
        progress(context, 0, &format!("Reading {all} feeds")).await;
        let mut merged = feeds::fetch_all(&self.clients, feeds, self.settings.timeout).await?;
        progress(context, 90, &format!("Merging {} items", merged.items.len())).await;
        merged.items.truncate(limit);
        let count = merged.items.len();
        let message = format!("{count} items from {} of {all} feeds", all - merged.failed.len());
        let items: Vec<_> = merged.items.iter().map(feeds::Item::to_json).collect();
        let data = json!({"items": items, "count": count, "failed_sources": merged.failed});
        let result = json!({"status": "success", "message": message, "news_data": data});
        Ok(Outcome { result, api_calls_made: i64::try_from(calls).unwrap_or_default(), ..Outcome::default() })
    }
}

#[async_trait]
impl TaskExecutor for News {
    fn task_types(&self) -> &'static [&'static str] {
        &["daily_news"]
    }

    fn validate_config(&self, config: &JsonObject) -> Vec<ConfigProblem> {
        self.read(config).err().unwrap_or_default()
    }

    async fn execute(&self, context: ExecutionContext) -> Result<Outcome, ExecutorError> {
        unless_cancelled(&context, self.run(&context)).await
    }
}
