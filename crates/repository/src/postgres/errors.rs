//! Which failures pass by themselves and which do not.
//!
//! Deliberately absent: connection strings. Nothing here prints one, so no password reaches a log.

use std::sync::Arc;

use diesel::result::{DatabaseErrorKind, Error};
use task_protocols::StoreError;

/// What PostgreSQL says when it is away, restarting or too busy. diesel does not hand out the
/// SQLSTATE of these, so the text of the message decides.
const PASSING: &[&str] = &[
    "terminating connection",
    "the database system is",
    "too many clients",
    "too many connections",
    "remaining connection slots",
    "canceling statement due to",
    "could not serialize access",
    "deadlock detected",
    "could not extend file",
    "out of memory",
    "out of shared memory",
];

/// What it says when the session ends, perhaps in the middle of a commit.
const LOST: &[&str] = &["terminating connection", "the database system is"];

/// A connection could not be had: nothing was sent, and later may work.
pub(super) fn no_connection(source: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::unavailable(source)
}

/// A statement failed.
pub(super) fn failed(source: Error) -> StoreError {
    if passes(&source) { StoreError::unavailable(source) } else { StoreError::internal(source) }
}

/// Whether the server itself says that nothing of the statement was kept, so that it is safe to repeat.
pub(super) fn is_rolled_back(error: &Error) -> bool {
    use DatabaseErrorKind::{ClosedConnection, UnableToSendCommand};
    match error {
        Error::DatabaseError(ClosedConnection | UnableToSendCommand, _) => false,
        Error::DatabaseError(_, information) => !LOST.iter().any(|text| information.message().contains(text)),
        Error::SerializationError(_) => true,
        _ => false,
    }
}

/// One failure that befell `n` requests.
pub(super) fn shared<T>(error: StoreError, n: usize) -> Vec<Result<T, StoreError>> {
    let (passing, source) = match error {
        StoreError::Unavailable(source) => (true, Arc::from(source)),
        StoreError::Internal(source) => (false, Arc::from(source)),
    };
    let one = |_| {
        let source = Shared(Arc::clone(&source));
        Err(if passing { StoreError::unavailable(source) } else { StoreError::internal(source) })
    };
    (0..n).map(one).collect()
}

/// A cause that several errors have.
#[derive(Debug)]
struct Shared(Arc<dyn std::error::Error + Send + Sync>);

impl std::fmt::Display for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

impl std::error::Error for Shared {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.0.source()
    }
}

fn passes(error: &Error) -> bool {
    use DatabaseErrorKind::{ClosedConnection, ReadOnlyTransaction, SerializationFailure, UnableToSendCommand};
    match error {
        Error::DatabaseError(
            UnableToSendCommand | ClosedConnection | SerializationFailure | ReadOnlyTransaction,
            _,
        ) => true,
        Error::DatabaseError(_, information) => PASSING.iter().any(|text| information.message().contains(text)),
        Error::RollbackErrorOnCommit { commit_error, .. } => passes(commit_error),
        // The rollback failed as well, which only a lost connection causes.
        Error::BrokenTransactionManager => true,
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_server_that_stops_is_unavailable_and_a_bug_is_not() {
        let says = |text: &str| failed(Error::DatabaseError(DatabaseErrorKind::Unknown, Box::new(text.to_owned())));
        assert!(matches!(says("terminating connection due to administrator command"), StoreError::Unavailable(_)));
        assert!(matches!(says("canceling statement due to lock timeout"), StoreError::Unavailable(_)));
        assert!(matches!(says("relation \"task.nothing\" does not exist"), StoreError::Internal(_)));
    }
}
