//! The body of a request: JSON, checked before anything reads it.

use std::time::Duration;

use actix_web::dev::Payload;
use actix_web::http::header::{CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::{FromRequest, HttpRequest, web};
use futures::StreamExt;
use futures::future::LocalBoxFuture;
use serde_json::Value;

use crate::errors::{ApiError, FieldError};

/// Bodies larger than this are refused, bytes.
const MAX_BODY: usize = 256 * 1024;
/// Bodies that may carry a result: 1 MiB of it and what stands around it.
const MAX_LARGE_BODY: usize = 1024 * 1024 + 16 * 1024;
const MAX_DEPTH: usize = 32;
/// A body that trickles in more slowly is not waited for.
const MAX_TIME: Duration = Duration::from_secs(30);
/// As many problems as one answer names.
pub(crate) const MAX_PROBLEMS: usize = 50;

/// A JSON body: UTF-8, without NUL, at most 32 deep, every number an i64 or a finite f64.
/// `None` when the body is empty.
pub struct JsonBody(pub Option<Value>);

/// The same for a body that may carry a result.
pub struct LargeBody(pub Option<Value>);

impl FromRequest for JsonBody {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = read(request, payload, MAX_BODY);
        Box::pin(async move { body.await.map(Self) })
    }
}

impl FromRequest for LargeBody {
    type Error = ApiError;
    type Future = LocalBoxFuture<'static, Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, payload: &mut Payload) -> Self::Future {
        let body = read(request, payload, MAX_LARGE_BODY);
        Box::pin(async move { body.await.map(Self) })
    }
}

/// Reads at most `limit` bytes.
fn read(
    request: &HttpRequest,
    payload: &mut Payload,
    limit: usize,
) -> impl Future<Output = Result<Option<Value>, ApiError>> + use<> {
    let content_type =
        request.headers().get(CONTENT_TYPE).map(|value| value.to_str().unwrap_or_default().to_ascii_lowercase());
    let encoded = request.headers().get(CONTENT_ENCODING).is_some_and(|value| value != "identity");
    let length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse::<u64>().ok());
    let mut payload = payload.take();
    async move {
        // Who asks before sending, or sends slowly, learns at once what the headers tell.
        if length.is_some_and(|length| length > limit as u64) {
            return Err(ApiError::TooLarge { limit });
        }
        if encoded && length != Some(0) {
            return Err(ApiError::UnsupportedMediaType);
        }
        let mut bytes = web::BytesMut::new();
        let until = tokio::time::Instant::now() + MAX_TIME;
        while let Some(chunk) = tokio::time::timeout_at(until, payload.next()).await.map_err(|_| ApiError::SlowBody)? {
            let chunk = chunk.map_err(|error| {
                ApiError::Invalid(vec![FieldError::body(format!("could not be read: {error}"), "body_error")])
            })?;
            if bytes.len() + chunk.len() > limit {
                return Err(ApiError::TooLarge { limit });
            }
            bytes.extend_from_slice(&chunk);
        }
        if bytes.is_empty() {
            return Ok(None);
        }
        let media_type = content_type.as_deref().unwrap_or_default().split(';').next().unwrap_or_default().trim();
        if media_type != "application/json" && !media_type.ends_with("+json") {
            return Err(ApiError::UnsupportedMediaType);
        }
        parse(&bytes).map(Some)
    }
}

fn parse(bytes: &[u8]) -> Result<Value, ApiError> {
    let refuse = |message: String, kind| ApiError::Invalid(vec![FieldError::body(message, kind)]);
    let value: Value =
        serde_json::from_slice(bytes).map_err(|error| refuse(format!("is not valid JSON: {error}"), "json_invalid"))?;
    if has_long_integer(bytes) {
        return Err(refuse("has an integer beyond 64 bits".into(), "number_out_of_range"));
    }
    let mut problems = Vec::new();
    check(&value, &mut vec!["body".to_owned()], &mut problems);
    if problems.is_empty() { Ok(value) } else { Err(ApiError::Invalid(problems)) }
}

/// Collects what no column could keep; `path` is where `value` stands, the body itself at depth 1.
fn check(value: &Value, path: &mut Vec<String>, problems: &mut Vec<FieldError>) {
    if problems.len() >= MAX_PROBLEMS {
        return;
    }
    let mut refuse = |msg: &str| {
        problems.push(FieldError { loc: path.clone(), msg: msg.to_owned(), kind: "json_invalid" });
    };
    match value {
        // The rest of such a body is not looked at: it may be deeper still.
        _ if path.len() > MAX_DEPTH => refuse("is nested deeper than 32 levels"),
        Value::String(text) if text.contains('\0') => refuse("must not have a NUL character"),
        Value::Number(number) if number.is_u64() && !number.is_i64() => refuse("is an integer beyond 64 bits"),
        Value::Array(items) => {
            for (n, item) in items.iter().enumerate() {
                path.push(n.to_string());
                check(item, path, problems);
                path.pop();
            }
        }
        Value::Object(map) => {
            if map.keys().any(|key| key.contains('\0')) {
                refuse("must not have a NUL character in a key");
            }
            for (key, item) in map.iter().filter(|(key, _)| !key.contains('\0')) {
                path.push(key.clone());
                check(item, path, problems);
                path.pop();
            }
        }
        _ => {}
    }
}

/// Whether valid JSON has an integer literal beyond 64 bits, which the parser would silently round
/// to a float.
fn has_long_integer(json: &[u8]) -> bool {
    let (mut in_text, mut escaped, mut literal) = (false, false, None);
    for (at, &byte) in json.iter().chain(b" ").enumerate() {
        if in_text {
            (in_text, escaped) = (escaped || byte != b'"', !escaped && byte == b'\\');
            continue;
        }
        match byte {
            b'0'..=b'9' | b'-' | b'+' | b'.' | b'e' | b'E'
                if literal.is_some() || byte == b'-' || byte.is_ascii_digit() =>
            {
                literal.get_or_insert(at);
            }
            _ => {
                if literal.take().is_some_and(|from| is_beyond_64_bits(&json[from..at])) {
                    return true;
                }
                in_text = byte == b'"';
            }
        }
    }
    false
}

fn is_beyond_64_bits(literal: &[u8]) -> bool {
    let is_integer = !literal.iter().any(|byte| matches!(byte, b'.' | b'e' | b'E'));
    is_integer && std::str::from_utf8(literal).is_ok_and(|text| text.parse::<i64>().is_err())
}

#[cfg(test)]
mod tests {
    use actix_web::test::TestRequest;

    use super::*;

    #[actix_web::test]
    async fn what_is_too_long_or_compressed_is_refused_by_its_headers() {
        let body = async |headers: &[(&'static str, &'static str)]| {
            let request = TestRequest::post().set_payload("{}").insert_header((CONTENT_TYPE, "application/json"));
            let request = headers.iter().fold(request, |request, header| request.insert_header(*header));
            let (request, mut payload) = request.to_http_parts();
            JsonBody::from_request(&request, &mut payload).await
        };
        assert!(body(&[]).await.unwrap().0.is_some());
        assert!(body(&[("content-encoding", "identity")]).await.is_ok());
        assert!(body(&[("content-encoding", "gzip"), ("content-length", "0")]).await.is_ok());
        for length in ["262145", "100000000000"] {
            assert!(matches!(body(&[("content-length", length)]).await, Err(ApiError::TooLarge { .. })), "{length}");
        }
        assert!(matches!(body(&[("content-encoding", "gzip")]).await, Err(ApiError::UnsupportedMediaType)));
    }

    #[test]
    fn what_the_store_could_not_keep_is_refused() {
        let deep = format!("{}1{}", "[".repeat(40), "]".repeat(40));
        let bad = [
            r#"{"a":"\u0000"}"#,
            r#"{"\u0000":1}"#,
            r#"{"a":"\ud800"}"#,
            r#"{"a":9223372036854775808}"#,
            r#"{"a":123456789012345678901234567890}"#,
            r#"{"a":-12345678901234567890}"#,
            r#"{"a":-9999999999999999999}"#,
            r#"{"a":-9223372036854775809}"#,
            "9223372036854775808",
            r#"{"a":1e400}"#,
            r#"{"a":NaN}"#,
            r#"{"a":1"#,
            deep.as_str(),
        ];
        for text in bad {
            assert!(parse(text.as_bytes()).is_err(), "{text}");
        }
        let good = [
            r#"{"a":9223372036854775807,"b":1e300,"c":0.12345678901234567890123,"d":"12345678901234567890123 \" 1"}"#,
            r#"{"a":-9223372036854775808,"b":-0,"c":1.7976931348623157e308,"d":true,"e":1E5}"#,
            "[1,2]",
            "null",
        ];
        for text in good {
            assert!(parse(text.as_bytes()).is_ok(), "{text}");
        }
    }
}
