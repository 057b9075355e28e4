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

impl PostgresEngine {
    /// Takes a step of a sweep that goes on from a place.
    async fn step(
        &self,
        statement: &'static str,
        age: Duration,
        after: Option<SweepCursor>,
        limit: i64,
    ) -> StoreResult<Option<SweepCursor>> {
        let after = after.unwrap_or(SweepCursor { ended_at: DateTime::UNIX_EPOCH, id: 0 });
        let mut connection = self.pools.main().await?;
        let next: Option<(Stamp, i64)> = Sql(statement)
            .bind::<Double, _>(age.as_secs_f64())
            .bind::<Timestamptz, _>(Stamp(after.ended_at))
            .bind::<BigInt, _>(after.id)
            .bind::<BigInt, _>(limit)
            .reading::<(Timestamptz, BigInt)>()
            .get_result(&mut connection)
            .await
            .optional()
            .map_err(errors::failed)?;
        Ok(next.map(|(ended_at, id)| SweepCursor { ended_at: ended_at.0, id }))
    }
}

#[async_trait]
impl RetentionStore for PostgresEngine {
    async fn sweep(&self, what: Swept, age: Duration, limit: i64) -> StoreResult<u64> {
        let statement = match what {
            Swept::IdempotencyKeys => include_str!("sql/sweep_idempotency_keys.sql"),
            Swept::InboxIds => include_str!("sql/sweep_inbox_ids.sql"),
            Swept::History => include_str!("sql/sweep_history.sql"),
            Swept::DeletedTasks => include_str!("sql/sweep_deleted_tasks.sql"),
        };
        let mut connection = self.pools.main().await?;
        let statement = Sql(statement).bind::<Double, _>(age.as_secs_f64()).bind::<BigInt, _>(limit);
        if what == Swept::DeletedTasks {
            let removed: i64 =
                statement.reading::<BigInt>().get_result(&mut connection).await.map_err(errors::failed)?;
            return Ok(removed.unsigned_abs());
        }
        Ok(statement.execute(&mut connection).await.map_err(errors::failed)? as u64)
    }

    async fn sweep_executions(
        &self,
        age: Duration,
        after: Option<SweepCursor>,
        limit: i64,
    ) -> StoreResult<Option<SweepCursor>> {
        self.step(include_str!("sql/sweep_executions.sql"), age, after, limit).await
    }

    async fn sweep_terminal(
        &self,
        age: Duration,
        after: Option<SweepCursor>,
        limit: i64,
    ) -> StoreResult<Option<SweepCursor>> {
        self.step(include_str!("sql/sweep_terminal.sql"), age, after, limit).await
    }
}
