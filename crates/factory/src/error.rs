//! Why the program does not start; every message says what to do.

use std::path::PathBuf;

use task_protocols::StoreError;

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("the configuration cannot be used: {0}")]
    Config(String),
    #[error(
        "nobody could call this service: set GATEWAY_SECRET (users through a gateway) or API_KEY (services), make a key with `task-service keys create --name NAME --scope tasks:write`, or start with --dev to try it out"
    )]
    NoCredentials,
    #[error(
        "--dev believes anybody, so it listens on loopback only; remove HOST={host}, or start without --dev and with GATEWAY_SECRET or API_KEY"
    )]
    DevelopmentNotLoopback { host: String },
    #[error(
        "cannot listen on {address}; is another program there? Set SERVICE_PORT (and HOST) to an address that is free"
    )]
    Listen { address: String, source: std::io::Error },
    #[error(
        "cannot listen on {address} for the {api} API; is another program there? Set {setting} to a port that is free, or unset it"
    )]
    ListenDropIn { api: &'static str, address: String, setting: &'static str, source: std::io::Error },
    #[error("the database cannot be opened; check DATABASE_URL")]
    Database(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error(
        "another task-service uses {}: stop it first, or give this one a DATABASE_URL of its own (several instances share a PostgreSQL)", .path.display()
    )]
    FileInUse { path: PathBuf },
    #[error("the database schema could not be brought up to date; `task-service migrate` shows the same error")]
    Migrate(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error(
        "the database has no schema, or one older than this program; run `task-service migrate`, or start without --no-migrate"
    )]
    SchemaNotCurrent,
    #[error("the event bus cannot be reached; check NATS_URL, or unset it to use the in-process bus")]
    Bus(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("no answer from {url}; is the service running there?")]
    Health { url: String, source: Box<dyn std::error::Error + Send + Sync> },
    #[error("the database does not answer; is it running, and is DATABASE_URL right?")]
    Store(#[from] StoreError),
    /// A command was refused; the message says why and what to do.
    #[error("{0}")]
    Command(String),
    #[error(transparent)]
    Io(#[from] std::io::Error),
    #[error("{0}")]
    Internal(String),
}
