//! `price_tracker` against pages as shops write them.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic where it stands")]

mod support;

use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use support::{Notified, client, context, misbehaviours, policy, problems, run};
use task_executors::{GuardedClient, OutboundPolicy, PriceTracker, SystemLookup};
use task_protocols::{ExecutorError, TaskExecutor};
use wiremock::matchers::method;
use wiremock::{Mock, MockServer, ResponseTemplate};

/// The data of a run against one page, and what the owner was told.
async fn track(page: impl Into<Vec<u8>>, mut config: Value) -> (Result<Value, ExecutorError>, Vec<String>) {
    let server = MockServer::start().await;
    support::serve(&server, "/p", page).await;
    config["product_url"] = json!(format!("{}/p", server.uri()));
    let notified = Arc::<Notified>::default();
    let executor = PriceTracker::new(client(), Arc::clone(&notified) as _);
    let outcome = run(&executor, context("price_tracker", config)).await;
    (outcome.map(|outcome| outcome.result["price_data"].clone()), notified.contents())
}

fn ld(value: &str) -> String {
    format!(
        "<!doctype html><html><head><title>Shop</title><script type=\"application/ld+json\">{value}</script></head></html>"
    )
}

#[tokio::test]
async fn a_price_at_or_below_the_target_is_told() {
    let page = ld(
        r#"{"@context":"https://schema.org","@type":"Product","name":" A\u0000 \n lamp ","offers":{"@type":"Offer","price":"19.99","priceCurrency":"EUR"}}"#,
    );
    let (data, told) = track(page.clone(), json!({"target_price": 19.99, "currency": "eur"})).await;
    let mut data = data.unwrap();
    let url = data.as_object_mut().unwrap().remove("product_url").unwrap();
    assert_eq!(
        data,
        json!({
            "price": 19.99, "ambiguous": false, "currency": "EUR", "target_price": 19.99, "price_met": true,
            "title": "A lamp", "source": "json_ld",
        })
    );
    assert_eq!(told, [format!("A lamp costs 19.99 EUR, at or below 19.99\n{}", url.as_str().unwrap())]);
    let (data, told) = track(page, json!({"target_price": 10})).await;
    assert_eq!((&data.unwrap()["price_met"], told.len()), (&json!(false), 0));
}

#[tokio::test]
async fn a_price_that_may_mean_two_things_is_read_as_the_larger_and_says_so() {
    let page = ld(r#"{"@type":"Product","name":"x","offers":{"price":"1.299","priceCurrency":"EUR"}}"#);
    let (data, told) = track(page, json!({"target_price": 100})).await;
    let data = data.unwrap();
    assert_eq!(
        (&data["price"], &data["ambiguous"], &data["price_met"], told.len()),
        (&json!(1299.0), &json!(true), &json!(false), 0)
    );
}

#[tokio::test]
async fn prices_are_found_wherever_shops_put_them() {
    let pages = [
        ("number", ld(r#"{"@type":["Product","Thing"],"offers":[{"@type":"Offer","price":5,"priceCurrency":"USD"}]}"#), 5.0, json!("USD"), "json_ld"),
        ("aggregate", ld(r#"[{"@type":"WebSite"},{"@type":"http://schema.org/Product","offers":{"@type":"AggregateOffer","lowPrice":"1.234,56","highPrice":2000,"priceCurrency":"EUR"}}]"#), 1234.56, json!("EUR"), "json_ld"),
        ("graph", ld(r##"{"@graph":[{"@type":"BreadcrumbList"},{"@type":"Product","name":"x","offers":{"@id":"#o"}},{"@id":"#o","@type":"Offer","price":"7.50","priceCurrency":"GBP"}]}"##), 7.5, json!("GBP"), "json_ld"),
        ("specification", ld(r#"{"@type":"Product","offers":{"@type":"Offer","priceCurrency":"SEK","priceSpecification":[{"priceType":"https://schema.org/ListPrice","price":900},{"price":"799.00"}]}}"#), 799.0, json!("SEK"), "json_ld"),
        ("variants", ld(r#"{"@type":"ProductGroup","hasVariant":[{"@type":"Product","offers":{"price":30,"priceCurrency":"EUR"}}]}"#), 30.0, json!("EUR"), "json_ld"),
        ("main before related", ld(r#"{"@type":"ItemPage","mainEntity":{"@type":"Product","isRelatedTo":{"@type":"Product","offers":{"price":1}},"offers":{"price":50}}}"#), 50.0, json!(null), "json_ld"),
        ("commented", ld("\n//<![CDATA[\n{\"@type\":\"Offer\",\"price\":\"12,5\",\"priceCurrency\":\"PLN\"}\n//]]>\n"), 12.5, json!("PLN"), "json_ld"),
        ("broken block first", format!("{}{}", ld("{nonsense"), ld(r#"{"@type":"Product","offers":{"price":"3"}}"#)), 3.0, json!(null), "json_ld"),
        ("microdata content", r#"<div itemscope itemtype="https://schema.org/Product"><span itemprop="offers" itemscope><meta itemprop="priceCurrency" content="USD"><b itemprop="price" content="1299.00">$1,299</b></span></div>"#.into(), 1299.0, json!("USD"), "microdata"),
        ("microdata text", "<p itemprop=price>1 234,56&nbsp;€</p>".into(), 1234.56, json!("EUR"), "microdata"),
        ("open graph", r#"<meta property="og:title" content="T"><meta property="product:price:amount" content="19.90"><meta property="product:price:currency" content="CHF">"#.into(), 19.9, json!("CHF"), "open_graph"),
        ("old open graph", r#"<meta property="og:price:amount" content="1,234.56"><meta property="og:price:currency" content="USD">"#.into(), 1234.56, json!("USD"), "open_graph"),
        ("empty offers fall through", format!("{}<i itemprop=price>$19.99</i>", ld(r#"{"@type":"Product","offers":{"price":0}}"#)), 19.99, json!(null), "microdata"),
    ];
    for (name, page, price, currency, source) in pages {
        let data = track(page, json!({"target_price": 1})).await.0.unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(
            (&data["price"], &data["currency"], &data["source"]),
            (&json!(price), &currency, &json!(source)),
            "{name}"
        );
    }
}

#[tokio::test]
async fn the_charset_of_a_page_is_respected() {
    let page = b"<meta charset=\"iso-8859-1\"><title>Caf\xe9</title><b itemprop=price>1\xa0234,56</b>".to_vec();
    let data = track(page, json!({"target_price": 1})).await.0.unwrap();
    assert_eq!((&data["price"], &data["title"]), (&json!(1234.56), &json!("Café")));
}

#[tokio::test]
async fn the_wanted_currency_is_looked_for() {
    let two =
        ld(r#"{"@type":"Product","offers":[{"price":9,"priceCurrency":"USD"},{"price":8,"priceCurrency":"EUR"}]}"#);
    let data = track(two.clone(), json!({"target_price": 1, "currency": "EUR"})).await.0.unwrap();
    assert_eq!((&data["price"], &data["currency"]), (&json!(8.0), &json!("EUR")));
    let (error, told) = track(two, json!({"target_price": 100, "currency": "JPY"})).await;
    let error = error.unwrap_err();
    assert_eq!((error.code, error.retryable, told.len()), ("currency_mismatch", false, 0));
    assert_eq!(error.details.unwrap(), json!({"price": 9.0, "currency": "USD", "wanted": "JPY"}));
}

#[tokio::test]
async fn a_page_without_a_price_says_so() {
    let deep = format!("{}{}", "[".repeat(5000), "]".repeat(5000));
    for page in ["", "<h1>Sold out</h1>", "{}", &ld(&deep), &ld("null"), "<i itemprop=price>call us</i>"] {
        let error = track(page, json!({"target_price": 1})).await.0.unwrap_err();
        assert_eq!((error.code, error.retryable), ("price_not_found", false));
    }
}

#[tokio::test]
async fn shops_that_misbehave_end_the_run_with_a_clear_error() {
    let hasty = OutboundPolicy { timeout: Duration::from_millis(300), ..policy() };
    let client = GuardedClient::new(hasty, Arc::new(SystemLookup)).unwrap();
    for (answer, code, retryable) in misbehaviours(300, ("price_not_found", false)) {
        let server = MockServer::start().await;
        Mock::given(method("GET")).respond_with(answer).mount(&server).await;
        let executor = PriceTracker::new(client.clone(), Arc::<Notified>::default());
        let config = json!({"product_url": server.uri(), "target_price": 1});
        let error = run(&executor, context("price_tracker", config)).await.unwrap_err();
        assert_eq!((error.code, error.retryable), (code, retryable), "{}", error.message);
    }
    let executor = PriceTracker::new(client, Arc::<Notified>::default());
    let config = json!({"product_url": "http://192.168.0.1/", "target_price": 1});
    assert_eq!(run(&executor, context("price_tracker", config)).await.unwrap_err().code, "blocked_address");
}

#[tokio::test]
async fn a_cancelled_run_stops_while_the_shop_dawdles() {
    let server = MockServer::start().await;
    let slow = ResponseTemplate::new(200).set_delay(Duration::from_secs(60));
    Mock::given(method("GET")).respond_with(slow).mount(&server).await;
    let executor = PriceTracker::new(client(), Arc::<Notified>::default());
    let context = context("price_tracker", json!({"product_url": server.uri(), "target_price": 1}));
    let (cancelled, started) = (context.cancelled.clone(), Instant::now());
    let stop = async {
        tokio::time::sleep(Duration::from_millis(50)).await;
        cancelled.cancel();
    };
    let (outcome, ()) = tokio::join!(executor.execute(context), stop);
    assert_eq!(outcome.unwrap_err().code, "cancelled");
    assert!(started.elapsed() < Duration::from_secs(5));
}

#[tokio::test]
async fn a_hostile_page_does_not_keep_the_parser_busy() {
    for piece in [
        "<div>",
        "<b>",
        "<a>",
        "<table>",
        "<p><b>",
        "<svg>",
        "</p>",
        "<b itemprop=price itemscope>",
        "<title>",
        "<script>",
    ] {
        let page = piece.repeat(1024 * 1024 / piece.len());
        let started = Instant::now();
        let _ = track(page, json!({"target_price": 1})).await;
        assert!(started.elapsed() < Duration::from_secs(20), "{piece} {:?}", started.elapsed());
    }
}

#[tokio::test]
async fn hostile_attributes_and_references_do_not_either() {
    let attributes: String = (0..130_000).map(|n| format!(" a{n}")).collect();
    let itself =
        format!(r##"{{"@id":"#x","@type":"Product","offers":[{}{{}}]}}"##, r##"{"@id":"#x"},"##.repeat(50_000));
    for page in [format!("<b{attributes}>"), ld(&itself), format!("<b itemprop=price {}", "x".repeat(1_000_000))] {
        let started = Instant::now();
        let _ = track(page, json!({"target_price": 1})).await;
        assert!(started.elapsed() < Duration::from_secs(20), "{:?}", started.elapsed());
    }
}

#[test]
fn every_problem_of_a_config_is_named() {
    let executor = PriceTracker::new(client(), Arc::<Notified>::default());
    assert_eq!(problems(&executor, json!({})), ["product_url", "target_price"]);
    assert_eq!(
        problems(&executor, json!({"product_url": "ftp://x", "target_price": 0, "currency": "euro"})),
        ["product_url", "target_price", "currency"]
    );
    let good = json!({"product_url": "https://example.com/p", "target_price": 9.5, "currency": "usd", "alert_threshold": 10, "check_interval": "daily"});
    assert!(problems(&executor, good).is_empty());
}
