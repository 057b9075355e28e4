//! The outbox.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use diesel::dsl::{count_star, min};
use diesel::prelude::*;
use task_protocols::{EventFilter, OutboxEvent, OutboxStore, RelayLock, StoreResult};

use super::SqliteEngine;
use super::schema::{outbox_cursor, outbox_events};
use crate::columns::{Stamp, Word};
use crate::rows::OutboxRow;
use crate::statement::Constant;

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

/// What the cache of prepared statements knows the mark by.
struct MarkPublished;

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
        self.write(move |conn, now| {
            let mut position: i64 = outbox_cursor::table.select(outbox_cursor::last_position).first(conn)?;
            for id in &ids {
                let unpublished = outbox_events::id.eq(id).and(outbox_events::published_at.is_null());
                let mark = diesel::update(outbox_events::table.filter(unpublished))
                    .set((outbox_events::published_at.eq(Stamp(now)), outbox_events::position.eq(position + 1)));
                let marked = Constant::<_, MarkPublished>::new(mark).execute(conn)?;
                position += i64::try_from(marked).unwrap_or(0);
            }
            diesel::update(outbox_cursor::table).set(outbox_cursor::last_position.eq(position)).execute(conn).map(drop)
        })
        .await
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
            let newest: i64 = outbox_cursor::table.select(outbox_cursor::last_position).first(conn)?;
            let oldest: Option<i64> = outbox_events::table.select(min(outbox_events::position)).first(conn)?;
            // Nothing kept: the next one is the oldest.
            Ok(if newest == 0 { (0, 0) } else { (oldest.unwrap_or(newest + 1), newest) })
        })
        .await
    }

    async fn backlog(&self) -> StoreResult<i64> {
        self.read(|conn| {
            outbox_events::table.filter(outbox_events::published_at.is_null()).select(count_star()).first(conn)
        })
        .await
    }

    async fn purge_published(&self, age: Duration, limit: i64) -> StoreResult<u64> {
        self.write(move |conn, now| purge(conn, Stamp(now - age), limit)).await
    }
}

/// Positions rise with the time of publication: from the newest back, only what was published since
/// is looked at.
pub(super) fn published_before(conn: &mut SqliteConnection, before: Stamp) -> QueryResult<i64> {
    let position: Option<Option<i64>> = outbox_events::table
        .filter(outbox_events::position.gt(0).and(outbox_events::published_at.lt(before)))
        .order(outbox_events::position.desc())
        .select(outbox_events::position)
        .first(conn)
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
    let old = outbox_events::table
        .filter(outbox_events::position.gt(0).and(outbox_events::position.le(last)))
        .filter(outbox_events::published_at.lt(before));
    Ok(diesel::delete(old).execute(conn)? as u64)
}
