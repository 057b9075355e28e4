//! Executions: claims, heartbeats, reads.

use std::collections::HashMap;

use async_trait::async_trait;
use chrono::{DateTime, Duration, Utc};
use diesel::dsl::sql;
use diesel::prelude::*;
use diesel::sql_types::{Bool, Text};
use task_domain::{Execution, ExecutionStatus, LeaseToken, Task, TaskId, TenantId, UserId};
use task_protocols::{
    ClaimRequest, ClaimTaskRequest, ClaimedTask, ExecutionQuery, ExecutionStore, Heartbeat, RECENT_EXECUTIONS, Seat,
    StoreResult,
};
use uuid::Uuid;

use super::schema::{task_executions, task_states, user_tasks};
use super::{SqliteEngine, claim, tasks};
use crate::columns::{Id, Stamp, Word};
use crate::rows::{ExecutionRow, StateRow};

/// Whether a lease is current.
pub(super) fn holds(
    conn: &mut SqliteConnection,
    tenant_id: &TenantId,
    id: i64,
    token: LeaseToken,
    now: DateTime<Utc>,
) -> QueryResult<bool> {
    Ok(held_seconds(conn, tenant_id, id, token, now)?.is_some())
}

/// The length of a lease that is current, where it has one of its own.
fn held_seconds(
    conn: &mut SqliteConnection,
    tenant_id: &TenantId,
    id: i64,
    token: LeaseToken,
    now: DateTime<Utc>,
) -> QueryResult<Option<Option<i64>>> {
    let held = task_states::table
        .filter(task_states::tenant_id.eq(tenant_id.as_str()).and(task_states::id.eq(id)))
        .filter(task_states::lease_token.eq(Id(token.as_uuid())).and(task_states::lease_expires_at.gt(Stamp(now))));
    held.select(task_states::lease_seconds).get_result(conn).optional()
}

/// The last executions of the tasks whose numbers follow, as a JSON list; up to the tenant.
const LAST_ENDED: &str = "(task_executions.task_id, task_executions.id) IN \
    (SELECT t.value, (SELECT x.id FROM task_executions AS x WHERE x.tenant_id = ";

/// Extends a lease that is current; `None` when it is not. `seconds`: `None` = its current length.
pub(super) fn extend(
    conn: &mut SqliteConnection,
    tenant_id: &TenantId,
    id: i64,
    token: LeaseToken,
    seconds: Option<i64>,
    now: DateTime<Utc>,
) -> QueryResult<Option<Heartbeat>> {
    let Some(current) = held_seconds(conn, tenant_id, id, token, now)? else { return Ok(None) };
    let seconds = seconds.or(current).unwrap_or(task_domain::DEFAULT_LEASE_SECONDS);
    let expires_at = now + Duration::seconds(seconds);
    diesel::update(
        task_states::table.filter(task_states::tenant_id.eq(tenant_id.as_str()).and(task_states::id.eq(id))),
    )
    .set((task_states::lease_expires_at.eq(Stamp(expires_at)), task_states::lease_seconds.eq(seconds)))
    .execute(conn)?;
    Ok(Some(Heartbeat { expires_at, expires_in: expires_at - now }))
}

/// The execution of a task that ended last.
pub(super) fn last_of(
    conn: &mut SqliteConnection,
    tenant_id: &TenantId,
    number: i64,
    task_id: TaskId,
) -> QueryResult<Option<Execution>> {
    let row: Option<ExecutionRow> = task_executions::table
        .filter(task_executions::tenant_id.eq(tenant_id.as_str()).and(task_executions::task_id.eq(number)))
        .order(task_executions::id.desc())
        .get_result(conn)
        .optional()?;
    Ok(row.map(|row| row.into_execution(task_id)))
}

#[async_trait]
impl ExecutionStore for SqliteEngine {
    async fn claim(&self, request: &ClaimRequest) -> StoreResult<Vec<Task>> {
        let (request, engine) = (request.clone(), self.clone());
        self.write(move |conn, now| claim::claim(conn, &request, &engine, now)).await
    }

    async fn claim_seats(&self, request: &ClaimRequest, seats: &[Seat]) -> StoreResult<Vec<Task>> {
        let (request, seats, engine) = (request.clone(), seats.to_vec(), self.clone());
        self.write(move |conn, now| claim::claim_seats(conn, &request, &seats, &engine, now)).await
    }

    async fn claimable_types(&self, types: &[(TenantId, String)]) -> StoreResult<Vec<(TenantId, String)>> {
        let types = types.to_vec();
        self.read(move |conn| claim::claimable_types(conn, types)).await
    }

    async fn claim_task(&self, request: &ClaimTaskRequest) -> StoreResult<ClaimedTask> {
        let (request, engine) = (request.clone(), self.clone());
        self.write(move |conn, now| claim::claim_task(conn, &request, &engine, now)).await
    }

    async fn heartbeat(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
        token: LeaseToken,
        lease_seconds: Option<i64>,
    ) -> StoreResult<Option<Heartbeat>> {
        let (tenant_id, task_id) = (tenant_id.clone(), task_id.clone());
        self.write(move |conn, now| match tasks::live_id(conn, &tenant_id, &task_id)? {
            Some(id) => extend(conn, &tenant_id, id, token, lease_seconds, now),
            None => Ok(None),
        })
        .await
    }

    async fn find_execution(&self, tenant_id: &TenantId, execution_id: Uuid) -> StoreResult<Option<Execution>> {
        let tenant_id = tenant_id.clone();
        self.read(move |conn| {
            let current: Option<(StateRow, String)> = task_states::table
                .inner_join(
                    user_tasks::table
                        .on(task_states::tenant_id.eq(user_tasks::tenant_id).and(task_states::id.eq(user_tasks::id))),
                )
                .filter(
                    task_states::tenant_id.eq(tenant_id.as_str()).and(task_states::execution_id.eq(Id(execution_id))),
                )
                .filter(user_tasks::deleted_at.is_null())
                .select((task_states::all_columns, user_tasks::task_id))
                .get_result(conn)
                .optional()?;
            if let Some((state, task_id)) = current {
                let user_id = state.user_id.clone().map(UserId::from_stored);
                return Ok(state.current(&tenant_id, &TaskId::from_stored(task_id), &user_id));
            }
            let ended: Option<(ExecutionRow, String)> = task_executions::table
                .inner_join(
                    user_tasks::table.on(task_executions::tenant_id
                        .eq(user_tasks::tenant_id)
                        .and(task_executions::task_id.eq(user_tasks::id))),
                )
                .filter(
                    task_executions::tenant_id
                        .eq(tenant_id.as_str())
                        .and(task_executions::execution_id.eq(Id(execution_id))),
                )
                .filter(user_tasks::deleted_at.is_null())
                .select((task_executions::all_columns, user_tasks::task_id))
                .get_result(conn)
                .optional()?;
            Ok(ended.map(|(row, task_id)| row.into_execution(TaskId::from_stored(task_id))))
        })
        .await
    }

    async fn find_ended_by_token(
        &self,
        tenant_id: &TenantId,
        task_id: &TaskId,
        token: LeaseToken,
    ) -> StoreResult<Option<Execution>> {
        let (tenant_id, task_id) = (tenant_id.clone(), task_id.clone());
        self.read(move |conn| {
            let Some(id) = tasks::any_id(conn, &tenant_id, &task_id)? else { return Ok(None) };
            let recent: Vec<(i64, Option<Id>)> = task_executions::table
                .filter(task_executions::tenant_id.eq(tenant_id.as_str()).and(task_executions::task_id.eq(id)))
                .order(task_executions::id.desc())
                .limit(RECENT_EXECUTIONS)
                .select((task_executions::id, task_executions::lease_token))
                .load(conn)?;
            let held = recent.into_iter().find(|(_, held)| held.is_some_and(|held| held.0 == token.as_uuid()));
            let Some((number, _)) = held else { return Ok(None) };
            let row: Option<ExecutionRow> =
                task_executions::table.find((tenant_id.as_str(), id, number)).get_result(conn).optional()?;
            Ok(row.map(|row| row.into_execution(task_id)))
        })
        .await
    }

    async fn last_ended(&self, tenant_id: &TenantId, tasks: &[(i64, TaskId)]) -> StoreResult<Vec<Execution>> {
        let (tenant_id, tasks) = (tenant_id.clone(), tasks.to_vec());
        self.read(move |conn| {
            let mut names: HashMap<i64, TaskId> = tasks.into_iter().collect();
            let numbers = serde_json::json!(names.keys().collect::<Vec<_>>()).to_string();
            let last = sql::<Bool>(LAST_ENDED)
                .bind::<Text, _>(tenant_id.as_str())
                .sql(" AND x.task_id = t.value ORDER BY x.id DESC LIMIT 1) FROM json_each(")
                .bind::<Text, _>(numbers)
                .sql(") AS t)");
            let rows: Vec<ExecutionRow> = task_executions::table
                .filter(task_executions::tenant_id.eq(tenant_id.as_str()))
                .filter(last)
                .load(conn)?;
            let named = |row: ExecutionRow| names.remove(&row.task_id).map(|id| row.into_execution(id));
            Ok(rows.into_iter().filter_map(named).collect())
        })
        .await
    }

    async fn list_executions(&self, query: &ExecutionQuery) -> StoreResult<Vec<Execution>> {
        let query = query.clone();
        self.read(move |conn| list(conn, &query)).await
    }
}

/// The active attempt is the newest of all, so it comes first where the filter lets it.
fn list(conn: &mut SqliteConnection, query: &ExecutionQuery) -> QueryResult<Vec<Execution>> {
    let Some(id) = tasks::live_id(conn, &query.tenant_id, &query.task_id)? else { return Ok(Vec::new()) };
    let task = tasks::by_id(conn, query.tenant_id.as_str(), id)?;
    let fits = |status: ExecutionStatus| query.status.is_none_or(|wanted| wanted == status);
    let current = task.and_then(|task| task.current).filter(|execution| fits(execution.status));
    let ahead = i64::from(current.is_some());
    let mut executions: Vec<Execution> = current.into_iter().filter(|_| query.offset == 0 && query.limit > 0).collect();
    let mut ended = task_executions::table
        .filter(task_executions::tenant_id.eq(query.tenant_id.as_str()).and(task_executions::task_id.eq(id)))
        .order(task_executions::id.desc())
        .offset((query.offset - ahead).max(0))
        .limit(query.limit - i64::try_from(executions.len()).unwrap_or(0))
        .into_boxed();
    if let Some(status) = query.status {
        ended = ended.filter(task_executions::status.eq(Word(status)));
    }
    let rows: Vec<ExecutionRow> = ended.load(conn)?;
    executions.extend(rows.into_iter().map(|row| row.into_execution(query.task_id.clone())));
    Ok(executions)
}
