//! Facts.

use async_trait::async_trait;
use diesel::dsl::{count_star, sql};
use diesel::prelude::*;
use diesel::sql_types::{Bool, Nullable, Text};
use serde_json::Value;
use task_domain::{Fact, FactPatch, TenantId};
use task_protocols::{FactFilter, FactPage, FactScope, FactStore, StoreResult};
use uuid::Uuid;

use super::SqliteEngine;
use super::list::lower;
use super::schema::facts;
use crate::columns::{Id, Json, Stamp, contains};
use crate::rows::FactRow;

diesel::define_sql_function! {
    /// JSON as PostgreSQL's jsonb prints it; the connections of `mod.rs` bring it along.
    fn jsonb_text(json: Nullable<Text>) -> Nullable<Text>;
}

/// Teaches a connection how PostgreSQL prints JSON, so that a search finds the same on both engines.
pub(super) fn register(conn: &mut SqliteConnection) -> QueryResult<()> {
    jsonb_text_utils::register_impl(conn, |json: Option<String>| {
        let mut text = String::new();
        print(&serde_json::from_str(&json?).ok()?, &mut text);
        Some(text)
    })
}

/// One blank after colons and commas, keys by length and then by bytes.
fn print(value: &Value, text: &mut String) {
    match value {
        Value::Array(items) => {
            text.push('[');
            for (n, item) in items.iter().enumerate() {
                text.push_str(if n > 0 { ", " } else { "" });
                print(item, text);
            }
            text.push(']');
        }
        Value::Object(map) => {
            let mut entries: Vec<_> = map.iter().collect();
            entries.sort_by_key(|(key, _)| (key.len(), *key));
            text.push('{');
            for (n, (key, item)) in entries.into_iter().enumerate() {
                text.push_str(if n > 0 { ", " } else { "" });
                text.push_str(&Value::from(key.as_str()).to_string());
                text.push_str(": ");
                print(item, text);
            }
            text.push('}');
        }
        plain => text.push_str(&plain.to_string()),
    }
}

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
            query = query.filter(
                lower(facts::text.nullable()).like(part.clone()).escape('\\').or(lower(jsonb_text(
                    facts::meta_data.nullable(),
                ))
                .like(part)
                .escape('\\')),
            );
        }
        if let Some(tag) = &$filter.tag {
            let has = sql::<Bool>("EXISTS (SELECT 1 FROM json_each(facts.tags) AS e WHERE e.value = ");
            query = query.filter(has.bind::<Text, _>(tag.clone()).sql(")"));
        }
        query
    }};
}

fn find(conn: &mut SqliteConnection, tenant_id: &TenantId, id: Uuid) -> QueryResult<Option<Fact>> {
    let row: Option<FactRow> = facts::table
        .filter(facts::tenant_id.eq(tenant_id.as_str()).and(facts::id.eq(Id(id))))
        .get_result(conn)
        .optional()?;
    Ok(row.map(Fact::from))
}

#[async_trait]
impl FactStore for SqliteEngine {
    async fn add_fact(&self, fact: &Fact) -> StoreResult<()> {
        let fact = fact.clone();
        self.write(move |conn, _| {
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
                .execute(conn)
                .map(drop)
        })
        .await
    }

    async fn find_fact(&self, tenant_id: &TenantId, id: Uuid) -> StoreResult<Option<Fact>> {
        let tenant_id = tenant_id.clone();
        self.read(move |conn| find(conn, &tenant_id, id)).await
    }

    async fn search_facts(&self, filter: &FactFilter) -> StoreResult<FactPage> {
        let filter = filter.clone();
        self.read(move |conn| {
            let rows: Vec<FactRow> = facts_of!(filter, facts::all_columns)
                .order((facts::created_at.desc(), facts::id.desc()))
                .offset(filter.offset)
                .limit(filter.limit)
                .load(conn)?;
            let total = facts_of!(filter, count_star()).get_result(conn)?;
            Ok(FactPage { total, facts: rows.into_iter().map(Fact::from).collect() })
        })
        .await
    }

    async fn edit_fact(&self, tenant_id: &TenantId, id: Uuid, patch: &FactPatch) -> StoreResult<Option<Fact>> {
        let (tenant_id, patch) = (tenant_id.clone(), patch.clone());
        self.write(move |conn, now| {
            diesel::update(facts::table.filter(facts::tenant_id.eq(tenant_id.as_str()).and(facts::id.eq(Id(id)))))
                .set((
                    patch.text.as_ref().map(|text| facts::text.eq(text)),
                    patch.tags.clone().map(|tags| facts::tags.eq(Json(tags))),
                    patch.meta_data.clone().map(|data| facts::meta_data.eq(Json(data))),
                    facts::updated_at.eq(Stamp(now)),
                ))
                .execute(conn)?;
            find(conn, &tenant_id, id)
        })
        .await
    }

    async fn delete_fact(&self, tenant_id: &TenantId, id: Uuid) -> StoreResult<bool> {
        let tenant_id = tenant_id.clone();
        self.write(move |conn, _| {
            let fact = facts::table.filter(facts::tenant_id.eq(tenant_id.as_str()).and(facts::id.eq(Id(id))));
            Ok(diesel::delete(fact).execute(conn)? > 0)
        })
        .await
    }
}
