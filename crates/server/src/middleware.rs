//! What a request passes on its way to a route.

use std::pin::Pin;
use std::task::{Context, Poll};

use actix_web::body::{BodySize, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::http::header::HeaderMap;
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{Error, ResponseError};

use crate::errors::ApiError;

/// Headers of one request, names and values together, bytes.
const MAX_HEADERS: usize = 8 * 1024;

/// Refuses headers that are larger than 8 KiB in all.
///
/// # Errors
/// `HeadersTooLarge`.
pub fn check_headers(headers: &HeaderMap) -> Result<(), ApiError> {
    // Each is followed by a colon, a blank and the end of its line.
    let bytes: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if bytes > MAX_HEADERS { Err(ApiError::HeadersTooLarge { limit: MAX_HEADERS }) } else { Ok(()) }
}

/// Middleware: [`check_headers`].
pub(crate) async fn limit_headers(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    match check_headers(request.headers()) {
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
