//! API keys.

use async_trait::async_trait;
use diesel::prelude::*;
use diesel_async::RunQueryDsl;
use task_domain::TenantId;
use task_protocols::{ApiKey, ApiKeyStore, StoreResult};

use super::clock::clock_timestamp;
use super::schema::api_keys;
use super::{PostgresEngine, errors};
use crate::columns::{Json, Stamp};
use crate::rows::ApiKeyRow;

#[async_trait]
impl ApiKeyStore for PostgresEngine {
    async fn add_key(&self, key: &ApiKey) -> StoreResult<()> {
        let mut connection = self.pools.main().await?;
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
            .execute(&mut connection)
            .await
            .map(drop)
            .map_err(errors::failed)
    }

    async fn find_key(&self, id: &str) -> StoreResult<Option<ApiKey>> {
        let mut connection = self.pools.main().await?;
        let row: Option<ApiKeyRow> = api_keys::table
            .filter(api_keys::id.eq(id))
            .get_result(&mut connection)
            .await
            .optional()
            .map_err(errors::failed)?;
        Ok(row.map(ApiKey::from))
    }

    async fn list_keys(&self, tenant_id: &TenantId) -> StoreResult<Vec<ApiKey>> {
        let mut connection = self.pools.main().await?;
        let rows: Vec<ApiKeyRow> = api_keys::table
            .filter(api_keys::tenant_id.eq(tenant_id.as_str()))
            .order((api_keys::created_at, api_keys::id))
            .load(&mut connection)
            .await
            .map_err(errors::failed)?;
        Ok(rows.into_iter().map(ApiKey::from).collect())
    }

    async fn revoke_key(&self, tenant_id: &TenantId, id: &str) -> StoreResult<bool> {
        let mut connection = self.pools.main().await?;
        let key = api_keys::table
            .filter(api_keys::tenant_id.eq(tenant_id.as_str()).and(api_keys::id.eq(id)))
            .filter(api_keys::revoked_at.is_null());
        let revoked = diesel::update(key).set(api_keys::revoked_at.eq(clock_timestamp().nullable()));
        Ok(revoked.execute(&mut connection).await.map_err(errors::failed)? > 0)
    }

    async fn touch_key(&self, id: &str) -> StoreResult<()> {
        let mut connection = self.pools.main().await?;
        let key = api_keys::table.filter(api_keys::id.eq(id));
        let touched = diesel::update(key).set(api_keys::last_used_at.eq(clock_timestamp().nullable()));
        touched.execute(&mut connection).await.map(drop).map_err(errors::failed)
    }

    async fn any_key(&self) -> StoreResult<bool> {
        let mut connection = self.pools.main().await?;
        let usable = api_keys::table
            .filter(api_keys::revoked_at.is_null())
            .filter(api_keys::expires_at.is_null().or(api_keys::expires_at.assume_not_null().gt(clock_timestamp())));
        diesel::select(diesel::dsl::exists(usable)).get_result(&mut connection).await.map_err(errors::failed)
    }
}
