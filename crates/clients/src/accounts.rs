//! The account service.

use async_trait::async_trait;
use reqwest::StatusCode;
use serde_json::Value;
use task_domain::UserId;
use task_protocols::{AccountClient, AccountProfile, NeighbourError};

use crate::http::{Neighbour, Repeat};

/// Reads `GET {base_url}/api/v1/accounts/profile/{user_id}`.
pub struct HttpAccountClient(Neighbour);

impl HttpAccountClient {
    /// # Errors
    /// When the TLS set-up of this machine cannot be used.
    pub fn new(base_url: &str) -> Result<Self, reqwest::Error> {
        Neighbour::new("account", base_url).map(Self)
    }
}

/// A level that is unknown here is no level: the next source decides.
fn profile(answer: &Value) -> AccountProfile {
    let place = answer.get("data").filter(|data| data.is_object()).unwrap_or(answer);
    let text = |key: &str| place.get(key).and_then(Value::as_str).filter(|text| !text.trim().is_empty());
    AccountProfile {
        subscription_level: text("subscription_level").and_then(|level| level.to_ascii_lowercase().parse().ok()),
        location: text("location").or_else(|| text("city")).map(str::to_owned),
    }
}

#[async_trait]
impl AccountClient for HttpAccountClient {
    async fn profile(&self, user_id: &UserId) -> Result<Option<AccountProfile>, NeighbourError> {
        let Some(url) = self.0.url_of("/api/v1/accounts/profile", user_id.as_str())? else { return Ok(None) };
        let answer = self.0.send(Repeat::Safe, || self.0.client().get(url.clone())).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(None);
        }
        Ok(Some(profile(&self.0.json(answer).await?)))
    }
}

/// Stands in when no account service is configured: knows nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct NoAccounts;

#[async_trait]
impl AccountClient for NoAccounts {
    async fn profile(&self, _: &UserId) -> Result<Option<AccountProfile>, NeighbourError> {
        Ok(None)
    }
}
