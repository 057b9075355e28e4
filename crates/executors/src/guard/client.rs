//! The client itself.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::StreamExt;
use http::header::{CONTENT_LENGTH, CONTENT_TYPE, HeaderMap, LOCATION};
use http::{Method, StatusCode};
use url::Url;

use super::error::GuardError;
use super::policy::OutboundPolicy;
use super::resolver::{CheckedResolver, Lookup};

/// What another origin than the first may be shown of a call's headers.
const SHOWN_ANYWHERE: [&str; 4] = ["accept", "accept-language", "content-type", "idempotency-key"];

/// A call to make.
#[derive(Debug, Clone)]
pub struct Outbound {
    pub method: Method,
    pub url: String,
    pub headers: HeaderMap,
    pub body: Option<Bytes>,
    /// `None`: the policy's.
    pub timeout: Option<Duration>,
}

/// An answer, read whole.
#[derive(Debug, Clone)]
pub struct Fetched {
    pub status: StatusCode,
    pub headers: HeaderMap,
    pub body: Bytes,
}

/// Calls the outside under one policy; connections are pooled.
#[derive(Clone)]
pub struct GuardedClient {
    http: reqwest::Client,
    policy: OutboundPolicy,
}

impl GuardedClient {
    /// # Errors
    /// When the TLS set-up of this machine cannot be used.
    pub fn new(policy: OutboundPolicy, lookup: Arc<dyn Lookup>) -> Result<Self, reqwest::Error> {
        let resolver = CheckedResolver { lookup, policy: policy.clone() };
        let http = reqwest::Client::builder()
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .dns_resolver(Arc::new(resolver))
            .user_agent(concat!("task-service/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { http, policy })
    }

    /// Makes a call and follows its redirects, each checked from the start.
    ///
    /// # Errors
    /// See [`GuardError`]; an answer of any status is not an error.
    pub async fn call(&self, call: Outbound) -> Result<Fetched, GuardError> {
        let timeout = call.timeout.unwrap_or(self.policy.timeout);
        match tokio::time::timeout(timeout, self.follow(call)).await {
            Ok(outcome) => outcome,
            Err(_) => Err(GuardError::Timeout(timeout.as_millis())),
        }
    }

    async fn follow(&self, mut call: Outbound) -> Result<Fetched, GuardError> {
        let mut url = Url::parse(&call.url).map_err(|_| GuardError::InvalidUrl(call.url.clone()))?;
        for _ in 0..=self.policy.max_redirects {
            self.policy.check_url(&url)?;
            let answer = self.send(&call, url.clone()).await?;
            let Some(target) = redirect_target(&answer, &url)? else { return self.read(answer).await };
            redirected(&mut call, answer.status(), &url, &target);
            url = target;
        }
        Err(GuardError::TooManyRedirects(self.policy.max_redirects))
    }

    async fn send(&self, call: &Outbound, url: Url) -> Result<reqwest::Response, GuardError> {
        let mut request = self.http.request(call.method.clone(), url).headers(call.headers.clone());
        if let Some(body) = &call.body {
            request = request.body(body.clone());
        }
        request.send().await.map_err(|error| classify(&error))
    }

    /// Reads the body up to the limit; a length announced beyond it is refused unread.
    async fn read(&self, answer: reqwest::Response) -> Result<Fetched, GuardError> {
        let limit = self.policy.max_response_bytes;
        let too_large = GuardError::ResponseTooLarge(limit);
        if answer.content_length().is_some_and(|length| length > limit as u64) {
            return Err(too_large);
        }
        let (status, headers) = (answer.status(), answer.headers().clone());
        let (mut chunks, mut body) = (answer.bytes_stream(), BytesMut::new());
        while let Some(chunk) = chunks.next().await {
            let chunk = chunk.map_err(|error| classify(&error))?;
            if body.len() + chunk.len() > limit {
                return Err(too_large);
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Fetched { status, headers, body: body.freeze() })
    }
}

/// Where an answer sends us, if it does.
fn redirect_target(answer: &reqwest::Response, url: &Url) -> Result<Option<Url>, GuardError> {
    if !matches!(answer.status().as_u16(), 301 | 302 | 303 | 307 | 308) {
        return Ok(None);
    }
    let Some(location) = answer.headers().get(LOCATION) else { return Ok(None) };
    let invalid = || GuardError::InvalidUrl(String::from_utf8_lossy(location.as_bytes()).into_owned());
    let target = location.to_str().map_err(|_| invalid())?;
    url.join(target).map(Some).map_err(|_| invalid())
}

/// Changes the call as browsers do: 303 (and 301, 302 of a POST) become GET without a body; headers
/// that were meant for one origin are not shown to another.
fn redirected(call: &mut Outbound, status: StatusCode, from: &Url, to: &Url) {
    let becomes_get = match status.as_u16() {
        303 => call.method != Method::HEAD,
        301 | 302 => call.method == Method::POST,
        _ => false,
    };
    if becomes_get {
        call.method = Method::GET;
        call.body = None;
        call.headers.remove(CONTENT_TYPE);
        call.headers.remove(CONTENT_LENGTH);
    }
    if from.origin() != to.origin() {
        // Any other may be a secret: keys have headers of many names.
        let names: Vec<_> = call.headers.keys().cloned().collect();
        for name in names.iter().filter(|name| !SHOWN_ANYWHERE.contains(&name.as_str())) {
            call.headers.remove(name);
        }
    }
}

/// The guard's own error where it was the cause, else what became of the connection.
fn classify(error: &reqwest::Error) -> GuardError {
    let mut source: Option<&(dyn std::error::Error + 'static)> = Some(error);
    let mut deepest = String::new();
    while let Some(cause) = source {
        if let Some(guard) = cause.downcast_ref::<GuardError>() {
            return guard.clone();
        }
        deepest = cause.to_string();
        source = cause.source();
    }
    GuardError::ConnectFailed(deepest)
}
