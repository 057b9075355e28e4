//! `Idempotency-Key`: makes a create safe to repeat.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::{FromRequest, HttpRequest};
use serde_json::Value;
use sha2::{Digest, Sha256};
use task_service::RequestKey;

use crate::errors::{ApiError, FieldError};

const NAME: &str = "Idempotency-Key";
/// Says that a task was not made by this request but by the one that it repeats.
pub(super) const REPLAYED: &str = "Idempotency-Replayed";

/// The key of a request, when it has one: 1–255 printable ASCII characters.
pub(crate) struct IdempotencyKey(Option<String>);

impl IdempotencyKey {
    /// The key together with what was asked for under it. Two bodies are the same when they say the
    /// same, whatever the order of their keys and their blanks.
    pub(super) fn of(self, body: Option<&Value>) -> Option<RequestKey> {
        let key = self.0?;
        // Objects keep their keys sorted, so this text is canonical.
        let text = body.map(Value::to_string).unwrap_or_default();
        let fingerprint = Sha256::digest(text.as_bytes()).iter().map(|byte| format!("{byte:02x}")).collect();
        Some(RequestKey { key, fingerprint })
    }
}

impl FromRequest for IdempotencyKey {
    type Error = ApiError;
    type Future = Ready<Result<Self, ApiError>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let refuse = |msg: &str| {
            let loc = vec!["header".into(), NAME.into()];
            ready(Err(ApiError::Invalid(vec![FieldError { loc, msg: msg.into(), kind: "value_error" }])))
        };
        let mut values = request.headers().get_all(NAME);
        let Some(value) = values.next() else { return ready(Ok(Self(None))) };
        if values.next().is_some() {
            return refuse("must be given once");
        }
        match value.to_str() {
            Ok(text) if (1..=255).contains(&text.len()) && !text.contains('\t') => ready(Ok(Self(Some(text.into())))),
            _ => refuse("must have 1 to 255 printable ASCII characters"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_is_known_by_what_it_says() {
        let of = |text: &str| {
            let body: Value = serde_json::from_str(text).unwrap();
            IdempotencyKey(Some("k".into())).of(Some(&body)).unwrap().fingerprint
        };
        assert_eq!(of(r#"{"a": 1, "b": {"c": [1, 2], "d": null}}"#), of(r#"{"b":{"d":null,"c":[1,2]},"a":1}"#));
        assert_ne!(of(r#"{"a": [1, 2]}"#), of(r#"{"a": [2, 1]}"#));
        assert_ne!(of(r#"{"a": 1}"#), of(r#"{"a": "1"}"#));
        assert_eq!(of("{}").len(), 64);
        assert!(IdempotencyKey(None).of(None).is_none());
    }
}
