//! API keys.

use async_trait::async_trait;
use diesel::prelude::*;
use task_domain::TenantId;
use task_protocols::{ApiKey, ApiKeyStore, StoreResult};

use super::SqliteEngine;
use super::schema::api_keys;
use crate::columns::{Json, Stamp};
use crate::rows::ApiKeyRow;

#[async_trait]
impl ApiKeyStore for SqliteEngine {
    async fn add_key(&self, key: &ApiKey) -> StoreResult<()> {
        let key = key.clone();
        self.write(move |conn, _| {
            diesel::insert_into(api_keys::table)
                .values((
                    api_keys::tenant_id.eq(key.tenant_id.as_str()),
                    api_keys::id.eq(&key.id),
                    api_keys::name.eq(&key.name),
                    api_keys::secret_hash.eq(&key.secret_hash),
                    api_keys::scopes.eq(Json(key.scopes.clone())),
                    api_keys::task_types.eq(Json(key.task_types.clone())),
                    api_keys::created_at.eq(Stamp(key.created_at)),
                    api_keys::expires_at.eq(key.expires_at.map(Stamp)),
                ))
                .execute(conn)
                .map(drop)
        })
        .await
    }

    async fn find_key(&self, id: &str) -> StoreResult<Option<ApiKey>> {
        let id = id.to_owned();
        self.read(move |conn| {
            let row: Option<ApiKeyRow> = api_keys::table.filter(api_keys::id.eq(id)).get_result(conn).optional()?;
            Ok(row.map(ApiKey::from))
        })
        .await
    }

    async fn list_keys(&self, tenant_id: &TenantId) -> StoreResult<Vec<ApiKey>> {
        let tenant_id = tenant_id.clone();
        self.read(move |conn| {
            let rows: Vec<ApiKeyRow> = api_keys::table
                .filter(api_keys::tenant_id.eq(tenant_id.as_str()))
                .order((api_keys::created_at, api_keys::id))
                .load(conn)?;
            Ok(rows.into_iter().map(ApiKey::from).collect())
        })
        .await
    }

    async fn revoke_key(&self, tenant_id: &TenantId, id: &str) -> StoreResult<bool> {
        let (tenant_id, id) = (tenant_id.clone(), id.to_owned());
        self.write(move |conn, now| {
            let key = api_keys::table
                .filter(api_keys::tenant_id.eq(tenant_id.as_str()).and(api_keys::id.eq(&id)))
                .filter(api_keys::revoked_at.is_null());
            Ok(diesel::update(key).set(api_keys::revoked_at.eq(Stamp(now))).execute(conn)? > 0)
        })
        .await
    }

    async fn touch_key(&self, id: &str) -> StoreResult<()> {
        let id = id.to_owned();
        self.write(move |conn, now| {
            let key = api_keys::table.filter(api_keys::id.eq(&id));
            diesel::update(key).set(api_keys::last_used_at.eq(Stamp(now))).execute(conn).map(drop)
        })
        .await
    }

    async fn any_key(&self) -> StoreResult<bool> {
        let now = Stamp(self.clock.now());
        self.read(move |conn| {
            let usable = api_keys::table
                .filter(api_keys::revoked_at.is_null())
                .filter(api_keys::expires_at.is_null().or(api_keys::expires_at.assume_not_null().gt(now)));
            diesel::select(diesel::dsl::exists(usable)).get_result(conn)
        })
        .await
    }
}
