//! Who may call a drop-in API, and as whom.

use std::marker::PhantomData;

use actix_web::dev::Payload;
use actix_web::http::StatusCode;
use actix_web::{FromRequest, HttpRequest, ResponseError, web};
use futures::future::LocalBoxFuture;
use secrecy::{ExposeSecret, SecretString};
use task_domain::TenantId;
use task_server::plumbing::{ApiError, Authenticated, same};
use task_service::{Access, Caller, Scope};

use super::{DropIn, Refusal, Shape};

const API_KEY: &str = "x-api-key";
const REFUSED: &str = "Invalid API key";

/// Who may call.
#[derive(Debug, Clone)]
pub enum Admission {
    /// Who shows an API key of the service in `X-API-Key`; the caller sees that key's tenant.
    Keys,
    /// Anybody without a key, else who shows it in `X-API-Key`. All callers are one, in the default
    /// tenant, as the older service knew none.
    Anybody { key: Option<SecretString> },
}

/// The caller, as an extractor.
pub(crate) struct Authorised<S>(pub(crate) Caller, PhantomData<fn() -> S>);

impl<S: Shape> FromRequest for Authorised<S> {
    type Error = Refusal<S>;
    type Future = LocalBoxFuture<'static, Result<Self, Refusal<S>>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let request = request.clone();
        Box::pin(async move {
            let refused = || Refusal::new(StatusCode::UNAUTHORIZED, REFUSED);
            let Some(drop_in) = request.app_data::<web::Data<DropIn>>() else { return Err(refused()) };
            let caller = match &drop_in.admission {
                Admission::Keys if !request.headers().contains_key(API_KEY) => return Err(refused()),
                Admission::Keys => match Authenticated::from_request(&request, &mut Payload::None).await {
                    Ok(Authenticated(caller)) => caller,
                    Err(error) if is_refused(&error) => return Err(refused()),
                    Err(error) => return Err(error.into()),
                },
                Admission::Anybody { key: Some(key) } if !shows(&request, key) => return Err(refused()),
                Admission::Anybody { .. } => anybody(drop_in),
            };
            Ok(Self(caller, PhantomData))
        })
    }
}

fn is_refused(error: &ApiError) -> bool {
    error.status_code() == StatusCode::UNAUTHORIZED
}

fn shows(request: &HttpRequest, key: &SecretString) -> bool {
    let mut shown = request.headers().get_all(API_KEY);
    match (shown.next().and_then(|value| value.to_str().ok()), shown.next()) {
        (Some(text), None) => same(key.expose_secret(), text),
        _ => false,
    }
}

/// Who calls when nobody shows who it is.
pub(crate) fn anybody(drop_in: &DropIn) -> Caller {
    let access = Access::Key {
        key_id: drop_in.api.origin.to_string(),
        scopes: vec![Scope::TasksWrite, Scope::TasksWork, Scope::Facts],
        task_types: Vec::new(),
        acting_for: None,
    };
    Caller { tenant_id: TenantId::default_tenant(), access }
}
