//! Consul: tells where this instance listens, and that it is alive.

use std::time::Duration;

use serde_json::json;

use crate::http::{Neighbour, Repeat};

/// What is registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// Unique per instance.
    pub id: String,
    pub name: String,
    pub address: String,
    pub port: u16,
    pub tags: Vec<String>,
}

#[derive(Debug, thiserror::Error)]
#[error("Consul did not take the registration")]
pub struct ConsulError(#[source] Box<dyn std::error::Error + Send + Sync>);

/// The local Consul agent.
#[derive(Debug, Clone)]
pub struct Consul {
    agent: Neighbour,
    registration: Registration,
}

impl Consul {
    /// Without a sign of life for so long, Consul calls the instance critical.
    pub const TTL: Duration = Duration::from_secs(30);
    /// Critical for so long, it is forgotten: a killed instance cannot deregister itself.
    const FORGET_AFTER: &'static str = "5m";

    /// # Errors
    /// When the TLS set-up of this machine cannot be used.
    pub fn new(host: &str, port: u16, registration: Registration) -> Result<Self, ConsulError> {
        let agent = Neighbour::new("consul", &format!("http://{host}:{port}")).map_err(|e| ConsulError(e.into()))?;
        Ok(Self { agent, registration })
    }

    fn check_id(&self) -> String {
        format!("service:{}", self.registration.id)
    }

    async fn put(&self, path: &str, body: Option<serde_json::Value>) -> Result<(), ConsulError> {
        let url = self.agent.url(path);
        let request = || {
            let request = self.agent.client().put(&url);
            match &body {
                Some(body) => request.json(body),
                None => request,
            }
        };
        let answer = self.agent.send(Repeat::Safe, request).await.map_err(|e| ConsulError(e.into()))?;
        self.agent.accepted(answer).map(drop).map_err(|e| ConsulError(e.into()))
    }

    /// Registers the instance with its TTL check, passing at once. Repeating it is fine.
    pub async fn register(&self) -> Result<(), ConsulError> {
        let Registration { id, name, address, port, tags } = &self.registration;
        let body = json!({
            "ID": id, "Name": name, "Address": address, "Port": port, "Tags": tags,
            "Check": {
                "CheckID": self.check_id(), "TTL": format!("{}s", Self::TTL.as_secs()), "Status": "passing",
                "DeregisterCriticalServiceAfter": Self::FORGET_AFTER,
            },
        });
        self.put("/v1/agent/service/register", Some(body)).await
    }

    /// A sign of life. An agent that was restarted knows nothing of us: register again then.
    pub async fn pass(&self) -> Result<(), ConsulError> {
        self.put(&format!("/v1/agent/check/pass/{}", self.check_id()), None).await
    }

    pub async fn deregister(&self) -> Result<(), ConsulError> {
        self.put(&format!("/v1/agent/service/deregister/{}", self.registration.id), None).await
    }
}
