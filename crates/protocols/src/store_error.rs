//! What can go wrong in any store.

/// A failure of the store itself; the command may or may not have been saved when the connection
/// broke during the commit, so a caller repeats only what is safe to repeat.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database is away, restarting, or too busy to give a connection; later may work.
    #[error("the database is not available")]
    Unavailable(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// Anything else: a bug or a damaged database.
    #[error("the database refused the statement")]
    Internal(#[source] Box<dyn std::error::Error + Send + Sync>),
}

impl StoreError {
    pub fn unavailable(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Unavailable(source.into())
    }

    pub fn internal(source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        Self::Internal(source.into())
    }
}

pub type StoreResult<T> = Result<T, StoreError>;
