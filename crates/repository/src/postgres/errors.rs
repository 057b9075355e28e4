//! Which failures pass by themselves and which do not.
//!
//! Deliberately absent: connection strings. Nothing here prints one, so no password reaches a log.

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

/// A connection could not be had: nothing was sent, and later may work.
pub(super) fn no_connection(source: impl std::error::Error + Send + Sync + 'static) -> StoreError {
    StoreError::unavailable(source)
}

/// A statement failed.
pub(super) fn failed(source: Error) -> StoreError {
    if passes(&source) { StoreError::unavailable(source) } else { StoreError::internal(source) }
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
