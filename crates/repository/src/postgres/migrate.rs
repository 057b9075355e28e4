//! Brings the schema up to date.

use diesel::migration::{MigrationSource, Result as MigrationResult};
use diesel::pg::Pg;
use diesel::sql_types::{BigInt, Bool, Text};
use diesel_async::async_connection_wrapper::AsyncConnectionWrapper;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use diesel_migrations::{EmbeddedMigrations, MigrationHarness, embed_migrations};

use super::pool::Pools;
use super::statement::{Sql, Statement};

const MIGRATIONS: EmbeddedMigrations = embed_migrations!("../../migrations/postgres");
/// Advisory lock of whoever migrates; any number that nothing else in the database uses.
const LOCK: i64 = 0x7461_736b_6d69_6772;

/// Why the schema could not be brought up to date.
#[derive(Debug, thiserror::Error)]
pub enum MigrateError {
    #[error("PostgreSQL could not be reached")]
    Connect(#[source] diesel::ConnectionError),
    #[error("the migration lock could not be taken")]
    Lock(#[source] diesel::result::Error),
    #[error("a migration failed")]
    Migration(#[source] Box<dyn std::error::Error + Send + Sync>),
    #[error("the applied migrations could not be read")]
    Read(#[source] diesel::result::Error),
    #[error("the migration was interrupted")]
    Interrupted(#[source] tokio::task::JoinError),
}

/// Under a session lock on a connection of its own: the lock ends with the connection, whatever
/// happens, and no statement timeout cuts a long migration short.
pub(super) async fn run(pools: &Pools) -> Result<(), MigrateError> {
    let mut connection = pools.alone().await.map_err(MigrateError::Connect)?;
    Sql("SELECT pg_advisory_lock($1)")
        .bind::<BigInt, _>(LOCK)
        .execute(&mut connection)
        .await
        .map_err(MigrateError::Lock)?;
    // Migrations are blocking code, and the caller's runtime may be a single thread.
    let migrated = pools.spawn_blocking(move || {
        let mut connection = AsyncConnectionWrapper::<AsyncPgConnection>::from(connection);
        connection.run_pending_migrations(MIGRATIONS).map(|versions| versions.len())
    });
    let count = migrated.await.map_err(MigrateError::Interrupted)?.map_err(MigrateError::Migration)?;
    tracing::info!(count, "the PostgreSQL schema is up to date");
    Ok(())
}

/// Whether every migration of this program is applied. Writes nothing: who may not migrate may be
/// somebody who cannot create tables.
pub(super) async fn is_current(pools: &Pools) -> Result<bool, MigrateError> {
    let mut connection = pools.alone().await.map_err(MigrateError::Connect)?;
    let known: bool = Sql("SELECT to_regclass('__diesel_schema_migrations') IS NOT NULL")
        .reading::<Bool>()
        .get_result(&mut connection)
        .await
        .map_err(MigrateError::Read)?;
    if !known {
        return Ok(false);
    }
    let applied: Vec<String> = Sql("SELECT version FROM __diesel_schema_migrations")
        .reading::<Text>()
        .load(&mut connection)
        .await
        .map_err(MigrateError::Read)?;
    Ok(versions().map_err(MigrateError::Migration)?.iter().all(|version| applied.contains(version)))
}

fn versions() -> MigrationResult<Vec<String>> {
    let migrations = MigrationSource::<Pg>::migrations(&MIGRATIONS)?;
    Ok(migrations.iter().map(|migration| migration.name().version().to_string()).collect())
}
