//! Finds the prices among what a page says for machines.

use http::HeaderMap;
use http::header::CONTENT_TYPE;

use super::amount::Amount;
use super::scan::{Findings, scan};
use super::{amount, json_ld};
use crate::shared::shortened;

const MAX_TITLE: usize = 300;
/// Where a page may name its charset, bytes.
const CHARSET_WITHIN: usize = 1024;

/// A price on a page.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Price {
    pub(super) amount: Amount,
    /// Three capitals.
    pub(super) currency: Option<String>,
    /// `json_ld`, `microdata` or `open_graph`.
    pub(super) source: &'static str,
}

/// What a page says; the most trustworthy price first.
#[derive(Debug, Default)]
pub(super) struct Page {
    pub(super) title: Option<String>,
    pub(super) prices: Vec<Price>,
}

/// Reads a page; one that is no HTML says nothing.
pub(super) fn page(headers: &HeaderMap, body: &[u8]) -> Page {
    let found = scan(&decoded(headers, body));
    let product = json_ld::product(&found.json_ld);
    let titles = [product.name, meta(&found, &["og:title"]).map(str::to_owned), Some(found.title.clone())];
    let title = titles.into_iter().flatten().map(|title| shortened(&title, MAX_TITLE)).find(|title| !title.is_empty());
    let mut prices = product.prices;
    prices.extend(microdata(&found));
    prices.extend(open_graph(&found));
    Page { title, prices }
}

/// The page as text, by the charset of the answer or of the page; UTF-8 unless they know better.
fn decoded(headers: &HeaderMap, body: &[u8]) -> String {
    let announced = headers.get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).and_then(charset);
    let head = String::from_utf8_lossy(&body[..body.len().min(CHARSET_WITHIN)]);
    let encoding = announced.or_else(|| charset(&head)).unwrap_or(encoding_rs::UTF_8);
    encoding.decode(body).0.into_owned()
}

fn charset(text: &str) -> Option<&'static encoding_rs::Encoding> {
    let (_, rest) = text.split_once("charset=")?;
    let label = rest.trim_start_matches(['"', '\'']);
    let end = label.find(|c: char| !c.is_ascii_alphanumeric() && !"-_:.".contains(c)).unwrap_or(label.len());
    encoding_rs::Encoding::for_label(&label.as_bytes()[..end])
}

/// The first of these names that the page gives.
fn meta<'a>(found: &'a Findings, names: &[&str]) -> Option<&'a str> {
    names
        .iter()
        .find_map(|name| found.metas.iter().find(|(given, _)| given == name))
        .map(|(_, content)| content.as_str())
}

fn microdata(found: &Findings) -> Option<Price> {
    let named = |name: &'static str| found.properties.iter().filter(move |property| property.name == name);
    named("price").chain(named("lowPrice")).find_map(|price| {
        let beside = named("priceCurrency").find(|currency| currency.item == price.item);
        let currency = beside
            .or_else(|| named("priceCurrency").next())
            .and_then(|currency| amount::currency(&currency.value))
            .or_else(|| amount::currency_beside(&price.value));
        Some(Price { amount: amount::parse(&price.value, currency.as_deref())?, currency, source: "microdata" })
    })
}

fn open_graph(found: &Findings) -> Option<Price> {
    let text = meta(found, &["product:price:amount", "og:price:amount"])?;
    let currency = meta(found, &["product:price:currency", "og:price:currency"])
        .and_then(amount::currency)
        .or_else(|| amount::currency_beside(text));
    Some(Price { amount: amount::parse(text, currency.as_deref())?, currency, source: "open_graph" })
}
