//! The JSON body of a request, refused in the API's own shape.

use std::marker::PhantomData;

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use futures::future::LocalBoxFuture;
use serde_json::Value;
use task_server::plumbing::{JsonBody, LargeBody};

use super::{Refusal, Shape};

/// A JSON body as [`JsonBody`] checks it; `None` when it is empty.
pub(crate) struct Body<S>(pub(crate) Option<Value>, PhantomData<fn() -> S>);

impl<S: Shape> FromRequest for Body<S> {
    type Error = Refusal<S>;
    type Future = LocalBoxFuture<'static, Result<Self, Refusal<S>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = JsonBody::from_request(request, payload);
        Box::pin(async move { Ok(Self(body.await?.0, PhantomData)) })
    }
}

/// The same for a body that may carry a result: up to 1 MiB of it.
pub(crate) struct ResultBody<S>(pub(crate) Option<Value>, PhantomData<fn() -> S>);

impl<S: Shape> FromRequest for ResultBody<S> {
    type Error = Refusal<S>;
    type Future = LocalBoxFuture<'static, Result<Self, Refusal<S>>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = LargeBody::from_request(request, payload);
        Box::pin(async move { Ok(Self(body.await?.0, PhantomData)) })
    }
}
