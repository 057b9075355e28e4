//! The right to relay: a session lock, which ends with its session whatever happens to us.

use std::time::Duration;

use async_trait::async_trait;
use diesel::sql_types::{BigInt, Bool};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use task_protocols::{RelayLock, StoreResult};

use super::errors;
use super::pool::Pools;
use super::statement::{Sql, Statement};

/// Any number that nothing else in the database uses.
const LOCK: i64 = 0x7461_736b_7265_6c61;

/// A session that is slower counts as lost; a second relay only costs duplicates.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Holds the connection that holds the lock. Never a pooled one, which would keep the lock when
/// its user is gone.
struct SessionLock {
    connection: AsyncPgConnection,
}

/// The lock, or `None` while another session holds it.
pub(super) async fn try_lock(pools: &Pools) -> StoreResult<Option<Box<dyn RelayLock>>> {
    let mut connection = pools.alone().await.map_err(errors::no_connection)?;
    let locked: bool = Sql("SELECT pg_try_advisory_lock($1)")
        .bind::<BigInt, _>(LOCK)
        .reading::<Bool>()
        .get_result(&mut connection)
        .await
        .map_err(errors::failed)?;
    Ok(locked.then(|| Box::new(SessionLock { connection }) as Box<dyn RelayLock>))
}

#[async_trait]
impl RelayLock for SessionLock {
    /// A session keeps its lock, so one that answers holds it.
    async fn is_held(&self) -> bool {
        let mut connection = &self.connection;
        let answer = Sql("SELECT 1").execute(&mut connection);
        matches!(tokio::time::timeout(ANSWER_WITHIN, answer).await, Ok(Ok(_)))
    }
}
