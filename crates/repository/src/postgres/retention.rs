//! The sweep.

use std::time::Duration;

use async_trait::async_trait;
use diesel::sql_types::{BigInt, Double};
use diesel_async::RunQueryDsl;
use task_protocols::{RetentionStore, StoreResult, Swept};

use super::statement::{Sql, Statement};
use super::{PostgresEngine, errors};

#[async_trait]
impl RetentionStore for PostgresEngine {
    async fn sweep(&self, what: Swept, age: Duration, limit: i64) -> StoreResult<u64> {
        let statement = match what {
            Swept::IdempotencyKeys => include_str!("sql/sweep_idempotency_keys.sql"),
            Swept::InboxIds => include_str!("sql/sweep_inbox_ids.sql"),
            Swept::DeletedTasks => include_str!("sql/sweep_deleted_tasks.sql"),
            Swept::TerminalTasks => include_str!("sql/sweep_terminal_tasks.sql"),
        };
        let mut connection = self.pools.main().await?;
        let statement = Sql(statement).bind::<Double, _>(age.as_secs_f64()).bind::<BigInt, _>(limit);
        let swept = if what == Swept::TerminalTasks {
            let count: i64 = statement.reading::<BigInt>().get_result(&mut connection).await.map_err(errors::failed)?;
            u64::try_from(count).unwrap_or_default()
        } else {
            statement.execute(&mut connection).await.map_err(errors::failed)? as u64
        };
        Ok(swept)
    }
}
