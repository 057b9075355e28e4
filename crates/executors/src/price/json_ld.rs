//! Prices in JSON-LD: schema.org's Product, Offer and AggregateOffer.

use std::cell::Cell;
use std::collections::HashMap;

use serde_json::{Map, Value};

use super::amount;
use super::extract::Price;

/// What one page says about the product it is about.
#[derive(Debug, Default)]
pub(super) struct Product {
    pub(super) name: Option<String>,
    pub(super) prices: Vec<Price>,
}

type Object = Map<String, Value>;

/// The nodes of all blocks of one page.
struct Graph<'a> {
    /// Shallow ones first: what a page is about stands above what it also mentions.
    nodes: Vec<&'a Object>,
    by_id: HashMap<&'a str, &'a Object>,
    /// How many more offers are looked at: references can make few nodes look like many.
    budget: Cell<usize>,
}

/// The first product with a price, else the first offer with one. A block that is not JSON is skipped.
pub(super) fn product(blocks: &[String]) -> Product {
    let blocks: Vec<Value> =
        blocks.iter().filter_map(|block| serde_json::from_str(without_comment(block)).ok()).collect();
    let graph = Graph::of(&blocks);
    let mut unpriced = None;
    for node in graph.nodes.iter().filter(|node| is(node, &["Product", "ProductGroup", "IndividualProduct"])) {
        let name = node.get("name").and_then(Value::as_str).map(str::to_owned);
        let mut prices = Vec::new();
        for key in ["offers", "hasVariant"] {
            graph.prices(node.get(key), 0, &mut prices);
        }
        if !prices.is_empty() {
            return Product { name, prices };
        }
        unpriced = unpriced.or(name);
    }
    let mut prices = Vec::new();
    for offer in graph.nodes.iter().filter(|node| is(node, &["Offer", "AggregateOffer"])) {
        if prices.is_empty() {
            graph.offer(offer, 0, &mut prices);
        }
    }
    Product { name: unpriced, prices }
}

/// Some pages wrap the JSON as scripts once had to be.
fn without_comment(block: &str) -> &str {
    let block = block.trim().trim_start_matches("<!--").trim_start_matches("//").trim_start_matches("<![CDATA[");
    block.trim_end_matches("-->").trim_end().trim_end_matches("]]>").trim_end_matches("//").trim().trim_end_matches(';')
}

/// Whether a node is of one of these types, however their vocabulary is written.
fn is(node: &Object, types: &[&str]) -> bool {
    let one = |value: &Value| {
        value.as_str().is_some_and(|name| types.contains(&name.rsplit(['/', '#', ':']).next().unwrap_or_default()))
    };
    match node.get("@type") {
        Some(Value::Array(items)) => items.iter().any(one),
        Some(value) => one(value),
        None => false,
    }
}

/// How deep offers may nest: group, variant, aggregate, offer, specification.
const MAX_DEPTH: usize = 6;
const MAX_OFFERS: usize = 10_000;

impl<'a> Graph<'a> {
    fn of(blocks: &'a [Value]) -> Self {
        let (mut nodes, mut by_id) = (Vec::new(), HashMap::new());
        let mut level: Vec<&Value> = blocks.iter().collect();
        while !level.is_empty() {
            let mut below = Vec::new();
            for value in level {
                match value {
                    Value::Array(items) => below.extend(items),
                    Value::Object(node) => {
                        nodes.push(node);
                        // A node that only refers to another has nothing but its id.
                        if let Some(id) = node.get("@id").and_then(Value::as_str).filter(|_| node.len() > 1) {
                            by_id.entry(id).or_insert(node);
                        }
                        below.extend(node.values());
                    }
                    _ => {}
                }
            }
            level = below;
        }
        Self { nodes, by_id, budget: Cell::new(MAX_OFFERS) }
    }

    /// Of one offer, variant or specification, or a list of them.
    fn prices(&self, value: Option<&Value>, depth: usize, prices: &mut Vec<Price>) {
        if depth > MAX_DEPTH {
            return;
        }
        match value {
            Some(Value::Array(items)) => {
                for item in items.iter().take_while(|_| self.budget.get() > 0) {
                    self.prices(Some(item), depth, prices);
                }
            }
            Some(Value::Object(node)) if self.budget.get() > 0 => {
                self.budget.set(self.budget.get() - 1);
                let id = node.get("@id").and_then(Value::as_str).filter(|_| node.len() == 1);
                let node = id.and_then(|id| self.by_id.get(id).copied()).unwrap_or(node);
                self.offer(node, depth, prices);
            }
            _ => {}
        }
    }

    fn offer(&self, node: &Object, depth: usize, prices: &mut Vec<Price>) {
        // What it cost once, or should cost.
        let kind = node.get("priceType").and_then(Value::as_str).unwrap_or_default();
        if ["ListPrice", "StrikethroughPrice", "MSRP", "SRP"].iter().any(|other| kind.ends_with(other)) {
            return;
        }
        let currency = node.get("priceCurrency").and_then(Value::as_str).and_then(amount::currency);
        let found = ["price", "lowPrice"].into_iter().find_map(|key| {
            let value = node.get(key)?;
            let beside = || value.as_str().and_then(amount::currency_beside);
            let currency = currency.clone().or_else(beside);
            Some(Price { amount: amount::of_json(value, currency.as_deref())?, currency, source: "json_ld" })
        });
        match found {
            Some(price) => prices.push(price),
            None => {
                let inherited = prices.len();
                for key in ["priceSpecification", "offers"] {
                    self.prices(node.get(key), depth + 1, prices);
                }
                for price in prices.iter_mut().skip(inherited).filter(|price| price.currency.is_none()) {
                    price.currency.clone_from(&currency);
                }
            }
        }
    }
}
