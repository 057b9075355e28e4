//! The sweep.

use std::time::Duration;

use async_trait::async_trait;
use chrono::DateTime;
use diesel::OptionalExtension;
use diesel::sql_types::{BigInt, Double, Timestamptz};
use diesel_async::RunQueryDsl;
use task_protocols::{RetentionStore, StoreResult, SweepCursor, Swept};

use super::statement::{Sql, Statement};
use super::{PostgresEngine, errors};
use crate::columns::Stamp;

#[async_trait]
impl RetentionStore for PostgresEngine {
    async fn sweep(&self, what: Swept, age: Duration, limit: i64) -> StoreResult<u64> {
        let statement = match what {
            Swept::IdempotencyKeys => include_str!("sql/sweep_idempotency_keys.sql"),
            Swept::InboxIds => include_str!("sql/sweep_inbox_ids.sql"),
            Swept::DeletedTasks => include_str!("sql/sweep_deleted_tasks.sql"),
        };
        let mut connection = self.pools.main().await?;
        let statement = Sql(statement).bind::<Double, _>(age.as_secs_f64()).bind::<BigInt, _>(limit);
        Ok(statement.execute(&mut connection).await.map_err(errors::failed)? as u64)
    }

    async fn sweep_terminal(
        &self,
        age: Duration,
        after: Option<SweepCursor>,
        limit: i64,
    ) -> StoreResult<Option<SweepCursor>> {
        let after = after.unwrap_or(SweepCursor { ended_at: DateTime::UNIX_EPOCH, id: 0 });
        let mut connection = self.pools.main().await?;
        let statement = Sql(include_str!("sql/sweep_terminal.sql"))
            .bind::<Double, _>(age.as_secs_f64())
            .bind::<Timestamptz, _>(Stamp(after.ended_at))
            .bind::<BigInt, _>(after.id)
            .bind::<BigInt, _>(limit)
            .reading::<(Timestamptz, BigInt)>();
        let last: Option<(Stamp, i64)> =
            statement.get_result(&mut connection).await.optional().map_err(errors::failed)?;
        Ok(last.map(|(ended_at, id)| SweepCursor { ended_at: ended_at.0, id }))
    }
}
