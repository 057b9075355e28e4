//! What the clients share: time-outs, and tries that are repeated only where that is safe.

use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use reqwest::redirect::Policy;
use reqwest::{Client, RequestBuilder, Response, StatusCode, Url};
use task_protocols::NeighbourError;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
const TIMEOUT: Duration = Duration::from_secs(5);
/// Longest answer that is read, bytes.
const MAX_ANSWER: usize = 1024 * 1024;
/// Tries of one call in all.
const TRIES: usize = 3;

/// Whether a call may be made twice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Repeat {
    /// Reads, replacements, deletions: after any failure that may pass.
    Safe,
    /// Only when the first one cannot have been done: no connection, or refused for now.
    UnlessDone,
}

/// One neighbour.
#[derive(Debug, Clone)]
pub(crate) struct Neighbour {
    service: &'static str,
    base_url: String,
    client: Client,
}

impl Neighbour {
    /// # Errors
    /// When the TLS set-up of this machine cannot be used.
    pub(crate) fn new(service: &'static str, base_url: &str) -> Result<Self, reqwest::Error> {
        // The URL is the operator's own: neither a proxy of the environment nor an answer leads elsewhere.
        let builder = Client::builder().no_proxy().redirect(Policy::none());
        let client = builder.connect_timeout(CONNECT_TIMEOUT).timeout(TIMEOUT).build()?;
        Ok(Self { service, base_url: base_url.trim_end_matches('/').to_owned(), client })
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }

    /// The place of one thing under `path`. Its id came from outside: as one segment it cannot lead
    /// elsewhere. `None` for an id that no segment can be.
    pub(crate) fn url_of(&self, path: &str, id: &str) -> Result<Option<Url>, NeighbourError> {
        let mut url = Url::parse(&self.url(path)).map_err(|error| self.error(false, error))?;
        if matches!(id, "" | "." | "..") {
            return Ok(None);
        }
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.push(id);
        }
        Ok(Some(url))
    }

    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Sends what `make` makes, up to three times with jittered waits; any answer of the server
    /// that is not a reason to try again is the caller's.
    pub(crate) async fn send(
        &self,
        repeat: Repeat,
        make: impl Fn() -> RequestBuilder,
    ) -> Result<Response, NeighbourError> {
        let once = || async {
            match make().send().await {
                Ok(response) if passing(response.status()) => {
                    let status = response.status();
                    Err(Failed { done: status != StatusCode::SERVICE_UNAVAILABLE, source: status.to_string().into() })
                }
                Ok(response) => Ok(response),
                Err(error) => Err(Failed { done: !error.is_connect(), source: error.into() }),
            }
        };
        let waits = ExponentialBuilder::default()
            .with_min_delay(Duration::from_millis(100))
            .with_max_times(TRIES - 1)
            .with_jitter();
        once.retry(waits)
            .when(|failed: &Failed| repeat == Repeat::Safe || !failed.done)
            .await
            .map_err(|failed| self.error(true, failed.source))
    }

    /// The answer, when it is a success.
    pub(crate) fn accepted(&self, response: Response) -> Result<Response, NeighbourError> {
        if response.status().is_success() {
            return Ok(response);
        }
        Err(self.error(false, format!("it answered {}", response.status())))
    }

    /// The body of a success, as JSON; one that goes on and on is not read to its end.
    pub(crate) async fn json(&self, response: Response) -> Result<serde_json::Value, NeighbourError> {
        let mut response = self.accepted(response)?;
        let mut body = Vec::new();
        while let Some(chunk) = response.chunk().await.map_err(|error| self.error(false, error))? {
            if body.len() + chunk.len() > MAX_ANSWER {
                return Err(self.error(false, format!("its answer is larger than {MAX_ANSWER} bytes")));
            }
            body.extend_from_slice(&chunk);
        }
        serde_json::from_slice(&body).map_err(|error| self.error(false, error))
    }

    pub(crate) fn error(
        &self,
        retryable: bool,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> NeighbourError {
        NeighbourError { service: self.service, retryable, source: source.into() }
    }
}

/// A try that did not succeed.
struct Failed {
    /// Whether the server may have done what was asked.
    done: bool,
    source: Box<dyn std::error::Error + Send + Sync>,
}

/// A failure that may pass by itself.
fn passing(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
}
