//! Who is believed, from the settings.

use task_domain::TenantId;
use task_server::{AuthConfig, StaticKey};
use task_service::{KeyIdentity, Scope};

use crate::config::Settings;

pub(crate) fn config(settings: &Settings) -> AuthConfig {
    let key = settings.api_key().map(|secret| StaticKey {
        secret,
        identity: KeyIdentity {
            key_id: if settings.development { "development".into() } else { "bootstrap".into() },
            tenant_id: TenantId::default_tenant(),
            scopes: Scope::ALL.to_vec(),
            task_types: Vec::new(),
        },
    });
    AuthConfig {
        development: settings.development,
        gateway_secrets: settings.gateway_secrets(),
        keys: key.into_iter().collect(),
    }
}
