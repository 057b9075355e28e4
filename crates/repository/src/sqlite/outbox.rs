//! The outbox.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::dsl::{count_star, min};
use diesel::prelude::*;
use diesel::sql_types::{BigInt, Nullable, Text};
use task_domain::Event;
use task_protocols::{EventFilter, OutboxEvent, OutboxStore, RelayLock, StoreResult};

use super::SqliteEngine;
use super::schema::{outbox_cursor, outbox_events};
use crate::columns::{Stamp, Word};
use crate::rows::OutboxRow;
use crate::statement::{Constant, Sql, Statement};

/// The columns that [`OutboxRow`] reads.
macro_rules! columns {
    () => {
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
    };
}

/// What the cache of prepared statements knows these statements by.
struct MarkPublished;
struct InsertEvent;

/// One file has one process, so a flag in the process is the lock.
struct LocalLock(Arc<AtomicBool>);

#[async_trait]
impl RelayLock for LocalLock {
    async fn is_held(&self) -> bool {
        true
    }
}

impl Drop for LocalLock {
    fn drop(&mut self) {
        self.0.store(false, Ordering::SeqCst);
    }
}

fn events(rows: Vec<OutboxRow>) -> Vec<OutboxEvent> {
    rows.into_iter().map(OutboxEvent::from).collect()
}

#[async_trait]
impl OutboxStore for SqliteEngine {
    async fn try_lock_relay(&self) -> StoreResult<Option<Box<dyn RelayLock>>> {
        let taken = self.relay_locked.swap(true, Ordering::SeqCst);
        Ok((!taken).then(|| Box::new(LocalLock(Arc::clone(&self.relay_locked))) as Box<dyn RelayLock>))
    }

    async fn unpublished(&self, limit: i64) -> StoreResult<Vec<OutboxEvent>> {
        self.read(move |conn| {
            let unpublished = outbox_events::table.filter(outbox_events::published_at.is_null());
            unpublished.order(outbox_events::id).limit(limit).select(columns!()).load(conn).map(events)
        })
        .await
    }

    async fn mark_published(&self, ids: &[i64]) -> StoreResult<()> {
        let ids = ids.to_vec();
        self.write(move |conn, now| mark(conn, &ids, now)).await
    }

    async fn published_before(&self, age: Duration) -> StoreResult<i64> {
        let before = Stamp(self.now() - age);
        self.read(move |conn| published_before(conn, before)).await
    }

    async fn events_after(
        &self,
        filter: &EventFilter,
        after: i64,
        through: i64,
        limit: i64,
    ) -> StoreResult<Vec<OutboxEvent>> {
        let filter = filter.clone();
        self.read(move |conn| {
            let mut query = outbox_events::table
                .filter(outbox_events::position.gt(after).and(outbox_events::position.le(through)))
                .order(outbox_events::position)
                .limit(limit)
                .select(columns!())
                .into_boxed();
            if let Some(tenant_id) = &filter.tenant_id {
                query = query.filter(outbox_events::tenant_id.eq(tenant_id.as_str()));
            }
            if let Some(user_id) = &filter.user_id {
                query = query.filter(outbox_events::user_id.eq(user_id.as_str()));
            }
            if !filter.types.is_empty() {
                query = query.filter(outbox_events::event_type.eq_any(filter.types.iter().copied().map(Word)));
            }
            query.load(conn).map(events)
        })
        .await
    }

    async fn position_range(&self) -> StoreResult<(i64, i64)> {
        self.read(|conn| {
            let newest = last_position(conn)?;
            let oldest: Option<i64> = outbox_events::table.select(min(outbox_events::position)).get_result(conn)?;
            // Nothing kept: the next one is the oldest.
            Ok(if newest == 0 { (0, 0) } else { (oldest.unwrap_or(newest + 1), newest) })
        })
        .await
    }

    async fn backlog(&self) -> StoreResult<i64> {
        self.read(|conn| {
            outbox_events::table.filter(outbox_events::published_at.is_null()).select(count_star()).get_result(conn)
        })
        .await
    }

    async fn purge_published(&self, age: Duration, limit: i64) -> StoreResult<u64> {
        self.write(move |conn, now| purge(conn, Stamp(now - age), limit)).await
    }
}

/// Adds an event, which waits for the relay, or is published by this commit.
pub(super) fn insert(conn: &mut SqliteConnection, event: &Event, published_at: Option<Stamp>) -> QueryResult<()> {
    let row = OutboxRow::from(event);
    let insert = Sql(include_str!("sql/insert_event.sql"))
        .bind::<Text, _>(&row.tenant_id)
        .bind::<Text, _>(row.event_id)
        .bind::<Text, _>(row.event_type)
        .bind::<Text, _>(&row.task_id)
        .bind::<Nullable<Text>, _>(row.user_id.as_ref())
        .bind::<Text, _>(row.origin)
        .bind::<BigInt, _>(row.seq)
        .bind::<Text, _>(&row.payload)
        .bind::<BigInt, _>(row.occurred_at)
        .bind::<Nullable<BigInt>, _>(published_at);
    Constant::<_, InsertEvent>::new(insert).execute(conn).map(drop)
}

fn mark(conn: &mut SqliteConnection, ids: &[i64], now: DateTime<Utc>) -> QueryResult<()> {
    let mut position = last_position(conn)?;
    for id in ids {
        let unpublished = outbox_events::id.eq(id).and(outbox_events::published_at.is_null());
        let mark = diesel::update(outbox_events::table.filter(unpublished))
            .set((outbox_events::published_at.eq(Stamp(now)), outbox_events::position.eq(position + 1)));
        let marked = Constant::<_, MarkPublished>::new(mark).execute(conn)?;
        position += i64::try_from(marked).unwrap_or(0);
    }
    note(conn, position)
}

/// Publishes everything that waits for a relay.
pub(super) fn publish_all(conn: &mut SqliteConnection, now: DateTime<Utc>) -> QueryResult<()> {
    let unpublished = outbox_events::table.filter(outbox_events::published_at.is_null());
    let ids: Vec<i64> = unpublished.order(outbox_events::id).select(outbox_events::id).load(conn)?;
    mark(conn, &ids, now)
}

fn last_position(conn: &mut SqliteConnection) -> QueryResult<i64> {
    Sql(include_str!("sql/last_position.sql")).reading::<BigInt>().get_result(conn)
}

/// Remembers the highest position, also when its event is gone.
fn note(conn: &mut SqliteConnection, position: i64) -> QueryResult<()> {
    diesel::update(outbox_cursor::table.find(true))
        .set(outbox_cursor::last_position.eq(position))
        .execute(conn)
        .map(drop)
}

/// Positions rise with the time of publication: from the newest back, only what was published since
/// is looked at.
pub(super) fn published_before(conn: &mut SqliteConnection, before: Stamp) -> QueryResult<i64> {
    let position: Option<Option<i64>> = outbox_events::table
        .filter(outbox_events::position.gt(0).and(outbox_events::published_at.lt(before)))
        .order(outbox_events::position.desc())
        .select(outbox_events::position)
        .get_result(conn)
        .optional()?;
    Ok(position.flatten().unwrap_or_default())
}

/// The oldest are looked at, and no scan goes on through the young ones.
pub(super) fn purge(conn: &mut SqliteConnection, before: Stamp, limit: i64) -> QueryResult<u64> {
    let oldest: Vec<(Option<i64>, Option<Stamp>)> = outbox_events::table
        .filter(outbox_events::position.gt(0))
        .order(outbox_events::position)
        .limit(limit)
        .select((outbox_events::position, outbox_events::published_at))
        .load(conn)?;
    let Some((last, _)) = oldest.into_iter().rfind(|(_, at)| at.is_some_and(|at| at.0 < before.0)) else {
        return Ok(0);
    };
    let newest = last_position(conn)?;
    note(conn, newest)?;
    let old = outbox_events::table
        .filter(outbox_events::position.gt(0).and(outbox_events::position.le(last)))
        .filter(outbox_events::published_at.lt(before));
    Ok(diesel::delete(old).execute(conn)? as u64)
}
