//! `price_tracker`: reads the price from a product's page and compares it.
//!
//! Deliberately absent: running the page's scripts; a page that says its price only through them
//! has none for this executor.

mod amount;
mod extract;
mod json_ld;
mod scan;

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;
use task_domain::JsonObject;
use task_protocols::{ConfigProblem, ExecutionContext, ExecutorError, NotificationClient, Outcome, TaskExecutor};

use extract::{Page, Price};

use crate::fields::{Fields, invalid_config, is_web_url};
use crate::guard::GuardedClient;
use crate::shared::{failure, fetch, notify, progress, unless_cancelled};

const ACCEPT: &str = "text/html, application/xhtml+xml;q=0.9, */*;q=0.5";
const MAX_URL: usize = 2048;

/// Config: `product_url` (http or https), `target_price` (more than 0), `currency` (ISO 4217).
#[derive(Clone)]
pub struct PriceTracker {
    client: GuardedClient,
    notifications: Arc<dyn NotificationClient>,
}

struct Target {
    product_url: String,
    price: f64,
    /// In capitals.
    currency: Option<String>,
}

impl PriceTracker {
    pub fn new(client: GuardedClient, notifications: Arc<dyn NotificationClient>) -> Self {
        Self { client, notifications }
    }

    async fn run(&self, context: &ExecutionContext) -> Result<Outcome, ExecutorError> {
        let target = read(&context.task.config).map_err(invalid_config)?;
        progress(context, 0, "Fetching the page").await;
        let fetched = fetch(&self.client, target.product_url.clone(), ACCEPT, None).await?;
        progress(context, 60, "Reading the price").await;
        let page = extract::page(&fetched.headers, &fetched.body);
        let price = choose(&page, target.currency.as_deref())?;

        let amount = price.amount.value;
        let met = amount <= target.price;
        let currency = price.currency.as_deref().or(target.currency.as_deref());
        let unit = currency.map(|currency| format!(" {currency}")).unwrap_or_default();
        let name = page.title.as_deref().unwrap_or(&target.product_url);
        let mut message = match met {
            true => format!("{name} costs {amount}{unit}, at or below {}", target.price),
            false => format!("{name} costs {amount}{unit}, above {}", target.price),
        };
        if price.amount.ambiguous {
            message.push_str(&format!(" (the page may also mean {})", amount / 1000.0));
        }
        if met {
            progress(context, 90, "Telling the owner").await;
            let content = format!("{message}\n{}", target.product_url);
            notify(self.notifications.as_ref(), context, "Price target met", &content).await;
        }
        let data = json!({
            "price": amount,
            "ambiguous": price.amount.ambiguous,
            "currency": currency,
            "target_price": target.price,
            "price_met": met,
            "product_url": target.product_url,
            "title": page.title,
            "source": price.source,
        });
        let result = json!({"status": "success", "message": message, "price_data": data});
        Ok(Outcome { result, api_calls_made: 1, ..Outcome::default() })
    }
}

/// The price in the wanted currency, else one whose currency the page does not tell.
fn choose<'a>(page: &'a Page, wanted: Option<&str>) -> Result<&'a Price, ExecutorError> {
    let prices = || page.prices.iter();
    let Some(first) = prices().next() else {
        let message = "The page says no price in JSON-LD, microdata or Open Graph";
        return Err(failure("price_not_found", message, false));
    };
    let Some(wanted) = wanted else { return Ok(first) };
    prices()
        .find(|price| price.currency.as_deref() == Some(wanted))
        .or_else(|| prices().find(|price| price.currency.is_none()))
        .ok_or_else(|| {
            let found = first.currency.as_deref().unwrap_or_default();
            let mut error = failure("currency_mismatch", format!("The price is in {found}, not in {wanted}"), false);
            error.details = Some(json!({"price": first.amount.value, "currency": found, "wanted": wanted}));
            error
        })
}

fn read(config: &JsonObject) -> Result<Target, Vec<ConfigProblem>> {
    let mut fields = Fields::of(config);
    let product_url = fields.required("product_url").and_then(|value| {
        let url = value.as_str().filter(|url| url.len() <= MAX_URL && is_web_url(url)).map(str::to_owned);
        if url.is_none() {
            fields.problem("product_url", "must be a URL that starts with https:// (or http://, where allowed)");
        }
        url
    });
    let price = fields.required("target_price").and_then(|value| {
        let price = value.as_f64().filter(|price| price.is_finite() && *price > 0.0);
        if price.is_none() {
            fields.problem("target_price", "must be a number greater than 0");
        }
        price
    });
    let currency = fields.present("currency").and_then(|value| {
        let currency = value.as_str().and_then(amount::currency);
        if currency.is_none() {
            fields.problem("currency", "must be a currency's three letters, such as EUR");
        }
        currency
    });
    fields.finish(Target { product_url: product_url.unwrap_or_default(), price: price.unwrap_or_default(), currency })
}

#[async_trait]
impl TaskExecutor for PriceTracker {
    fn task_types(&self) -> &'static [&'static str] {
        &["price_tracker"]
    }

    fn validate_config(&self, config: &JsonObject) -> Vec<ConfigProblem> {
        read(config).err().unwrap_or_default()
    }

    async fn execute(&self, context: ExecutionContext) -> Result<Outcome, ExecutorError> {
        unless_cancelled(&context, self.run(&context)).await
    }
}
