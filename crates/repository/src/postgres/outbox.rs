//! Committed events on their way to the bus.

use std::collections::HashSet;
use std::time::Duration;

use async_trait::async_trait;
use diesel::dsl::auto_type;
use diesel::prelude::*;
use diesel::result::Error as DieselError;
use diesel::sql_types::{Array, BigInt, Double};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use task_domain::EventType;
use task_protocols::{EventFilter, OutboxEvent, OutboxStore, RelayLock, StoreResult};

use super::schema::{outbox_cursor, outbox_events};
use super::statement::{Sql, Statement};
use super::{PostgresEngine, errors, relay_lock};
use crate::rows::OutboxRow;

/// What an [`OutboxRow`] reads: all but `published_at`.
#[auto_type]
fn columns() -> _ {
    (
        outbox_events::tenant_id,
        outbox_events::id,
        outbox_events::event_id,
        outbox_events::event_type,
        outbox_events::task_id,
        outbox_events::user_id,
        outbox_events::origin,
        outbox_events::seq,
        outbox_events::payload,
        outbox_events::occurred_at,
        outbox_events::position,
    )
}

#[async_trait]
impl OutboxStore for PostgresEngine {
    async fn try_lock_relay(&self) -> StoreResult<Option<Box<dyn RelayLock>>> {
        relay_lock::try_lock(&self.pools).await
    }

    async fn unpublished(&self, limit: i64) -> StoreResult<Vec<OutboxEvent>> {
        let mut connection = self.pools.main().await?;
        let rows = outbox_events::table
            .filter(outbox_events::published_at.is_null())
            .order(outbox_events::id)
            .limit(limit)
            .select(columns())
            .load(&mut connection)
            .await;
        events(rows)
    }

    async fn mark_published(&self, ids: &[i64]) -> StoreResult<()> {
        if ids.is_empty() {
            return Ok(());
        }
        let mut connection = self.pools.main().await?;
        let mark_all = connection.transaction(async |connection| mark(connection, ids).await).await;
        match mark_all {
            // Another relay marked some of them: only what is left, in the same order.
            Err(DieselError::RollbackTransaction) => {
                connection.transaction(async |connection| mark_left(connection, ids).await).await
            }
            marked => marked,
        }
        .map_err(errors::failed)
    }

    async fn published_before(&self, age: Duration) -> StoreResult<i64> {
        let mut connection = self.pools.main().await?;
        let position: Option<i64> = Sql(include_str!("sql/published_before.sql"))
            .bind::<Double, _>(age.as_secs_f64())
            .reading::<BigInt>()
            .get_result(&mut connection)
            .await
            .optional()
            .map_err(errors::failed)?;
        Ok(position.unwrap_or_default())
    }

    async fn events_after(
        &self,
        filter: &EventFilter,
        after: i64,
        through: i64,
        limit: i64,
    ) -> StoreResult<Vec<OutboxEvent>> {
        let mut query = outbox_events::table
            .filter(outbox_events::position.gt(after).and(outbox_events::position.le(through)))
            .order(outbox_events::position)
            .limit(limit)
            .select(columns())
            .into_boxed();
        if let Some(tenant_id) = &filter.tenant_id {
            query = query.filter(outbox_events::tenant_id.eq(tenant_id.as_str()));
        }
        if let Some(user_id) = &filter.user_id {
            query = query.filter(outbox_events::user_id.eq(user_id.as_str()));
        }
        if !filter.types.is_empty() {
            let types: Vec<&str> = filter.types.iter().copied().map(EventType::as_str).collect();
            query = query.filter(outbox_events::event_type.eq_any(types));
        }
        let mut connection = self.pools.main().await?;
        events(query.load(&mut connection).await)
    }

    async fn position_range(&self) -> StoreResult<(i64, i64)> {
        let mut connection = self.pools.main().await?;
        let range = Sql(include_str!("sql/position_range.sql"))
            .reading::<(BigInt, BigInt)>()
            .get_result(&mut connection)
            .await
            .map_err(errors::failed)?;
        Ok(range)
    }

    async fn backlog(&self) -> StoreResult<i64> {
        let mut connection = self.pools.main().await?;
        let unpublished = outbox_events::table.filter(outbox_events::published_at.is_null());
        unpublished.count().get_result(&mut connection).await.map_err(errors::failed)
    }

    async fn purge_published(&self, age: Duration, limit: i64) -> StoreResult<u64> {
        let mut connection = self.pools.main().await?;
        let purged = Sql(include_str!("sql/purge_published.sql"))
            .bind::<Double, _>(age.as_secs_f64())
            .bind::<BigInt, _>(limit)
            .execute(&mut connection)
            .await
            .map_err(errors::failed)?;
        Ok(u64::try_from(purged).unwrap_or(u64::MAX))
    }
}

/// Marks all of these, or fails with `RollbackTransaction`.
async fn mark(connection: &mut AsyncPgConnection, ids: &[i64]) -> QueryResult<()> {
    let last = lock_cursor(connection).await?;
    mark_after(connection, last, ids).await
}

/// Marks those of these that are unpublished.
async fn mark_left(connection: &mut AsyncPgConnection, ids: &[i64]) -> QueryResult<()> {
    let last = lock_cursor(connection).await?;
    let left: Vec<i64> = outbox_events::table
        .filter(outbox_events::published_at.is_null().and(outbox_events::id.eq_any(ids)))
        .select(outbox_events::id)
        .load(connection)
        .await?;
    let mut left: HashSet<i64> = left.into_iter().collect();
    let ids: Vec<i64> = ids.iter().copied().filter(|id| left.remove(id)).collect();
    if ids.is_empty() { Ok(()) } else { mark_after(connection, last, &ids).await }
}

/// By a statement of its own: the snapshot of the next one is then taken after whoever marked before
/// has committed.
async fn lock_cursor(connection: &mut AsyncPgConnection) -> QueryResult<i64> {
    outbox_cursor::table.select(outbox_cursor::last_position).for_update().get_result(connection).await
}

async fn mark_after(connection: &mut AsyncPgConnection, last: i64, ids: &[i64]) -> QueryResult<()> {
    let marked = Sql(include_str!("sql/mark_published.sql"))
        .bind::<Array<BigInt>, _>(ids)
        .bind::<BigInt, _>(last)
        .execute(connection)
        .await?;
    if marked == 0 { Err(DieselError::RollbackTransaction) } else { Ok(()) }
}

fn events(rows: QueryResult<Vec<OutboxRow>>) -> StoreResult<Vec<OutboxEvent>> {
    Ok(rows.map_err(errors::failed)?.into_iter().map(OutboxEvent::from).collect())
}
