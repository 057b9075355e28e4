//! Subscription levels, and the in-bound events that were handled.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use task_domain::{SubscriptionLevel, TenantId, UserId};
use task_protocols::{AnyKnown, InboxStore, KnownLevel, LevelStore, StoreResult};

use super::clock::clock_timestamp;
use super::schema::{inbox_events, user_limits};
use super::{PostgresEngine, errors};
use crate::columns::{Stamp, Word};

/// Makes sure that the user has a row.
async fn ensure(connection: &mut AsyncPgConnection, tenant_id: &TenantId, user_id: &UserId) -> QueryResult<()> {
    diesel::insert_into(user_limits::table)
        .values((
            user_limits::tenant_id.eq(tenant_id.as_str()),
            user_limits::user_id.eq(user_id.as_str()),
            user_limits::updated_at.eq(clock_timestamp()),
        ))
        .on_conflict_do_nothing()
        .execute(connection)
        .await
        .map(drop)
}

#[async_trait]
impl LevelStore for PostgresEngine {
    async fn any_known(&self) -> StoreResult<AnyKnown> {
        let mut connection = self.pools.main().await?;
        let heard = user_limits::table.filter(user_limits::event_level.is_not_null());
        let everybody = user_limits::table.select(user_limits::user_id);
        let (event, any) = diesel::select((diesel::dsl::exists(heard), diesel::dsl::exists(everybody)))
            .get_result(&mut connection)
            .await
            .map_err(errors::failed)?;
        Ok(AnyKnown { event, any })
    }

    async fn known_level(&self, tenant_id: &TenantId, user_id: &UserId) -> StoreResult<KnownLevel> {
        let mut connection = self.pools.main().await?;
        let row: Option<(Option<Word<SubscriptionLevel>>, Option<Word<SubscriptionLevel>>)> = user_limits::table
            .filter(user_limits::tenant_id.eq(tenant_id.as_str()).and(user_limits::user_id.eq(user_id.as_str())))
            .select((user_limits::event_level, user_limits::gateway_level))
            .get_result(&mut connection)
            .await
            .optional()
            .map_err(errors::failed)?;
        let (event, gateway) = row.unwrap_or_default();
        Ok(KnownLevel { event: event.map(|word| word.0), gateway: gateway.map(|word| word.0) })
    }

    async fn keep_event_level(
        &self,
        tenant_id: &TenantId,
        user_id: &UserId,
        level: SubscriptionLevel,
        at: DateTime<Utc>,
    ) -> StoreResult<()> {
        let mut connection = self.pools.main().await?;
        ensure(&mut connection, tenant_id, user_id).await.map_err(errors::failed)?;
        diesel::update(
            user_limits::table
                .filter(user_limits::tenant_id.eq(tenant_id.as_str()).and(user_limits::user_id.eq(user_id.as_str())))
                .filter(user_limits::event_at.is_null().or(user_limits::event_at.assume_not_null().le(Stamp(at)))),
        )
        .set((
            user_limits::event_level.eq(Word(level)),
            user_limits::event_at.eq(Stamp(at)),
            user_limits::updated_at.eq(clock_timestamp()),
        ))
        .execute(&mut connection)
        .await
        .map(drop)
        .map_err(errors::failed)
    }

    async fn keep_gateway_level(
        &self,
        tenant_id: &TenantId,
        user_id: &UserId,
        level: SubscriptionLevel,
    ) -> StoreResult<()> {
        let mut connection = self.pools.main().await?;
        ensure(&mut connection, tenant_id, user_id).await.map_err(errors::failed)?;
        diesel::update(
            user_limits::table
                .filter(user_limits::tenant_id.eq(tenant_id.as_str()).and(user_limits::user_id.eq(user_id.as_str()))),
        )
        .set((user_limits::gateway_level.eq(Word(level)), user_limits::updated_at.eq(clock_timestamp())))
        .execute(&mut connection)
        .await
        .map(drop)
        .map_err(errors::failed)
    }
}

#[async_trait]
impl InboxStore for PostgresEngine {
    async fn was_received(&self, event_id: &str) -> StoreResult<bool> {
        let mut connection = self.pools.main().await?;
        let known = inbox_events::table.filter(inbox_events::event_id.eq(event_id));
        diesel::select(diesel::dsl::exists(known)).get_result(&mut connection).await.map_err(errors::failed)
    }

    async fn note_received(&self, event_id: &str, subject: &str) -> StoreResult<()> {
        let mut connection = self.pools.main().await?;
        diesel::insert_into(inbox_events::table)
            .values((
                inbox_events::event_id.eq(event_id),
                inbox_events::subject.eq(subject),
                inbox_events::received_at.eq(clock_timestamp()),
            ))
            .on_conflict_do_nothing()
            .execute(&mut connection)
            .await
            .map(drop)
            .map_err(errors::failed)
    }
}
