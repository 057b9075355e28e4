//! `daily_news` and `news_monitor` against feeds as sites write them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic where it stands")]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Notified, client, context, misbehaviours, operators, problems, run, serve};
use task_executors::{GuardedClient, News, NewsMonitor, NewsSettings, OutboundPolicy, SystemLookup};
use task_protocols::TaskExecutor;
use wiremock::matchers::{method, path};
use wiremock::{Mock, MockServer};

const RSS: &str = r#"<?xml version="1.0" encoding="UTF-8"?>
<rss version="2.0"><channel><title>Example News</title><link>https://example.com/</link><description>d</description>
<item><title>Rust &amp;amp; you</title><link>https://example.com/rust</link><guid isPermaLink="false">g1</guid>
 <description>&lt;p&gt;Said to be &lt;b&gt;f&lt;/b&gt;ast.&lt;/p&gt;&lt;p&gt;Really&lt;/p&gt;&lt;script&gt;alert(1)&lt;/script&gt;</description>
 <pubDate>Tue, 01 Jan 2030 10:00:00 GMT</pubDate></item>
<item><title>Older</title><link>https://example.com/older</link><pubDate>Mon, 31 Dec 2029 10:00:00 +0200</pubDate></item>
<item><title>Undated about AI, again</title><link>https://example.com/undated</link></item>
<item><title>Bad link</title><link>javascript:alert(1)</link><guid>g4</guid></item>
</channel></rss>"#;

const ATOM: &str = r#"<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom"><title>Atom site</title><id>urn:a</id><updated>2030-01-01T12:00:00Z</updated>
<entry><title type="text">Vec&lt;String&gt; news</title><id>urn:1</id><link rel="self" href="https://a.example/self"/>
 <link href="https://a.example/1"/><updated>2030-01-01T12:00:00Z</updated><summary>s</summary></entry>
<entry><title>The same Rust story</title><id>urn:2</id><link href="https://example.com/rust"/><updated>2030-01-01T09:00:00Z</updated></entry>
</feed>"#;

const JSON_FEED: &str = r#"{"version":"https://jsonfeed.org/version/1.1","title":"J\u0000SON","items":[
{"id":"1","url":"https://j.example/1","title":"From JSON\u0000","content_text":"body\u0000","date_published":"2030-01-01T11:00:00Z"}]}"#;

async fn server() -> MockServer {
    let server = MockServer::start().await;
    for (at, body) in [("/rss", RSS), ("/atom", ATOM), ("/json", JSON_FEED)] {
        serve(&server, at, body).await;
    }
    server
}

fn settings(server: &MockServer) -> NewsSettings {
    let url = |at: &str| format!("{}{at}", server.uri());
    NewsSettings {
        sources: [("example".into(), url("/rss")), ("atom".into(), url("/atom"))].into(),
        categories: [
            ("tech".into(), vec![url("/rss"), url("/atom"), url("/json")]),
            ("world".into(), vec![url("/json")]),
        ]
        .into(),
        default_category: "world".into(),
        timeout: Duration::from_millis(300),
    }
}

async fn news(server: &MockServer, config: Value) -> Value {
    let executor = News::new(client(), operators(), settings(server));
    run(&executor, context("daily_news", config)).await.unwrap().result["news_data"].clone()
}

fn titles(items: &Value) -> Vec<&str> {
    items.as_array().unwrap().iter().map(|item| item["title"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn feeds_are_merged_newest_first_each_item_once() {
    let server = server().await;
    let data = news(&server, json!({"categories": ["tech"], "sources": "example"})).await;
    assert_eq!(
        titles(&data["items"]),
        ["Vec<String> news", "From JSON", "Rust & you", "Older", "Undated about AI, again", "Bad link"]
    );
    assert_eq!(
        data["items"][2],
        json!({"title": "Rust & you", "link": "https://example.com/rust", "summary": "Said to be fast. Really",
            "published": "2030-01-01T10:00:00Z", "source": "example"})
    );
    assert_eq!(
        (&data["items"][0]["link"], &data["items"][0]["source"]),
        (&json!("https://a.example/1"), &json!("Atom site"))
    );
    assert_eq!(
        (&data["items"][3]["published"], &data["items"][4]["published"]),
        (&json!("2029-12-31T08:00:00Z"), &Value::Null)
    );
    assert_eq!(data["items"][5]["link"], Value::Null);
    assert_eq!((&data["count"], &data["failed_sources"]), (&json!(6), &json!([])));

    assert_eq!(titles(&news(&server, json!({})).await["items"]), ["From JSON"]);
    let url = json!({"sources": [format!("{}/rss", server.uri())], "limit": 1});
    let data = news(&server, url).await;
    assert_eq!((titles(&data["items"]), &data["items"][0]["source"]), (vec!["Rust & you"], &json!("Example News")));
}

#[tokio::test]
async fn one_feed_that_fails_is_reported_and_all_of_them_are_an_error() {
    for (answer, code, _) in misbehaviours(300, ("invalid_feed", false)) {
        let server = server().await;
        Mock::given(method("GET")).and(path("/bad")).respond_with(answer).mount(&server).await;
        let bad = format!("{}/bad", server.uri());
        let data = news(&server, json!({"sources": ["atom", bad]})).await;
        assert_eq!(
            (&data["failed_sources"][0]["source"], &data["failed_sources"][0]["code"]),
            (&json!(bad), &json!(code))
        );
        assert_eq!(data["count"], 2);
        let executor = News::new(client(), operators(), settings(&server));
        let error = run(&executor, context("daily_news", json!({"sources": [bad]}))).await.unwrap_err();
        assert_eq!((error.code, error.retryable), ("feeds_unavailable", true));
        assert_eq!(error.details.unwrap()["failed_sources"][0]["code"], code);
    }
}

#[tokio::test]
async fn long_summaries_are_cut_and_hostile_markup_is_survived() {
    let server = MockServer::start().await;
    let hostile = "&lt;b&gt;".repeat(100_000);
    let long = "é ".repeat(5000);
    let feed = format!(
        "<rss version=\"2.0\"><channel><title>t</title><item><title>a</title><description>{long}</description></item>\
         <item><title>b</title><description>{hostile}</description></item></channel></rss>"
    );
    serve(&server, "/rss", feed).await;
    let data = news(&server, json!({"sources": "example"})).await;
    let summary = data["items"][0]["summary"].as_str().unwrap();
    assert!((490..=500).contains(&summary.chars().count()) && summary.ends_with('…'));
    assert_eq!(titles(&data["items"]), ["a", "b"]);
}

#[tokio::test]
async fn a_hostile_feed_does_not_keep_the_parser_busy() {
    let nested = |tag: &str| tag.repeat(950_000 / tag.len());
    let attributes: String = (0..1000).map(|n| format!(" a{n}=''")).collect();
    let namespaces: String = (0..29)
        .map(|m| {
            let all: String = (0..100).map(|n| format!(" xmlns:a{m}x{n}='u'")).collect();
            format!("<b{all}>")
        })
        .collect();
    let base = format!("<channel xml:base='{}/'>", "u".repeat(8000));
    for body in [
        nested("<a>"),
        nested("<a xml:base='bbbbbbbbbbbbbb/'>"),
        nested(&format!("<b{attributes}/>")),
        format!("{base}{}", nested("<a/>")),
        format!("{namespaces}{}", nested("<z:b/>")),
        format!("{base}{}", nested("<item><title>&lt;b></title></item>")),
        "&lt;".repeat(250_000),
    ] {
        let server = MockServer::start().await;
        serve(&server, "/rss", format!("<rss version=\"2.0\">{body}")).await;
        let executor = News::new(client(), operators(), settings(&server));
        let started = Instant::now();
        assert!(run(&executor, context("daily_news", json!({"sources": "example"}))).await.is_err());
        assert!(started.elapsed() < Duration::from_secs(20), "{} {:?}", &body[..30], started.elapsed());
    }
}

#[tokio::test]
async fn matches_are_told_and_only_new_ones() {
    let server = server().await;
    let notified = Arc::<Notified>::default();
    let executor = NewsMonitor::new(client(), operators(), Arc::clone(&notified) as _, settings(&server));
    let config = json!({"keywords": ["RUST", "ai"], "categories": "tech"});

    let first = run(&executor, context("news_monitor", config.clone())).await.unwrap();
    let data = &first.result["monitored_data"];
    assert_eq!(titles(&data["matches"]), ["Rust & you", "Undated about AI, again"]);
    assert_eq!((&data["count"], &data["matches"][1]["keywords"]), (&json!(2), &json!(["ai"])));
    assert_eq!(notified.contents(), ["2 new items about the keywords:\n- Rust & you\n- Undated about AI, again"]);
    assert_eq!(first.metadata["news_seen"].as_array().unwrap().len(), 2);

    // What was seen is not new, whatever its date.
    let mut next = context("news_monitor", config.clone());
    next.task.metadata = Some(first.metadata.clone());
    next.task.last_success_time = Some("2029-01-01T10:00:00Z".parse().unwrap());
    let second = run(&executor, next).await.unwrap();
    assert_eq!((&second.result["monitored_data"]["count"], notified.contents().len()), (&json!(0), 1));
    assert_eq!(second.metadata, first.metadata);

    // What a feed brings late, with a date before the last run, is new.
    let mut next = context("news_monitor", config.clone());
    next.task.metadata = Some(support::object(json!({"news_seen": []})));
    next.task.last_success_time = Some("2031-01-01T10:00:00Z".parse().unwrap());
    let late = run(&executor, next).await.unwrap();
    assert_eq!(late.result["monitored_data"]["count"], 2);

    // Where nobody remembers, or not all of it, the date decides for those that have one.
    let full: Vec<_> = (0..500).map(|n| n.to_string()).collect();
    for metadata in [None, Some(support::object(json!({"news_seen": full})))] {
        let mut next = context("news_monitor", config.clone());
        next.task.metadata = metadata;
        next.task.last_success_time = Some("2031-01-01T10:00:00Z".parse().unwrap());
        let outcome = run(&executor, next).await.unwrap();
        assert_eq!(titles(&outcome.result["monitored_data"]["matches"]), ["Undated about AI, again"]);
    }

    let mut next = context("news_monitor", config);
    next.task.config.insert("since_last_run".into(), json!(false));
    next.task.metadata = Some(first.metadata);
    let third = run(&executor, next).await.unwrap();
    assert_eq!((&third.result["monitored_data"]["count"], third.metadata.len()), (&json!(2), 0));
}

#[tokio::test]
async fn keywords_match_as_a_whole_in_any_script() {
    let server = MockServer::start().await;
    let feed = "<rss version=\"2.0\"><channel><title>t</title><item><title>He said: 東京都知事選 and Ärger im C++17</title></item></channel></rss>";
    serve(&server, "/rss", feed).await;
    let executor = NewsMonitor::new(client(), operators(), Arc::<Notified>::default(), settings(&server));
    for (keyword, found) in
        [("ai", 0), ("said", 1), ("東京", 1), ("ärger", 1), ("ÄRGER IM", 1), ("ärge", 0), ("c++", 1)]
    {
        let config = json!({"keywords": keyword, "sources": "example"});
        let outcome = run(&executor, context("news_monitor", config)).await.unwrap();
        assert_eq!(outcome.result["monitored_data"]["count"], found, "{keyword}");
    }
}

#[tokio::test]
async fn what_was_seen_stays_bounded() {
    let server = MockServer::start().await;
    let items: String = (0..400).map(|n| format!("<item><title>rust {n}</title></item>")).collect();
    serve(&server, "/rss", format!("<rss version=\"2.0\"><channel><title>t</title>{items}</channel></rss>")).await;
    let notified = Arc::new(Notified { refuses: true, ..Notified::default() });
    let executor = NewsMonitor::new(client(), operators(), Arc::clone(&notified) as _, settings(&server));
    let mut context = context("news_monitor", json!({"keywords": "rust", "sources": "example", "limit": 3}));
    let old: Vec<_> = (0..500).map(|n| n.to_string()).collect();
    context.task.metadata = Some(support::object(json!({"news_seen": old, "other": 1})));
    let outcome = run(&executor, context).await.unwrap();
    assert_eq!(outcome.metadata["news_seen"].as_array().unwrap().len(), 500);
    assert_eq!(outcome.metadata.len(), 1);
    let data = &outcome.result["monitored_data"];
    assert_eq!((&data["count"], data["matches"].as_array().unwrap().len()), (&json!(400), 3));
}

/// A feed of the operator's own network is read; a task that names one itself is refused.
#[tokio::test]
async fn what_the_operator_names_may_be_anywhere() {
    let server = server().await;
    let strict = GuardedClient::new(OutboundPolicy::strict(), Arc::new(SystemLookup)).unwrap();
    let executor = News::new(strict, operators(), settings(&server));
    let of = |source: &str| context("daily_news", json!({"sources": source}));
    let read = run(&executor, of("example")).await.unwrap();
    assert_eq!(read.result["news_data"]["failed_sources"], json!([]));
    let named = run(&executor, of(&format!("{}/rss", server.uri()))).await.unwrap_err();
    assert_eq!(named.details.unwrap()["failed_sources"][0]["code"], "blocked_scheme");
    // Nor may a feed of the operator's lead there.
    let away = wiremock::ResponseTemplate::new(302).insert_header("location", format!("{}/rss", server.uri()).as_str());
    server.reset().await;
    Mock::given(path("/rss")).respond_with(away).mount(&server).await;
    let led = run(&executor, of("example")).await.unwrap_err();
    assert_eq!(led.details.unwrap()["failed_sources"][0]["code"], "blocked_scheme");
}

#[tokio::test]
async fn a_cancelled_run_asks_nobody() {
    let server = server().await;
    let news: Box<dyn TaskExecutor> = Box::new(News::new(client(), operators(), settings(&server)));
    let monitor = Box::new(NewsMonitor::new(client(), operators(), Arc::<Notified>::default(), settings(&server)));
    for (executor, task_type) in [(news, "daily_news"), (monitor, "news_monitor")] {
        let context = context(task_type, json!({"keywords": "x"}));
        context.cancelled.cancel();
        assert_eq!(executor.execute(context).await.unwrap_err().code, "cancelled");
    }
    assert!(server.received_requests().await.unwrap().is_empty());
}

#[test]
fn every_problem_of_a_config_is_named() {
    let feed = |name: &str| format!("https://example.com/{name}");
    let settings = NewsSettings {
        sources: [("bbc".to_owned(), feed("bbc"))].into(),
        categories: ["tech", "business", "world"].map(|name| (name.to_owned(), vec![feed(name)])).into(),
        default_category: "world".into(),
        timeout: Duration::from_secs(1),
    };
    let daily = News::new(client(), operators(), settings.clone());
    let bad = json!({"categories": ["tech", "gossip"], "sources": ["ftp://x", "bbc", "nobody"], "limit": 0});
    assert_eq!(problems(&daily, bad), ["sources", "sources", "categories", "limit"]);
    assert_eq!(
        problems(&daily, json!({"categories": [], "sources": 5, "limit": 101})),
        ["sources", "categories", "limit"]
    );
    assert!(problems(&daily, json!({"categories": ["tech", "business"], "time": "09:00"})).is_empty());
    assert!(problems(&daily, json!({"sources": ["BBC", "https://example.com/feed"], "limit": 100})).is_empty());
    let monitor = NewsMonitor::new(client(), operators(), Arc::<Notified>::default(), settings);
    assert_eq!(problems(&monitor, json!({"since_last_run": "yes"})), ["keywords", "since_last_run"]);
    for keywords in [json!([]), json!([""]), json!(vec!["x"; 51]), json!(7), json!(["a", 1])] {
        assert_eq!(problems(&monitor, json!({"keywords": keywords})), ["keywords"]);
    }
    assert!(
        problems(&monitor, json!({"keywords": ["x"], "check_interval": "hourly", "notification": "email"})).is_empty()
    );
}
