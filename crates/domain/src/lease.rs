//! Leases and their fencing tokens.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::text_enum::text_enum;

/// Lease length of a claim that names none, seconds.
pub const DEFAULT_LEASE_SECONDS: i64 = 60;
/// Shortest lease, seconds.
pub const MIN_LEASE_SECONDS: i64 = 5;
/// Longest lease, seconds.
pub const MAX_LEASE_SECONDS: i64 = 24 * 3600;
/// So many lost leases of one run end it as failed, so that a task that kills its workers does
/// not go round for ever.
pub const MAX_LOST_LEASES: i32 = 5;

/// The secret of one claim: a random UUID (122 random bits), written as 32 hexadecimal digits. Whoever shows it
/// holds the lease; it is given to the claimer only, and is never logged.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeaseToken(Uuid);

impl LeaseToken {
    /// `random` must be a UUID of version 4, whose bits nobody can guess.
    pub fn new(random: Uuid) -> Self {
        Self(random)
    }

    /// Reads what [`LeaseToken::reveal`] wrote. Any other text is simply not a current token.
    pub fn parse(text: &str) -> Option<Self> {
        (text.len() == 32).then(|| Uuid::try_parse(text).ok()).flatten().map(Self)
    }

    /// The same, with a token that no claim ever has for any other text.
    pub fn read(text: &str) -> Self {
        Self::parse(text).unwrap_or(Self(Uuid::nil()))
    }

    /// The text handed to the claimer.
    pub fn reveal(self) -> String {
        self.0.simple().to_string()
    }

    /// For the store.
    pub fn as_uuid(self) -> Uuid {
        self.0
    }
}

impl std::fmt::Debug for LeaseToken {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("LeaseToken(secret)")
    }
}

/// The right to work on an execution, until `expires_at` by the store's clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lease {
    pub token: LeaseToken,
    pub expires_at: DateTime<Utc>,
}

text_enum! {
    /// Why a token is not the current one.
    LeaseLost {
        /// The lease ran out and nobody has taken the run since.
        Expired = "expired",
        /// The task was cancelled or deleted.
        Cancelled = "cancelled",
        /// Its holder released it.
        Released = "released",
        /// The lease ran out and another claim holds the run now.
        Reclaimed = "reclaimed",
        /// The execution already has its outcome.
        Finished = "finished",
        /// No claim of this task ever had this token.
        Unknown = "unknown",
    }
}
