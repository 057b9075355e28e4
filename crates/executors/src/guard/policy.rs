//! What may be called.

use std::net::IpAddr;
use std::time::Duration;

use ipnet::IpNet;
use url::{Host, Url};

use super::addresses::is_public;
use super::error::GuardError;

/// The rules of one client.
#[derive(Debug, Clone)]
pub struct OutboundPolicy {
    pub allow_http: bool,
    /// Empty: any port.
    pub allowed_ports: Vec<u16>,
    /// Networks that may be called although they are not public.
    pub allow_networks: Vec<IpNet>,
    /// For the whole call, redirects included.
    pub timeout: Duration,
    pub max_response_bytes: usize,
    pub max_redirects: usize,
}

impl OutboundPolicy {
    /// https on ports 80 and 443 of public addresses; 10 s, 1 MiB, 3 redirects.
    pub fn strict() -> Self {
        Self {
            allow_http: false,
            allowed_ports: vec![80, 443],
            allow_networks: Vec::new(),
            timeout: Duration::from_secs(10),
            max_response_bytes: 1024 * 1024,
            max_redirects: 3,
        }
    }

    /// The same, with http, any port and this machine's own addresses, so that a first task can
    /// call something local.
    pub fn development() -> Self {
        let loopback = ["127.0.0.0/8", "::1/128"].iter().filter_map(|network| network.parse().ok()).collect();
        Self { allow_http: true, allowed_ports: Vec::new(), allow_networks: loopback, ..Self::strict() }
    }

    /// For a URL that the operator chose, and nobody else can change: any address and port, no
    /// redirects; 10 s and 1 MiB as always.
    pub fn operators_choice() -> Self {
        let all = ["0.0.0.0/0", "::/0"].iter().filter_map(|network| network.parse().ok()).collect();
        Self { allow_http: true, allowed_ports: Vec::new(), allow_networks: all, max_redirects: 0, ..Self::strict() }
    }

    /// Everything that can be said before the name is resolved; an address literal is checked here,
    /// because no resolver will see it.
    pub(super) fn check_url(&self, url: &Url) -> Result<(), GuardError> {
        match url.scheme() {
            "https" => {}
            "http" if self.allow_http => {}
            _ => return Err(GuardError::BlockedScheme),
        }
        if !url.username().is_empty() || url.password().is_some() {
            return Err(GuardError::UserinfoNotAllowed);
        }
        let port = url.port_or_known_default().unwrap_or_default();
        if !self.allowed_ports.is_empty() && !self.allowed_ports.contains(&port) {
            return Err(GuardError::BlockedPort(port));
        }
        match url.host() {
            Some(Host::Ipv4(ip)) => self.check_address(IpAddr::V4(ip)),
            Some(Host::Ipv6(ip)) => self.check_address(IpAddr::V6(ip)),
            Some(Host::Domain(name)) if !name.is_empty() => Ok(()),
            _ => Err(GuardError::InvalidUrl(url.to_string())),
        }
    }

    /// Whether an address may be connected to.
    pub(super) fn check_address(&self, ip: IpAddr) -> Result<(), GuardError> {
        if is_public(ip) || self.allow_networks.iter().any(|network| network.contains(&ip)) {
            Ok(())
        } else {
            Err(GuardError::BlockedAddress(ip))
        }
    }
}
