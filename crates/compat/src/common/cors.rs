//! Which web pages may call.

use actix_web::http::Uri;

/// Whose pages of other origins a browser lets call an API.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Cors {
    #[default]
    Nobody,
    /// Pages served by this machine.
    Local,
    Anybody,
    /// These origins: `https://app.example.org`.
    Listed(Vec<String>),
}

impl Cors {
    pub(crate) fn is_on(&self) -> bool {
        *self != Self::Nobody
    }

    pub(crate) fn middleware(&self) -> actix_cors::Cors {
        let cors = actix_cors::Cors::default().allow_any_method().allow_any_header().expose_any_header().max_age(3600);
        match self {
            Self::Nobody => cors,
            Self::Anybody => cors.allow_any_origin().send_wildcard(),
            Self::Local => cors.allowed_origin_fn(|origin, _| origin.to_str().is_ok_and(is_local)),
            Self::Listed(origins) => origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin)),
        }
    }
}

fn is_local(origin: &str) -> bool {
    let uri = origin.parse::<Uri>().ok();
    uri.is_some_and(|uri| matches!(uri.host(), Some("localhost" | "127.0.0.1" | "[::1]")))
}
