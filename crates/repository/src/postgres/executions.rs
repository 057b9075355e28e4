//! Leases and reads of executions.

use std::collections::HashMap;

use async_trait::async_trait;
use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Nullable, Text, Uuid as SqlUuid};
use diesel_async::RunQueryDsl;
use serde_json::Value;
use task_domain::{Execution, ExecutionStatus, LeaseToken, Task, TaskId, TenantId};
use task_protocols::{
    ClaimRequest, ClaimTaskRequest, ClaimedTask, ExecutionQuery, ExecutionStore, Heartbeat, RECENT_EXECUTIONS, Seat,
    StoreResult,
};
use uuid::Uuid;

use super::heartbeats::Beat;
use super::schema::task_executions;
use super::statement::{Sql, Statement};
use super::{PostgresEngine, claim, errors};
use crate::columns::Json;
use crate::rows::ExecutionRow;

#[async_trait]
impl ExecutionStore for PostgresEngine {
    async fn claim(&self, request: &ClaimRequest) -> StoreResult<Vec<Task>> {
        claim::claim(self, request).await
    }

    async fn claim_seats(&self, request: &ClaimRequest, seats: &[Seat]) -> StoreResult<Vec<Task>> {
        claim::claim_seats(self, request, seats).await
    }

    async fn claimable_types(&self, types: &[(TenantId, String)]) -> StoreResult<Vec<(TenantId, String)>> {
        claim::claimable_types(self, types).await
    }

    async fn claim_task(&self, request: &ClaimTaskRequest) -> StoreResult<ClaimedTask> {
        claim::claim_task(self, request).await
    }

    async fn heartbeat(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
        token: LeaseToken,
        lease_seconds: Option<i64>,
    ) -> StoreResult<Option<Heartbeat>> {
        let key = (tenant_id.clone(), task_id.clone());
        self.heartbeats.submit(Beat { key, token, seconds: lease_seconds }).await
    }

    async fn find_execution(&self, tenant_id: &TenantId, execution_id: Uuid) -> StoreResult<Option<Execution>> {
        let mut connection = self.pools.main().await?;
        let found: Option<(String, ExecutionRow)> = Sql(include_str!("sql/find_execution.sql"))
            .bind::<Text, _>(tenant_id.as_str())
            .bind::<SqlUuid, _>(execution_id)
            .reading::<(Text, task_executions::SqlType)>()
            .get_result(&mut connection)
            .await
            .optional()
            .map_err(errors::failed)?;
        Ok(found.map(|(task_id, row)| execution(row, TaskId::from_stored(task_id))))
    }

    async fn find_ended_by_token(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
        token: LeaseToken,
    ) -> StoreResult<Option<Execution>> {
        let mut connection = self.pools.main().await?;
        let row: Option<ExecutionRow> = Sql(include_str!("sql/ended_by_token.sql"))
            .bind::<Text, _>(tenant_id.as_str())
            .bind::<Text, _>(task_id.as_str())
            .bind::<SqlUuid, _>(token.as_uuid())
            .bind::<BigInt, _>(RECENT_EXECUTIONS)
            .reading::<task_executions::SqlType>()
            .get_result(&mut connection)
            .await
            .optional()
            .map_err(errors::failed)?;
        Ok(row.map(|row| execution(row, task_id.clone())))
    }

    async fn last_ended(&self, tenant_id: &TenantId, tasks: &[(i64, TaskId)]) -> StoreResult<Vec<Execution>> {
        let mut names: HashMap<i64, TaskId> = tasks.iter().cloned().collect();
        let numbers: Vec<i64> = names.keys().copied().collect();
        let mut connection = self.pools.main().await?;
        let rows: Vec<ExecutionRow> = Sql(include_str!("sql/last_ended.sql"))
            .bind::<Text, _>(tenant_id.as_str())
            .bind::<Array<BigInt>, _>(numbers)
            .reading::<task_executions::SqlType>()
            .load(&mut connection)
            .await
            .map_err(errors::failed)?;
        let named = |row: ExecutionRow| names.remove(&row.task_id).map(|task_id| execution(row, task_id));
        Ok(rows.into_iter().filter_map(named).collect())
    }

    async fn list_executions(&self, query: &ExecutionQuery) -> StoreResult<Vec<Execution>> {
        let mut connection = self.pools.main().await?;
        let rows: Vec<ExecutionRow> = Sql(include_str!("sql/list_executions.sql"))
            .bind::<Text, _>(query.tenant_id.as_str())
            .bind::<Text, _>(query.task_id.as_str())
            .bind::<Nullable<Text>, _>(query.status.map(ExecutionStatus::as_str))
            .bind::<BigInt, _>(query.limit)
            .bind::<BigInt, _>(query.offset)
            .reading::<task_executions::SqlType>()
            .load(&mut connection)
            .await
            .map_err(errors::failed)?;
        Ok(rows.into_iter().map(|row| execution(row, query.task_id.clone())).collect())
    }
}

/// A completed attempt always has a result; SQL keeps a JSON null as NULL.
pub(super) fn execution(mut row: ExecutionRow, task_id: TaskId) -> Execution {
    if row.status.0 == ExecutionStatus::Completed && row.result.is_none() {
        row.result = Some(Json(Value::Null));
    }
    row.into_execution(task_id)
}
