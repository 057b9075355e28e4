//! What built-in tasks may call.

use task_executors::OutboundPolicy;

use crate::config::Settings;
use crate::error::StartError;

pub(crate) fn policy(settings: &Settings) -> Result<OutboundPolicy, StartError> {
    if settings.development {
        return Ok(OutboundPolicy::development());
    }
    let mut policy = OutboundPolicy::strict();
    policy.allow_http = settings.outbound.allow_http;
    policy.allowed_ports = settings.outbound.allowed_ports.clone();
    for network in &settings.outbound.allow_networks {
        let parsed = network.parse().map_err(|_| {
            StartError::Config(format!("outbound.allow_networks: `{network}` is no network such as 10.1.0.0/16"))
        })?;
        policy.allow_networks.push(parsed);
    }
    Ok(policy)
}
