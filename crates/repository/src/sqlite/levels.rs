//! Subscription levels, and the in-bound events that were handled.

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use diesel::prelude::*;
use task_domain::{SubscriptionLevel, TenantId, UserId};
use task_protocols::{AnyKnown, InboxStore, KnownLevel, LevelStore, StoreResult};

use super::SqliteEngine;
use super::schema::{inbox_events, user_limits};
use crate::columns::{Stamp, Word};

/// Makes sure that the user has a row.
fn ensure(conn: &mut SqliteConnection, tenant_id: &TenantId, user_id: &UserId, now: DateTime<Utc>) -> QueryResult<()> {
    diesel::insert_into(user_limits::table)
        .values((
            user_limits::tenant_id.eq(tenant_id.as_str()),
            user_limits::user_id.eq(user_id.as_str()),
            user_limits::updated_at.eq(Stamp(now)),
        ))
        .on_conflict_do_nothing()
        .execute(conn)
        .map(drop)
}

#[async_trait]
impl LevelStore for SqliteEngine {
    async fn any_known(&self) -> StoreResult<AnyKnown> {
        self.read(move |conn| {
            let heard = user_limits::table.filter(user_limits::event_level.is_not_null());
            let everybody = user_limits::table.select(user_limits::user_id);
            let (event, any) =
                diesel::select((diesel::dsl::exists(heard), diesel::dsl::exists(everybody))).get_result(conn)?;
            Ok(AnyKnown { event, any })
        })
        .await
    }

    async fn known_level(&self, tenant_id: &TenantId, user_id: &UserId) -> StoreResult<KnownLevel> {
        let (tenant_id, user_id) = (tenant_id.clone(), user_id.clone());
        self.read(move |conn| {
            let row: Option<(Option<Word<SubscriptionLevel>>, Option<Word<SubscriptionLevel>>)> = user_limits::table
                .filter(user_limits::tenant_id.eq(tenant_id.as_str()).and(user_limits::user_id.eq(user_id.as_str())))
                .select((user_limits::event_level, user_limits::gateway_level))
                .get_result(conn)
                .optional()?;
            let (event, gateway) = row.unwrap_or_default();
            Ok(KnownLevel { event: event.map(|word| word.0), gateway: gateway.map(|word| word.0) })
        })
        .await
    }

    async fn keep_event_level(
        &self,
        tenant_id: &TenantId,
        user_id: &UserId,
        level: SubscriptionLevel,
        at: DateTime<Utc>,
    ) -> StoreResult<()> {
        let (tenant_id, user_id) = (tenant_id.clone(), user_id.clone());
        self.write(move |conn, now| {
            ensure(conn, &tenant_id, &user_id, now)?;
            diesel::update(
                user_limits::table
                    .filter(
                        user_limits::tenant_id.eq(tenant_id.as_str()).and(user_limits::user_id.eq(user_id.as_str())),
                    )
                    .filter(user_limits::event_at.is_null().or(user_limits::event_at.assume_not_null().le(Stamp(at)))),
            )
            .set((
                user_limits::event_level.eq(Word(level)),
                user_limits::event_at.eq(Stamp(at)),
                user_limits::updated_at.eq(Stamp(now)),
            ))
            .execute(conn)
            .map(drop)
        })
        .await
    }

    async fn keep_gateway_level(
        &self,
        tenant_id: &TenantId,
        user_id: &UserId,
        level: SubscriptionLevel,
    ) -> StoreResult<()> {
        let (tenant_id, user_id) = (tenant_id.clone(), user_id.clone());
        self.write(move |conn, now| {
            ensure(conn, &tenant_id, &user_id, now)?;
            diesel::update(
                user_limits::table.filter(
                    user_limits::tenant_id.eq(tenant_id.as_str()).and(user_limits::user_id.eq(user_id.as_str())),
                ),
            )
            .set((user_limits::gateway_level.eq(Word(level)), user_limits::updated_at.eq(Stamp(now))))
            .execute(conn)
            .map(drop)
        })
        .await
    }
}

#[async_trait]
impl InboxStore for SqliteEngine {
    async fn was_received(&self, event_id: &str) -> StoreResult<bool> {
        let event_id = event_id.to_owned();
        self.read(move |conn| {
            let known = inbox_events::table.filter(inbox_events::event_id.eq(event_id));
            diesel::select(diesel::dsl::exists(known)).get_result(conn)
        })
        .await
    }

    async fn note_received(&self, event_id: &str, subject: &str) -> StoreResult<()> {
        let (event_id, subject) = (event_id.to_owned(), subject.to_owned());
        self.write(move |conn, now| {
            diesel::insert_into(inbox_events::table)
                .values((
                    inbox_events::event_id.eq(&event_id),
                    inbox_events::subject.eq(&subject),
                    inbox_events::received_at.eq(Stamp(now)),
                ))
                .on_conflict_do_nothing()
                .execute(conn)
                .map(drop)
        })
        .await
    }
}
