//! `news_monitor`: tells the owner when the news mention something, once.

use std::collections::BTreeSet;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use task_domain::JsonObject;
use task_protocols::{ConfigProblem, ExecutionContext, ExecutorError, NotificationClient, Outcome, TaskExecutor};

use super::feeds::{self, Feed, FeedClients, Item};
use super::{MAX_LIMIT, NewsSettings};
use crate::fields::{Fields, invalid_config};
use crate::guard::GuardedClient;
use crate::shared::{notify, progress, unless_cancelled};

const MAX_KEYWORDS: usize = 50;
const MAX_KEYWORD: usize = 100;
/// Key in the task's metadata: which items were reported.
const SEEN: &str = "news_seen";
const MAX_SEEN: usize = 500;
/// How many titles a notification lists.
const LISTED: usize = 5;

/// Config: `keywords` (1–50), `sources` and `categories` as of `daily_news`, `since_last_run`
/// (default true), `limit` 1–100 of the matches that the result lists, default 100.
#[derive(Clone)]
pub struct NewsMonitor {
    clients: FeedClients,
    notifications: Arc<dyn NotificationClient>,
    settings: NewsSettings,
}

struct Watch {
    feeds: Vec<Feed>,
    /// As written, and in lower case.
    keywords: Vec<(String, String)>,
    since_last_run: bool,
    limit: usize,
}

/// What this run may call new.
struct News {
    /// Whether this run remembers, and looks at what earlier ones remember.
    remembers: bool,
    /// What is older counts as seen: when nothing was remembered, or more than there was room for.
    since: Option<DateTime<Utc>>,
    /// Fingerprints of matches: of earlier runs, and of this one.
    before: Vec<String>,
    now: Vec<String>,
}

impl NewsMonitor {
    /// `operators` reads the feeds of the settings, `guarded` those that a task names.
    pub fn new(
        guarded: GuardedClient,
        operators: GuardedClient,
        notifications: Arc<dyn NotificationClient>,
        settings: NewsSettings,
    ) -> Self {
        Self { clients: FeedClients { guarded, operators }, notifications, settings }
    }

    fn read(&self, config: &JsonObject) -> Result<Watch, Vec<ConfigProblem>> {
        let mut fields = Fields::of(config);
        fields.required("keywords");
        let keywords = fields.texts("keywords", MAX_KEYWORDS, MAX_KEYWORD);
        let keywords = keywords.into_iter().map(|word| (word.to_lowercase(), word)).map(|(lower, word)| (word, lower));
        let keywords = keywords.collect();
        let feeds = self.settings.feeds(&mut fields);
        let since_last_run = fields.flag("since_last_run", true);
        let limit = usize::try_from(fields.number("limit", MAX_LIMIT, 1, MAX_LIMIT)).unwrap_or_default();
        fields.finish(Watch { feeds, keywords, since_last_run, limit })
    }

    async fn run(&self, context: &ExecutionContext) -> Result<Outcome, ExecutorError> {
        let watch = self.read(&context.task.config).map_err(invalid_config)?;
        let calls = watch.feeds.len();
        progress(context, 0, &format!("Reading {calls} feeds")).await;
        let merged = feeds::fetch_all(&self.clients, watch.feeds, self.settings.timeout).await?;
        progress(context, 80, &format!("Looking through {} items", merged.items.len())).await;

        let mut news = News::of(context, watch.since_last_run);
        let mut matches = Vec::new();
        for item in &merged.items {
            let keywords = mentioned(item, &watch.keywords);
            if !keywords.is_empty() && news.is_new(item) {
                let mut found = item.to_json();
                found["keywords"] = json!(keywords);
                matches.push((item, found));
            }
        }
        let count = matches.len();
        let message = match count {
            0 => "Nothing new about the keywords".to_owned(),
            1 => "1 new item about the keywords".to_owned(),
            n => format!("{n} new items about the keywords"),
        };
        if count > 0 {
            let titles: Vec<_> = matches.iter().take(LISTED).map(|(item, _)| format!("- {}", item.title)).collect();
            let content = format!("{message}:\n{}", titles.join("\n"));
            notify(self.notifications.as_ref(), context, &format!("News: {}", context.task.name), &content).await;
        }
        let listed: Vec<Value> = matches.into_iter().take(watch.limit).map(|(_, found)| found).collect();
        let data = json!({
            "matches": listed,
            "count": count,
            "keywords": watch.keywords.iter().map(|(word, _)| word).collect::<Vec<_>>(),
            "since": news.since,
            "failed_sources": merged.failed,
        });
        let result = json!({"status": "success", "message": message, "monitored_data": data});
        let api_calls_made = i64::try_from(calls).unwrap_or_default();
        Ok(Outcome { result, api_calls_made, metadata: news.seen(), tokens_used: 0 })
    }
}

impl News {
    fn of(context: &ExecutionContext, remembers: bool) -> Self {
        if !remembers {
            return Self { remembers, since: None, before: Vec::new(), now: Vec::new() };
        }
        let seen = context.task.metadata.as_ref().and_then(|metadata| metadata.get(SEEN)).and_then(Value::as_array);
        let complete = seen.is_some_and(|seen| seen.len() < MAX_SEEN);
        let before = seen.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect();
        // The last success: what a failed run did not report is still new.
        let since = context.task.last_success_time.filter(|_| !complete);
        Self { remembers, since, before, now: Vec::new() }
    }

    /// A feed may bring an item long after its date, so what was seen decides, and not the date.
    fn is_new(&mut self, item: &Item) -> bool {
        if !self.remembers {
            return true;
        }
        let id = fingerprint(item);
        let known = self.before.contains(&id);
        self.now.push(id);
        !known && self.since.zip(item.published).is_none_or(|(since, published)| published > since)
    }

    /// What the next run must know: what the feeds still have first, then what may come back.
    fn seen(self) -> JsonObject {
        let Self { remembers, before, now: mut seen, .. } = self;
        let mut metadata = JsonObject::new();
        if remembers {
            let known: BTreeSet<_> = seen.iter().cloned().collect();
            seen.extend(before.into_iter().filter(|id| !known.contains(id)));
            seen.truncate(MAX_SEEN);
            metadata.insert(SEEN.into(), json!(seen));
        }
        metadata
    }
}

/// Short, and the same at every run.
fn fingerprint(item: &Item) -> String {
    Sha256::digest(item.key().as_bytes()).iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The keywords that a title or summary contains as a whole: `ai` is in "AI, again", not in "said".
fn mentioned<'a>(item: &Item, keywords: &'a [(String, String)]) -> BTreeSet<&'a str> {
    let text = format!("{}\n{}", item.title, item.summary).to_lowercase();
    keywords.iter().filter(|(_, lower)| contains_whole(&text, lower)).map(|(word, _)| word.as_str()).collect()
}

fn contains_whole(text: &str, keyword: &str) -> bool {
    // Scripts without upper case (Chinese, Japanese, Thai …) do not put spaces between words.
    let joins = |a: Option<char>, b: Option<char>| {
        let letter = |c: char| c.is_numeric() || c.is_lowercase() || c.is_uppercase();
        a.is_some_and(letter) && b.is_some_and(letter)
    };
    text.match_indices(keyword).any(|(start, found)| {
        let (before, after) = (&text[..start], &text[start + found.len()..]);
        !joins(before.chars().next_back(), found.chars().next())
            && !joins(found.chars().next_back(), after.chars().next())
    })
}

#[async_trait]
impl TaskExecutor for NewsMonitor {
    fn task_types(&self) -> &'static [&'static str] {
        &["news_monitor"]
    }

    fn validate_config(&self, config: &JsonObject) -> Vec<ConfigProblem> {
        self.read(config).err().unwrap_or_default()
    }

    async fn execute(&self, context: ExecutionContext) -> Result<Outcome, ExecutorError> {
        unless_cancelled(&context, self.run(&context)).await
    }
}
