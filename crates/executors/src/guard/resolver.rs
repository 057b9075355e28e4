//! Name resolution that lets only checked addresses through.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;

use async_trait::async_trait;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::error::GuardError;
use super::policy::OutboundPolicy;

/// Looks a host name up.
#[async_trait]
pub trait Lookup: Send + Sync {
    async fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>>;
}

/// The machine's own resolver.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemLookup;

#[async_trait]
impl Lookup for SystemLookup {
    async fn lookup(&self, host: &str) -> io::Result<Vec<IpAddr>> {
        Ok(tokio::net::lookup_host((host, 0)).await?.map(|address| address.ip()).collect())
    }
}

/// The resolver inside the HTTP client. What it returns is what is connected to, so there is no
/// second look-up that could answer differently (DNS rebinding).
pub(super) struct CheckedResolver {
    pub(super) lookup: Arc<dyn Lookup>,
    pub(super) policy: OutboundPolicy,
}

impl Resolve for CheckedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (lookup, policy) = (Arc::clone(&self.lookup), self.policy.clone());
        Box::pin(async move {
            let host = name.as_str().to_owned();
            let unknown = || GuardError::UnknownHost(host.clone());
            let ips = lookup.lookup(&host).await.map_err(|_| unknown())?;
            if ips.is_empty() {
                return Err(unknown().into());
            }
            // One bad address condemns the name: it would be a matter of luck otherwise.
            for ip in &ips {
                policy.check_address(*ip)?;
            }
            let addresses: Addrs = Box::new(ips.into_iter().map(|ip| SocketAddr::new(ip, 0)));
            Ok(addresses)
        })
    }
}
