//! Heartbeats: many in one statement, each under the guard of its own lease.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use diesel::QueryResult;
use diesel::sql_types::{Array, BigInt, Nullable, Text, Timestamptz, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use task_domain::LeaseToken;
use task_protocols::{Heartbeat, StoreResult};

use super::batcher::Key;
use super::pool::Pools;
use super::statement::{Sql, Statement};
use super::together::{Together, by_place};

/// A heartbeat on its way to the database.
pub(super) struct Beat {
    pub(super) key: Key,
    pub(super) token: LeaseToken,
    /// The lease's new length; as long as it is when `None`.
    pub(super) seconds: Option<i64>,
}

/// Its place, the new end of the lease, and the clock.
type RenewedRow = (i64, DateTime<Utc>, DateTime<Utc>);

/// Heartbeats, coalesced.
pub(super) struct Heartbeats {
    pub(super) pools: Arc<Pools>,
}

impl Together for Heartbeats {
    type Item = Beat;
    /// `None`: the lease is not current.
    type Outcome = Option<Heartbeat>;

    fn key(item: &Beat) -> Key {
        item.key.clone()
    }

    async fn together(&self, items: &[&Beat]) -> StoreResult<QueryResult<Vec<Option<Option<Heartbeat>>>>> {
        let mut connection = self.pools.main().await?;
        let renewed: QueryResult<Vec<RenewedRow>> = Sql(include_str!("sql/heartbeat.sql"))
            .bind::<Array<Text>, _>(items.iter().map(|item| item.key.0.as_str()).collect::<Vec<_>>())
            .bind::<Array<Text>, _>(items.iter().map(|item| item.key.1.as_str()).collect::<Vec<_>>())
            .bind::<Array<SqlUuid>, _>(items.iter().map(|item| item.token.as_uuid()).collect::<Vec<_>>())
            .bind::<Array<Nullable<BigInt>>, _>(items.iter().map(|item| item.seconds).collect::<Vec<_>>())
            .reading::<(BigInt, Timestamptz, Timestamptz)>()
            .load(&mut connection)
            .await;
        let beats = renewed.map(|rows| rows.into_iter().map(|(n, expires_at, now)| (n, heartbeat(expires_at, now))));
        Ok(beats.map(|beats| by_place(items.len(), beats)))
    }
}

pub(super) fn heartbeat(expires_at: DateTime<Utc>, now: DateTime<Utc>) -> Heartbeat {
    Heartbeat { expires_at, expires_in: expires_at - now }
}
