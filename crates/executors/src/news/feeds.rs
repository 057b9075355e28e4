//! Fetches feeds and merges what they say.

use std::cmp::Reverse;
use std::collections::BTreeSet;
use std::time::Duration;

use chrono::{DateTime, SecondsFormat, Utc};
use feed_rs::model::{Entry, Text};
use futures::StreamExt;
use serde_json::{Value, json};
use task_protocols::ExecutorError;
use url::Url;

use super::tame;
use crate::guard::{Fetched, GuardedClient};
use crate::markup::plain_text;
use crate::shared::{failure, fetch, shortened};

const AT_ONCE: usize = 8;
const ACCEPT: &str =
    "application/rss+xml, application/atom+xml, application/feed+json, application/xml;q=0.9, */*;q=0.5";
/// What a client that follows nothing says of an answer that leads elsewhere.
const MOVED: &str = "too_many_redirects";
/// Of one feed; what a feed has beyond is old.
const MAX_ITEMS: usize = 500;
const MAX_TITLE: usize = 300;
const MAX_SUMMARY: usize = 500;
/// How much of a summary's markup is looked at, characters.
const MAX_MARKUP: usize = 16 * 1024;

/// A feed to read; without a name it goes by its own title.
#[derive(Debug, Clone)]
pub(super) struct Feed {
    pub(super) name: Option<String>,
    pub(super) url: String,
    /// The configuration names it, not a task.
    pub(super) is_operators: bool,
}

/// One piece of news.
#[derive(Debug, Clone)]
pub(super) struct Item {
    /// As the feed says; empty when it does not.
    id: String,
    pub(super) title: String,
    link: Option<String>,
    pub(super) summary: String,
    pub(super) published: Option<DateTime<Utc>>,
    source: String,
}

/// The news of all feeds, newest first, those without a date last; each once.
pub(super) struct Merged {
    pub(super) items: Vec<Item>,
    /// `{source, code, message}` of each feed that could not be read.
    pub(super) failed: Vec<Value>,
}

impl Item {
    /// What two copies of one item have in common.
    pub(super) fn key(&self) -> String {
        match (&self.link, self.id.as_str()) {
            (Some(link), _) => format!("link {link}"),
            (None, "") => format!("title {}", self.title.to_lowercase()),
            (None, id) => format!("id {id}"),
        }
    }

    pub(super) fn to_json(&self) -> Value {
        json!({
            "title": self.title,
            "link": self.link,
            "summary": self.summary,
            "published": self.published.map(|at| at.to_rfc3339_opts(SecondsFormat::Secs, true)),
            "source": self.source,
        })
    }
}

/// What feeds are read with.
#[derive(Clone)]
pub(super) struct FeedClients {
    /// What a task's owner names.
    pub(super) guarded: GuardedClient,
    /// What the operator names.
    pub(super) operators: GuardedClient,
}

impl FeedClients {
    async fn fetch(&self, feed: &Feed, timeout: Duration) -> Result<Fetched, ExecutorError> {
        let fetch = |client| fetch(client, feed.url.clone(), ACCEPT, Some(timeout));
        if feed.is_operators {
            match fetch(&self.operators).await {
                // It has moved: where it leads was chosen by others, and is checked as theirs.
                Err(error) if error.code == MOVED => {}
                read => return read,
            }
        }
        fetch(&self.guarded).await
    }
}

/// Reads every feed, some at once.
///
/// # Errors
/// `feeds_unavailable` (retryable) when none could be read.
pub(super) async fn fetch_all(
    clients: &FeedClients,
    feeds: Vec<Feed>,
    timeout: Duration,
) -> Result<Merged, ExecutorError> {
    let all = feeds.len();
    let reads = feeds.into_iter().map(|feed| {
        let clients = clients.clone();
        async move {
            let read = fetch_one(&clients, &feed, timeout).await;
            (feed, read)
        }
    });
    let reads: Vec<_> = futures::stream::iter(reads).buffered(AT_ONCE).collect().await;

    let (mut items, mut failed) = (Vec::new(), Vec::new());
    for (feed, read) in reads {
        match read {
            Ok(read) => items.extend(read),
            Err(error) => failed.push(json!({
                "source": feed.name.unwrap_or(feed.url),
                "code": error.code,
                "message": error.message,
            })),
        }
    }
    if failed.len() == all {
        let mut error = failure("feeds_unavailable", "None of the feeds could be read", true);
        error.details = Some(json!({"failed_sources": failed}));
        return Err(error);
    }
    items.sort_by_key(|item| Reverse(item.published));
    let mut seen = BTreeSet::new();
    items.retain(|item| seen.insert(item.key()));
    Ok(Merged { items, failed })
}

async fn fetch_one(clients: &FeedClients, feed: &Feed, timeout: Duration) -> Result<Vec<Item>, ExecutorError> {
    let fetched = clients.fetch(feed, timeout).await?;
    if let Some(reason) = tame::refusal(&fetched.body) {
        return Err(failure("invalid_feed", format!("The feed is not read: {reason}"), false));
    }
    parse(feed, &fetched.body)
        .map_err(|error| failure("invalid_feed", format!("This is not an RSS, Atom or JSON feed: {error}"), false))
}

fn parse(feed: &Feed, body: &[u8]) -> Result<Vec<Item>, feed_rs::parser::ParseFeedError> {
    let parser = feed_rs::parser::Builder::new()
        .base_uri(Some(&feed.url))
        .sanitize_content(false)
        // An id that was made up would differ at every run.
        .id_generator(|_, _, _| String::new())
        .build();
    let read = parser.parse(body)?;
    let own_title = read.title.map(|title| shortened(&title_text(&title), MAX_TITLE)).filter(|title| !title.is_empty());
    let source = feed.name.clone().or(own_title).unwrap_or_else(|| host(&feed.url));
    let items = read.entries.into_iter().take(MAX_ITEMS).map(|entry| item(entry, &source));
    Ok(items.filter(|item| !item.title.is_empty() || item.link.is_some()).collect())
}

fn item(entry: Entry, source: &str) -> Item {
    let is_page = |link: &&feed_rs::model::Link| {
        link.rel.as_deref().is_none_or(|rel| rel == "alternate")
            && (link.href.starts_with("https://") || link.href.starts_with("http://"))
    };
    let link = entry.links.iter().find(is_page).map(|link| link.href.trim().to_owned());
    let summary = entry.summary.map(|text| text.content).or_else(|| entry.content.and_then(|content| content.body));
    Item {
        id: entry.id,
        title: entry.title.map(|title| shortened(&title_text(&title), MAX_TITLE)).unwrap_or_default(),
        link,
        summary: summary.map(|text| shortened(&plain_text(head(&text)), MAX_SUMMARY)).unwrap_or_default(),
        published: entry.published.or(entry.updated),
        source: source.to_owned(),
    }
}

/// A title is often markup without saying so; one that only talks about `<T>` is not.
fn title_text(title: &Text) -> String {
    let says_so = title.content_type.as_str().contains("html");
    let looks_so = ["</", "/>", "&#", "&amp;", "&quot;"].iter().any(|sign| title.content.contains(sign));
    if says_so || looks_so { plain_text(head(&title.content)) } else { title.content.clone() }
}

fn head(text: &str) -> &str {
    text.char_indices().nth(MAX_MARKUP).map_or(text, |(end, _)| &text[..end])
}

fn host(url: &str) -> String {
    Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_else(|| url.to_owned())
}
