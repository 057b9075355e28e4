//! What a request passes on its way to a route.

use std::net::IpAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::{HOST, HeaderMap};
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{Error, ResponseError, web};

use crate::auth::AuthConfig;
use crate::errors::ApiError;
use crate::state::ApiState;

/// Headers of one request, names and values together, bytes.
const MAX_HEADERS: usize = 8 * 1024;

/// Refuses headers that are larger than 8 KiB in all, and in development mode a host that is not this
/// machine: a web page whose name was made to resolve to loopback could act as anybody otherwise.
///
/// # Errors
/// `HeadersTooLarge`, `OtherHost`.
pub fn check_headers(headers: &HeaderMap, auth: &AuthConfig) -> Result<(), ApiError> {
    // Each is followed by a colon, a blank and the end of its line.
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if bytes > MAX_HEADERS {
        return Err(ApiError::HeadersTooLarge { limit: MAX_HEADERS });
    }
    let host = headers.get(HOST).map(|host| String::from_utf8_lossy(host.as_bytes()));
    match host {
        Some(host) if auth.development && !is_this_machine(&host) => {
            Err(ApiError::OtherHost { host: host.into_owned() })
        }
        _ => Ok(()),
    }
}

fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let address = name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(name);
    name.eq_ignore_ascii_case("localhost") || address.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// Middleware: [`check_headers`].
pub(crate) async fn limit_headers(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let checked = match request.app_data::<web::Data<ApiState>>() {
        Some(state) => check_headers(request.headers(), &state.auth),
        None => Ok(()),
    };
    match checked {
        Ok(()) => Ok(next.call(request).await?.map_into_left_body()),
        Err(error) => Ok(request.into_response(error.error_response()).map_into_right_body()),
    }
}

/// Middleware: HEAD is answered as GET, without the body.
pub(crate) async fn head_as_get(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    if request.method() != Method::HEAD {
        return Ok(next.call(request).await?.map_into_left_body());
    }
    request.head_mut().method = Method::GET;
    let response = next.call(request).await?;
    Ok(response.map_body(|_, body| Bodiless(body.size())).map_into_right_body())
}

/// Says how long the body would be, and sends none: a stream that nobody reads ends at once.
struct Bodiless(BodySize);

impl MessageBody for Bodiless {
    type Error = std::convert::Infallible;

    fn size(&self) -> BodySize {
        match self.0 {
            BodySize::Sized(bytes) => BodySize::Sized(bytes),
            BodySize::None | BodySize::Stream => BodySize::None,
        }
    }

    fn poll_next(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        Poll::Ready(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn development_mode_answers_to_this_machine_only() {
        let development = AuthConfig { development: true, ..AuthConfig::default() };
        let ask = |host: &'static str, auth: &AuthConfig| {
            let mut headers = HeaderMap::new();
            headers.insert(HOST, actix_web::http::header::HeaderValue::from_static(host));
            check_headers(&headers, auth).is_ok()
        };
        for host in ["localhost", "LocalHost:8211", "127.0.0.1:8211", "127.0.0.2", "[::1]:8211", "[::1]"] {
            assert!(ask(host, &development), "{host}");
        }
        for host in ["evil.example", "evil.example:8211", "localhost.evil.example", "10.0.0.1:8211", "[::2]:80", ""] {
            assert!(!ask(host, &development), "{host}");
            assert!(ask(host, &AuthConfig::default()), "{host}: a gateway may call it as it likes");
        }
        assert!(check_headers(&HeaderMap::new(), &development).is_ok(), "no browser leaves it out");
    }
}
