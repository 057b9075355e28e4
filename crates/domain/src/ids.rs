//! Validated identifiers.

use serde::{Deserialize, Serialize};

/// Why a text is not an identifier; the message says what is allowed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct IdProblem(pub String);

macro_rules! text_id {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(String);

        impl $name {
            pub fn as_str(&self) -> &str {
                &self.0
            }

            /// Takes a text that was validated when it was stored.
            pub fn from_stored(text: String) -> Self {
                Self(text)
            }
        }

        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }
    };
}

text_id! {
    /// A task's public id: a UUIDv7 unless the client names it; unique per tenant, deleted ones included.
    TaskId
}
text_id! {
    /// The isolation boundary: nothing of one tenant is visible to another.
    TenantId
}
text_id! {
    /// An end user, as the gateway names it.
    UserId
}

/// Words that stand where a task id stands in a route.
const RESERVED: &[&str] =
    &["batch", "claim", "complete", "heartbeat", "from-template", "pending", "timeouts", "stats", "start", "fail"];

impl TaskId {
    /// 1–64 of letters, digits, `.`, `_`, `:`, `-`; not only dots (a path segment of dots is
    /// resolved away by clients), not a word used in a route.
    pub fn new(text: &str) -> Result<Self, IdProblem> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._:-".contains(c);
        if text.is_empty() || text.len() > 64 || !text.chars().all(allowed) {
            return Err(IdProblem("must be 1 to 64 of letters, digits and . _ : -".into()));
        }
        if text.chars().all(|c| c == '.') || RESERVED.contains(&text) {
            return Err(IdProblem(format!("`{text}` is a reserved word; choose another id")));
        }
        Ok(Self(text.to_owned()))
    }
}

impl TenantId {
    /// The tenant of callers that name none.
    pub fn default_tenant() -> Self {
        Self("default".into())
    }

    /// 1–64 of letters, digits, `.`, `_`, `:`, `-`.
    pub fn new(text: &str) -> Result<Self, IdProblem> {
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._:-".contains(c);
        if text.is_empty() || text.len() > 64 || !text.chars().all(allowed) {
            return Err(IdProblem("must be 1 to 64 of letters, digits and . _ : -".into()));
        }
        Ok(Self(text.to_owned()))
    }
}

impl UserId {
    /// 1–255 printable characters.
    pub fn new(text: &str) -> Result<Self, IdProblem> {
        let count = text.chars().count();
        if count == 0 || count > 255 || text.chars().any(char::is_control) || text.trim().is_empty() {
            return Err(IdProblem("must be 1 to 255 printable characters".into()));
        }
        Ok(Self(text.to_owned()))
    }
}
