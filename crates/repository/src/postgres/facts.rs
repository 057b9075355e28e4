//! Facts.

use async_trait::async_trait;
use diesel::dsl::{count_star, sql};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};
use diesel_async::RunQueryDsl;
use task_domain::{Fact, FactPatch, TenantId};
use task_protocols::{FactFilter, FactPage, FactScope, FactStore, StoreResult};
use uuid::Uuid;

use super::clock::clock_timestamp;
use super::schema::facts;
use super::{PostgresEngine, errors};
use crate::columns::{Id, Json, Stamp, contains};
use crate::rows::FactRow;

/// The facts of a filter, as a boxed query.
macro_rules! facts_of {
    ($filter:ident, $columns:expr) => {{
        let mut query =
            facts::table.filter(facts::tenant_id.eq($filter.tenant_id.as_str())).select($columns).into_boxed();
        match &$filter.scope {
            FactScope::User(user_id) => {
                let own = facts::user_id.assume_not_null().eq(user_id.as_str());
                query = query.filter(facts::user_id.is_null().or(own));
            }
            FactScope::Tenant => query = query.filter(facts::user_id.is_null()),
            FactScope::Everything => {}
        }
        if let Some(text) = &$filter.text {
            let part = contains(text);
            // The expressions of the trigram indexes.
            let found = sql::<Bool>("(lower(text) LIKE ").bind::<Text, _>(part.clone());
            let found = found.sql(" OR lower(meta_data::text) LIKE ").bind::<Text, _>(part).sql(")");
            query = query.filter(found);
        }
        if let Some(tag) = &$filter.tag {
            query = query.filter(facts::tags.contains(Json(vec![tag.clone()])));
        }
        query
    }};
}

#[async_trait]
impl FactStore for PostgresEngine {
    async fn add_fact(&self, fact: &Fact) -> StoreResult<()> {
        let mut connection = self.pools.main().await?;
        diesel::insert_into(facts::table)
            .values((
                facts::tenant_id.eq(fact.tenant_id.as_str()),
                facts::id.eq(Id(fact.id)),
                facts::user_id.eq(fact.user_id.as_ref().map(|id| id.as_str())),
                facts::text.eq(&fact.text),
                facts::tags.eq(Json(fact.tags.clone())),
                facts::meta_data.eq(Json(fact.meta_data.clone())),
                facts::created_at.eq(Stamp(fact.created_at)),
                facts::updated_at.eq(Stamp(fact.updated_at)),
            ))
            .execute(&mut connection)
            .await
            .map(drop)
            .map_err(errors::failed)
    }

    async fn find_fact(&self, tenant_id: &TenantId, id: Uuid) -> StoreResult<Option<Fact>> {
        let mut connection = self.pools.main().await?;
        let row: Option<FactRow> = facts::table
            .filter(facts::tenant_id.eq(tenant_id.as_str()).and(facts::id.eq(Id(id))))
            .get_result(&mut connection)
            .await
            .optional()
            .map_err(errors::failed)?;
        Ok(row.map(Fact::from))
    }

    async fn search_facts(&self, filter: &FactFilter) -> StoreResult<FactPage> {
        let mut connection = self.pools.main().await?;
        let rows: Vec<FactRow> = facts_of!(filter, facts::all_columns)
            .order((facts::created_at.desc(), facts::id.desc()))
            .offset(filter.offset)
            .limit(filter.limit)
            .load(&mut connection)
            .await
            .map_err(errors::failed)?;
        let total = facts_of!(filter, count_star()).get_result(&mut connection).await.map_err(errors::failed)?;
        Ok(FactPage { total, facts: rows.into_iter().map(Fact::from).collect() })
    }

    async fn edit_fact(&self, tenant_id: &TenantId, id: Uuid, patch: &FactPatch) -> StoreResult<Option<Fact>> {
        let mut connection = self.pools.main().await?;
        let row: Option<FactRow> =
            diesel::update(facts::table.filter(facts::tenant_id.eq(tenant_id.as_str()).and(facts::id.eq(Id(id)))))
                .set((
                    patch.text.as_ref().map(|text| facts::text.eq(text)),
                    patch.tags.as_ref().map(|tags| facts::tags.eq(Json(tags.clone()))),
                    patch.meta_data.as_ref().map(|data| facts::meta_data.eq(Json(data.clone()))),
                    facts::updated_at.eq(clock_timestamp()),
                ))
                .returning(facts::all_columns)
                .get_result(&mut connection)
                .await
                .optional()
                .map_err(errors::failed)?;
        Ok(row.map(Fact::from))
    }

    async fn delete_fact(&self, tenant_id: &TenantId, id: Uuid) -> StoreResult<bool> {
        let mut connection = self.pools.main().await?;
        let fact = facts::table.filter(facts::tenant_id.eq(tenant_id.as_str()).and(facts::id.eq(Id(id))));
        Ok(diesel::delete(fact).execute(&mut connection).await.map_err(errors::failed)? > 0)
    }
}
