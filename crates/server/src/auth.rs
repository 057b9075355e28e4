//! Who is calling: a user through the gateway, or a service with an API key.

use actix_web::dev::Payload;
use actix_web::http::header::{AUTHORIZATION, HeaderMap};
use actix_web::{FromRequest, HttpRequest, web};
use futures::FutureExt;
use futures::future::LocalBoxFuture;
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use task_domain::{SubscriptionLevel, TenantId, UserId};
use task_service::{Access, Caller, KeyIdentity, KeyService, Scope, ServiceError};

use crate::errors::{ApiError, FieldError};
use crate::state::ApiState;

/// An API key that the configuration names.
#[derive(Debug, Clone)]
pub struct StaticKey {
    pub secret: SecretString,
    pub identity: KeyIdentity,
}

/// What is believed.
#[derive(Debug, Clone, Default)]
pub struct AuthConfig {
    /// Gateway headers are believed without a secret; only on a loopback listener.
    pub development: bool,
    /// Any of them vouches for the gateway headers; two while one is rotated out.
    pub gateway_secrets: Vec<SecretString>,
    pub keys: Vec<StaticKey>,
}

/// An authenticated caller, as an extractor.
pub struct Authenticated(pub Caller);

impl FromRequest for Authenticated {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        async move {
            let state = request.app_data::<web::Data<ApiState>>().ok_or(ApiError::Unauthenticated)?;
            caller(&state.auth, &state.keys, request.headers()).await.map(Self)
        }
        .boxed_local()
    }
}

/// The one value of a header: `Err` when it is given twice or is no text.
fn one<'h>(headers: &'h HeaderMap, name: &str) -> Result<Option<&'h str>, ApiError> {
    let mut values = headers.get_all(name);
    match (values.next(), values.next()) {
        (None, _) => Ok(None),
        (Some(value), None) => value
            .to_str()
            .map(Some)
            .or_else(|_| std::str::from_utf8(value.as_bytes()).map(Some))
            .map_err(|_| ApiError::Unauthenticated),
        (Some(_), Some(_)) => Err(ApiError::Unauthenticated),
    }
}

/// Who shows these headers.
async fn caller(config: &AuthConfig, keys: &KeyService, headers: &HeaderMap) -> Result<Caller, ApiError> {
    let by_secret = shows_secret(config, headers)?;
    let vouched = if by_secret || config.development { gateway_headers(headers)? } else { None };
    let passed_on = by_secret && vouched.is_some();
    let key = match one(headers, "x-api-key")? {
        Some(secret) => Some(identity(config, keys, secret).await?.ok_or(ApiError::Unauthenticated)?),
        None => match bearer(headers) {
            Ok(None) => None,
            Ok(Some(secret)) => match identity(config, keys, secret).await? {
                None if !passed_on => return Err(ApiError::Unauthenticated),
                identity => identity,
            },
            Err(error) if !passed_on => return Err(error),
            Err(_) => None,
        },
    };
    // A gateway may pass on what its users show to it in `Authorization`: that is none of our keys,
    // and it has vouched for the user.
    let Some(key) = key else {
        let (tenant_id, user_id, level) = vouched.ok_or(ApiError::Unauthenticated)?;
        return Ok(Caller { tenant_id, access: Access::User { user_id, level } });
    };
    let mut acting_for = None;
    if let Some(user) = one(headers, "x-user-id")? {
        let may = key.scopes.contains(&Scope::ActAsUser) || key.scopes.contains(&Scope::Admin);
        if !may {
            return Err(ServiceError::Forbidden { action: "act_as_user", required_level: None }.into());
        }
        let user_id = UserId::new(user).map_err(|problem| wrong("X-User-ID", problem))?;
        acting_for = Some((user_id, level(headers)?));
    }
    let access = Access::Key { key_id: key.key_id, scopes: key.scopes, task_types: key.task_types, acting_for };
    Ok(Caller { tenant_id: key.tenant_id, access })
}

/// Whether the gateway shows that it is the gateway.
fn shows_secret(config: &AuthConfig, headers: &HeaderMap) -> Result<bool, ApiError> {
    let Some(shown) = one(headers, "x-gateway-secret")? else { return Ok(false) };
    // All are compared, so that time tells nothing of which one failed where.
    let matches = config.gateway_secrets.iter().filter(|secret| same(secret.expose_secret(), shown)).count();
    Ok(matches > 0)
}

fn gateway_headers(headers: &HeaderMap) -> Result<Option<(TenantId, UserId, Option<SubscriptionLevel>)>, ApiError> {
    let Some(user) = one(headers, "x-user-id")? else { return Ok(None) };
    let user_id = UserId::new(user).map_err(|_| ApiError::Unauthenticated)?;
    let tenant_id = match one(headers, "x-tenant-id")? {
        Some(tenant) => TenantId::new(tenant).map_err(|problem| wrong("X-Tenant-ID", problem))?,
        None => TenantId::default_tenant(),
    };
    Ok(Some((tenant_id, user_id, level(headers)?)))
}

fn level(headers: &HeaderMap) -> Result<Option<SubscriptionLevel>, ApiError> {
    match one(headers, "x-subscription-level")? {
        Some(text) => {
            text.to_ascii_lowercase().parse().map(Some).map_err(|problem| wrong("X-Subscription-Level", problem))
        }
        None => Ok(None),
    }
}

/// A header of somebody who is known that cannot be used.
fn wrong(header: &str, problem: impl std::fmt::Display) -> ApiError {
    ApiError::Invalid(vec![FieldError::header(header, problem.to_string())])
}

/// Whom a secret stands for, if anybody.
async fn identity(config: &AuthConfig, keys: &KeyService, secret: &str) -> Result<Option<KeyIdentity>, ApiError> {
    match config.keys.iter().find(|key| same(key.secret.expose_secret(), secret)) {
        Some(key) => Ok(Some(key.identity.clone())),
        None => Ok(keys.authenticate(secret).await?),
    }
}

fn bearer(headers: &HeaderMap) -> Result<Option<&str>, ApiError> {
    let Some(authorization) = one(headers, AUTHORIZATION.as_str())? else { return Ok(None) };
    match authorization.split_once(' ') {
        Some((scheme, key)) if scheme.eq_ignore_ascii_case("bearer") => Ok(Some(key.trim())),
        _ => Err(ApiError::Unauthenticated),
    }
}

/// Equal, in a time that depends on neither text.
pub fn same(known: &str, shown: &str) -> bool {
    Sha256::digest(known.as_bytes()).ct_eq(&Sha256::digest(shown.as_bytes())).into()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use actix_web::http::header::{HeaderName, HeaderValue};
    use task_protocols::background::Background;
    use task_protocols::{MockApiKeyStore, MockTaskStore, StoreError};

    use super::*;

    fn config() -> AuthConfig {
        let key = |id: &str, scopes: &[Scope]| StaticKey {
            secret: SecretString::from(format!("secret-{id}")),
            identity: KeyIdentity {
                key_id: id.into(),
                tenant_id: TenantId::default_tenant(),
                scopes: scopes.to_vec(),
                task_types: Vec::new(),
            },
        };
        AuthConfig {
            development: false,
            gateway_secrets: vec![SecretString::from("old"), SecretString::from("new")],
            keys: vec![key("worker", &[Scope::TasksWork]), key("service", &[Scope::TasksWrite, Scope::ActAsUser])],
        }
    }

    /// With a database that is away.
    async fn answer(headers: &[(&str, &str)]) -> Result<Caller, ApiError> {
        let mut map = HeaderMap::new();
        for (name, value) in headers {
            map.append(HeaderName::try_from(*name).unwrap(), HeaderValue::from_str(value).unwrap());
        }
        let mut store = MockApiKeyStore::new();
        store.expect_find_key().returning(|_| Err(StoreError::unavailable("away")));
        let background = Background::new(tokio::runtime::Handle::current());
        let keys = KeyService::new(Arc::new(store), Arc::new(MockTaskStore::new()), background);
        caller(&config(), &keys, &map).await
    }

    async fn ask(headers: &[(&str, &str)]) -> Option<Caller> {
        answer(headers).await.ok()
    }

    #[tokio::test]
    async fn gateway_headers_need_one_of_the_secrets() {
        assert!(ask(&[("x-user-id", "ann")]).await.is_none());
        assert!(ask(&[("x-user-id", "ann"), ("x-gateway-secret", "wrong")]).await.is_none());
        for secret in ["old", "new"] {
            let headers = [("x-user-id", "ann"), ("x-tenant-id", "acme"), ("x-gateway-secret", secret)];
            let caller = ask(&headers).await.unwrap();
            assert_eq!(caller.tenant_id.as_str(), "acme");
            assert_eq!(caller.user_id().unwrap().as_str(), "ann");
        }
        assert!(ask(&[("x-user-id", "ann"), ("x-user-id", "bob"), ("x-gateway-secret", "old")]).await.is_none());
    }

    #[tokio::test]
    async fn a_key_is_itself_unless_it_may_act_for_a_user() {
        assert!(ask(&[("x-api-key", "nonsense")]).await.is_none());
        assert!(ask(&[("x-api-key", "secret-worker")]).await.unwrap().is_key());
        assert!(ask(&[("authorization", "Bearer secret-worker")]).await.unwrap().is_key());
        assert!(ask(&[("authorization", "Basic abc")]).await.is_none());
        assert!(ask(&[("x-api-key", "secret-worker"), ("x-user-id", "ann")]).await.is_none());
        let acting = ask(&[("x-api-key", "secret-service"), ("x-user-id", "ann")]).await.unwrap();
        assert_eq!(acting.user_id().unwrap().as_str(), "ann");
    }

    #[tokio::test]
    async fn what_the_gateway_passes_on_does_not_shut_its_users_out() {
        for authorization in ["Bearer eyJhbGciOiJIUzI1NiJ9.e30.c2ln", "Basic YW5uOnB3", "Bearer nonsense"] {
            let user = [("x-user-id", "ann"), ("authorization", authorization)];
            assert!(ask(&user).await.is_none(), "nobody vouches");
            let caller = ask(&[user[0], user[1], ("x-gateway-secret", "new")]).await.unwrap();
            assert!(!caller.is_key() && caller.user_id().unwrap().as_str() == "ann");
            assert!(ask(&[user[0], user[1], ("x-gateway-secret", "wrong")]).await.is_none());
        }
        // What says that it is a key must be one.
        assert!(ask(&[("x-user-id", "ann"), ("x-api-key", "nonsense"), ("x-gateway-secret", "new")]).await.is_none());
        let key = [("x-user-id", "ann"), ("authorization", "Bearer secret-service"), ("x-gateway-secret", "new")];
        assert!(ask(&key).await.unwrap().is_key());
    }

    #[tokio::test]
    async fn a_wrong_header_of_a_trusted_gateway_is_named() {
        for (header, value) in [("X-Subscription-Level", "gold"), ("X-Tenant-ID", "")] {
            let headers = [("x-user-id", "ann"), (header, value), ("x-gateway-secret", "new")];
            let Err(ApiError::Invalid(problems)) = answer(&headers).await else { panic!("{header} is not named") };
            assert_eq!(problems[0].loc, ["header", header]);
            assert!(matches!(answer(&headers[..2]).await, Err(ApiError::Unauthenticated)));
        }
    }

    #[tokio::test]
    async fn a_key_that_cannot_be_looked_up_is_not_called_wrong() {
        let typo = "tsk_000000000000_00000000000000000000000000000000000000000000000000";
        assert!(matches!(answer(&[("x-api-key", typo)]).await, Err(ApiError::Unauthenticated)), "needs no database");
        let key = "tsk_000000000000_000000000000000000000000000000000000000000003cndXx";
        let error = answer(&[("x-api-key", key)]).await.unwrap_err();
        assert!(matches!(error, ApiError::Service(ServiceError::Store(StoreError::Unavailable(_)))), "{error:?}");
    }
}
