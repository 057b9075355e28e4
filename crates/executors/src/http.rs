//! `http` and `custom`: call a URL and keep the answer.

use std::str::FromStr;
use std::time::Duration;

use async_trait::async_trait;
use base64::Engine;
use bytes::Bytes;
use http::header::{CONTENT_TYPE, HeaderMap, HeaderName, HeaderValue};
use http::{Method, StatusCode};
use serde_json::{Value, json};
use task_domain::{JsonObject, is_within_depth};
use task_protocols::{ConfigProblem, ExecutionContext, ExecutorError, Outcome, TaskExecutor};

use crate::echo::cancelled;
use crate::fields::invalid_config;
use crate::guard::{Fetched, GuardError, GuardedClient, Outbound};
use crate::shared::progress;

const METHODS: &[&str] = &["POST", "GET", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"];
/// Set by the client or meaningful for one connection only.
const RESERVED_HEADERS: &[&str] = &[
    "host",
    "content-length",
    "connection",
    "transfer-encoding",
    "upgrade",
    "te",
    "trailer",
    "keep-alive",
    "proxy-authorization",
    "proxy-connection",
    "idempotency-key",
];
const MAX_TIMEOUT_SECONDS: u64 = 300;
/// JSON answers that are nested deeper are kept as text.
const MAX_BODY_DEPTH: usize = 32;
/// How much of a refusal is kept in the error.
const EXCERPT: usize = 1000;

/// Config: `url` (alias `webhook_url`), `method` POST, `headers`, `body`, `expect_status` (one or a
/// list; default any 2xx), `timeout_seconds` (1–300). Sends `Idempotency-Key: {run_id}`.
#[derive(Clone)]
pub struct Http {
    client: GuardedClient,
}

impl Http {
    pub fn new(client: GuardedClient) -> Self {
        Self { client }
    }

    async fn call(&self, context: &ExecutionContext) -> Result<Outcome, ExecutorError> {
        let (call, expected) =
            read(&context.task.config, &context.execution.run_id.to_string()).map_err(invalid_config)?;
        progress(context, 0, &format!("Calling {}", host(&call.url))).await;
        let fetched = self.client.call(call).await.map_err(|error| refused(&error))?;
        let fits =
            if expected.is_empty() { fetched.status.is_success() } else { expected.contains(&fetched.status.as_u16()) };
        if fits { Ok(success(&fetched)) } else { Err(unexpected(&fetched)) }
    }
}

#[async_trait]
impl TaskExecutor for Http {
    fn task_types(&self) -> &'static [&'static str] {
        &["http", "custom"]
    }

    fn validate_config(&self, config: &JsonObject) -> Vec<ConfigProblem> {
        read(config, "run").err().unwrap_or_default()
    }

    async fn execute(&self, context: ExecutionContext) -> Result<Outcome, ExecutorError> {
        tokio::select! {
            outcome = self.call(&context) => outcome,
            () = context.cancelled.cancelled() => Err(cancelled()),
        }
    }
}

/// The call that a config describes, and the statuses it expects; or every problem.
fn read(config: &JsonObject, idempotency_key: &str) -> Result<(Outbound, Vec<u16>), Vec<ConfigProblem>> {
    let mut problems = Vec::new();
    let mut problem = |field: &str, message: String| problems.push(ConfigProblem { field: field.into(), message });
    let present = |key: &str| config.get(key).filter(|value| !value.is_null());

    let key = if present("url").is_some() { "url" } else { "webhook_url" };
    let url = present(key).and_then(Value::as_str).unwrap_or_default().to_owned();
    match (present(key), url::Url::parse(&url)) {
        (None, _) => problem("url", "is required".into()),
        (Some(_), Ok(url)) if matches!(url.scheme(), "http" | "https") && url.has_host() => {}
        (Some(_), _) => {
            problem(key, "must be a URL that starts with https:// (or http://, where the operator allows it)".into())
        }
    }
    let method = match present("method") {
        None => Method::POST,
        Some(value) => {
            let name = value.as_str().unwrap_or_default().to_ascii_uppercase();
            if !METHODS.contains(&name.as_str()) {
                problem("method", format!("must be one of: {}", METHODS.join(", ")));
            }
            Method::from_str(&name).unwrap_or(Method::POST)
        }
    };
    let mut headers = HeaderMap::new();
    match present("headers") {
        None => {}
        Some(Value::Object(map)) => {
            for (name, value) in map {
                let read =
                    HeaderName::from_str(name).ok().zip(value.as_str().and_then(|v| HeaderValue::from_str(v).ok()));
                match read {
                    Some((name, _)) if RESERVED_HEADERS.contains(&name.as_str()) => {
                        problem("headers", format!("must not set `{name}`; the service does"))
                    }
                    Some((name, value)) => drop(headers.insert(name, value)),
                    None => {
                        problem("headers", format!("`{name}` is not a header name with a text that a header can carry"))
                    }
                }
            }
        }
        Some(_) => problem("headers", "must be an object of texts".into()),
    }
    let status = |value: &Value| value.as_u64().and_then(|n| u16::try_from(n).ok()).filter(|n| (100..=599).contains(n));
    let expected = match present("expect_status") {
        None => Some(Vec::new()),
        Some(Value::Array(items)) if !items.is_empty() => items.iter().map(status).collect(),
        Some(value) => status(value).map(|n| vec![n]),
    };
    if expected.is_none() {
        problem("expect_status", "must be a status from 100 to 599, or a list of them".into());
    }
    let timeout =
        present("timeout_seconds").map(|value| value.as_u64().filter(|n| (1..=MAX_TIMEOUT_SECONDS).contains(n)));
    if timeout == Some(None) {
        problem("timeout_seconds", format!("must be a whole number from 1 to {MAX_TIMEOUT_SECONDS}"));
    }
    if !problems.is_empty() {
        return Err(problems);
    }
    let body = present("body").map(|body| match body {
        Value::String(text) => Bytes::from(text.clone()),
        json => {
            headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("application/json"));
            Bytes::from(json.to_string())
        }
    });
    if let Ok(value) = HeaderValue::from_str(idempotency_key) {
        headers.insert("idempotency-key", value);
    }
    let timeout = timeout.flatten().map(Duration::from_secs);
    Ok((Outbound { method, url, headers, body, timeout }, expected.unwrap_or_default()))
}

/// Without what may be a secret: user, path and query.
fn host(url: &str) -> String {
    url::Url::parse(url).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_else(|| "the URL".into())
}

fn success(fetched: &Fetched) -> Outcome {
    let headers: serde_json::Map<String, Value> = fetched
        .headers
        .iter()
        .map(|(name, value)| {
            (name.to_string(), Value::String(String::from_utf8_lossy(value.as_bytes()).replace('\0', "")))
        })
        .collect();
    let (body, encoding) = body(&fetched.body);
    let mut data = json!({"status": fetched.status.as_u16(), "headers": headers, "body": body});
    if let Some(encoding) = encoding {
        data["body_encoding"] = json!(encoding);
    }
    let result =
        json!({"status": "success", "message": format!("The server answered {}", fetched.status), "custom_data": data});
    Outcome { result, api_calls_made: 1, ..Outcome::default() }
}

/// JSON as it is (unless it is nested too deeply to be stored), other text as text, anything else as base64. NUL, which no text column keeps,
/// makes a text "anything else".
fn body(bytes: &Bytes) -> (Value, Option<&'static str>) {
    match std::str::from_utf8(bytes) {
        Ok(text) if !text.contains('\0') && !text.contains("\\u0000") => {
            let parsed = serde_json::from_str(text).ok().filter(|json| is_within_depth(json, MAX_BODY_DEPTH));
            (parsed.unwrap_or_else(|| json!(text)), None)
        }
        _ => (json!(base64::engine::general_purpose::STANDARD.encode(bytes)), Some("base64")),
    }
}

pub(crate) fn unexpected(fetched: &Fetched) -> ExecutorError {
    let retryable = fetched.status.is_server_error()
        || matches!(fetched.status, StatusCode::TOO_MANY_REQUESTS | StatusCode::REQUEST_TIMEOUT);
    let excerpt: String = String::from_utf8_lossy(&fetched.body).chars().filter(|c| *c != '\0').take(EXCERPT).collect();
    ExecutorError {
        code: "http_status",
        message: format!("The server answered {}", fetched.status),
        details: Some(json!({"status": fetched.status.as_u16(), "body": excerpt})),
        retryable,
    }
}

pub(crate) fn refused(error: &GuardError) -> ExecutorError {
    ExecutorError { code: error.code(), message: error.to_string(), details: None, retryable: error.is_retryable() }
}
