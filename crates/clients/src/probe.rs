//! Whether a neighbour answers.

use std::time::Duration;

use async_trait::async_trait;
use task_protocols::{HealthProbe, ProbeError};

/// Asks `GET {base_url}{path}`; any answer but a 5xx is a sign of life.
pub struct HttpProbe {
    client: reqwest::Client,
    url: String,
}

impl HttpProbe {
    /// # Errors
    /// When the TLS set-up of this machine cannot be used.
    pub fn new(base_url: &str, path: &str) -> Result<Self, reqwest::Error> {
        let client = reqwest::Client::builder()
            .timeout(Duration::from_secs(2))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()?;
        Ok(Self { client, url: format!("{}{path}", base_url.trim_end_matches('/')) })
    }
}

#[async_trait]
impl HealthProbe for HttpProbe {
    async fn probe(&self) -> Result<(), ProbeError> {
        // The URL may hold a password: it stays out of the error.
        let answer = self.client.get(&self.url).send().await.map_err(reqwest::Error::without_url)?;
        if answer.status().is_server_error() {
            return Err(format!("it answers {}", answer.status()).into());
        }
        Ok(())
    }
}
