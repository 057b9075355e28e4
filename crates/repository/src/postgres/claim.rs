//! Claims: the next queued executions, each to one worker only.

use diesel::prelude::*;
use diesel::sql_types::{Array, BigInt, Nullable, SmallInt, Text};
use diesel_async::{AsyncConnection, AsyncPgConnection, RunQueryDsl};
use task_domain::types::CONVERSATION;
use task_domain::{Handler, Origin, Task, TenantId};
use task_protocols::{ClaimRequest, ClaimTaskRequest, ClaimedTask, Seat, StoreError, StoreResult, TaskStore};

use super::clock::clock_timestamp;
use super::schema::{task_states, user_tasks};
use super::statement::{Sql, Statement};
use super::tasks::{live_tasks, task_of};
use super::watermark::Bounds;
use super::{PostgresEngine, errors};
use crate::columns::Word;
use crate::fair_share::{Line, Queued};
use crate::rows::{StateRow, TaskRow};

/// A statement: what makes the candidates, then what leases them.
macro_rules! claiming {
    ($($part:literal),+) => { concat!($(include_str!(concat!("sql/", $part, ".sql")),)+ include_str!("sql/claim.sql")) };
}

// Of one type the rows are locked in index order; several types are merged before the first lock.
const BUILTIN_LANE: &str = claiming!("lane_builtin");
const WORKER_LANE: &str = claiming!("lane_worker");
const BUILTIN: &str = claiming!("candidates_builtin", "pick");
const WORKER: &str = claiming!("candidates_worker", "pick");
const WORKER_ANY: &str = claiming!("candidates_worker_any", "pick");
const CONVERSATIONS: &str = claiming!("candidates_conversation", "pick");
const BUILTIN_ORIGIN: &str = claiming!("candidates_builtin_origin", "pick");
const WORKER_ORIGIN: &str = claiming!("candidates_worker_origin", "pick");
const TASK: &str = claiming!("candidate_task");

/// Candidates beyond what is wanted, because other claimers hold or take some of them.
const SPARE: i64 = 32;
/// Looks of one claim. Each one that found candidates but got too few looks at more of them.
const LOOKS: u32 = 5;

/// What a look reads: the number of candidates, and a claimed task if any.
type ClaimedRow = (i64, Option<TaskRow>, Option<StateRow>);
type ClaimedSql = (BigInt, Nullable<user_tasks::SqlType>, Nullable<task_states::SqlType>);

/// A task that a claim got, and the turn that it had.
pub(super) struct Taken {
    pub(super) turn: i64,
    pub(super) task: Task,
}

/// Why a transaction is rolled back.
enum Failed {
    Store(StoreError),
    Statement(diesel::result::Error),
}

impl From<diesel::result::Error> for Failed {
    fn from(error: diesel::result::Error) -> Self {
        Self::Statement(error)
    }
}

impl From<StoreError> for Failed {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}

pub(super) async fn claim(engine: &PostgresEngine, request: &ClaimRequest) -> StoreResult<Vec<Task>> {
    let mut connection = engine.pools.claims().await?;
    let (Some(request_id), Some(tenant_id)) = (&request.request_id, &request.tenant_id) else {
        return take(engine, &mut connection, request, vec![&request.worker_id]).await;
    };
    let worker_id = request.worker_id.as_str();
    let claimed = connection.transaction(async |connection| -> Result<Vec<Task>, Failed> {
        // Of parallel repeats one claims; the others wait for its commit and read what it got.
        Sql(include_str!("sql/lock_claim_request.sql"))
            .bind::<Text, _>(tenant_id.as_str())
            .bind::<Text, _>(worker_id)
            .bind::<Text, _>(request_id)
            .execute(connection)
            .await?;
        let mut held = held(connection, tenant_id, worker_id, request_id).await?;
        held.retain(|task| request.asks_for(task));
        if held.is_empty() {
            return Ok(take(engine, connection, request, vec![&request.worker_id]).await?);
        }
        held.truncate(usize::try_from(request.max_tasks).unwrap_or(usize::MAX));
        Ok(held)
    });
    claimed.await.map_err(|error| match error {
        Failed::Store(error) => error,
        Failed::Statement(error) => errors::failed(error),
    })
}

pub(super) async fn claim_seats(
    engine: &PostgresEngine,
    request: &ClaimRequest,
    seats: &[Seat],
) -> StoreResult<Vec<Task>> {
    let workers: Vec<&String> = seats
        .iter()
        .flat_map(|seat| std::iter::repeat_n(&seat.worker_id, usize::try_from(seat.max_tasks).unwrap_or_default()))
        .collect();
    let request = ClaimRequest {
        max_tasks: i64::try_from(workers.len()).unwrap_or(i64::MAX),
        request_id: None,
        ..request.clone()
    };
    let mut connection = engine.pools.claims().await?;
    take(engine, &mut connection, &request, workers).await
}

pub(super) async fn claimable_types(
    engine: &PostgresEngine,
    types: &[(TenantId, String)],
) -> StoreResult<Vec<(TenantId, String)>> {
    let (tenants, names): (Vec<&str>, Vec<&str>) =
        types.iter().map(|(tenant_id, name)| (tenant_id.as_str(), name.as_str())).unzip();
    let mut connection = engine.pools.claims().await?;
    let found: Vec<(String, String)> = Sql(include_str!("sql/claimable_types.sql"))
        .bind::<Array<Text>, _>(tenants)
        .bind::<Array<Text>, _>(names)
        .reading::<(Text, Text)>()
        .load(&mut connection)
        .await
        .map_err(errors::failed)?;
    Ok(found.into_iter().map(|(tenant_id, name)| (TenantId::from_stored(tenant_id), name)).collect())
}

/// The live claims that a worker made under this name.
async fn held(
    connection: &mut AsyncPgConnection,
    tenant_id: &TenantId,
    worker_id: &str,
    request_id: &str,
) -> StoreResult<Vec<Task>> {
    let rows: Vec<(TaskRow, StateRow)> = live_tasks()
        .filter(task_states::tenant_id.eq(tenant_id.as_str()))
        .filter(task_states::worker_id.eq(worker_id))
        .filter(task_states::claim_request.eq(request_id))
        .filter(task_states::lease_expires_at.gt(clock_timestamp().nullable()))
        .order((task_states::priority, task_states::turn, task_states::id))
        .select((user_tasks::all_columns, task_states::all_columns))
        .load(connection)
        .await
        .map_err(errors::failed)?;
    rows.into_iter().map(|(task, state)| task_of(task, state, None)).collect()
}

/// Looks until it has what is wanted or nothing more is there. `workers` get the tasks in this order,
/// the last of them all that follow.
async fn take(
    engine: &PostgresEngine,
    connection: &mut AsyncPgConnection,
    request: &ClaimRequest,
    mut workers: Vec<&String>,
) -> StoreResult<Vec<Task>> {
    let mut tasks: Vec<Taken> = Vec::new();
    let mut spare = SPARE;
    let mut sweep = false;
    for _ in 0..LOOKS {
        let wanted = request.max_tasks - i64::try_from(tasks.len()).unwrap_or(i64::MAX);
        let bounds = engine.watermark.bounds(request, sweep);
        let (candidates, claimed) = match look(connection, request, &bounds, &workers, (wanted, wanted + spare)).await {
            Ok(found) => found,
            // What earlier looks have committed must reach the worker; it would wait for the lease
            // to run out. Under a request id nothing is committed yet.
            Err(_) if !tasks.is_empty() && request.request_id.is_none() => break,
            Err(error) => return Err(error),
        };
        engine.watermark.claimed(request, &bounds, &claimed);
        engine.fair_share.claimed(request, claimed.iter().map(|taken| (taken.turn, &taken.task)));
        let got = i64::try_from(claimed.len()).unwrap_or(i64::MAX);
        workers.drain(..claimed.len().min(workers.len() - 1));
        tasks.extend(claimed);
        if got >= wanted || (!bounds.bounded && candidates <= got) {
            break;
        }
        // Too little above the marks: look below them. Then: others were faster, look further.
        if !bounds.bounded || candidates > got {
            spare *= 4;
        }
        sweep = true;
    }
    tasks.sort_by_key(|taken| (taken.task.priority, taken.turn, taken.task.id));
    Ok(tasks.into_iter().map(|taken| taken.task).collect())
}

fn statement(request: &ClaimRequest) -> &'static str {
    let one_type = request.task_types.len() == 1;
    match (request.origin, request.handler, &request.tenant_id) {
        (None, Handler::Builtin, _) if one_type => BUILTIN_LANE,
        (None, Handler::Worker, Some(_)) if one_type => WORKER_LANE,
        (Some(Origin::TaskService), Handler::Builtin, _) if request.task_types == [CONVERSATION] => CONVERSATIONS,
        (None | Some(Origin::TaskService), Handler::Builtin, _) => BUILTIN,
        (None | Some(Origin::TaskService), Handler::Worker, Some(_)) => WORKER,
        (Some(_), Handler::Builtin, _) => BUILTIN_ORIGIN,
        (Some(_), Handler::Worker, Some(_)) => WORKER_ORIGIN,
        (_, Handler::Worker, None) => WORKER_ANY,
    }
}

/// One look: how many candidates it saw, and those it got.
async fn look(
    connection: &mut AsyncPgConnection,
    request: &ClaimRequest,
    bounds: &Bounds,
    workers: &[&String],
    (wanted, candidates): (i64, i64),
) -> StoreResult<(i64, Vec<Taken>)> {
    let rows: Vec<ClaimedRow> = Sql(statement(request))
        .bind::<Array<Text>, _>(&bounds.types)
        .bind::<Array<SmallInt>, _>(&bounds.priorities)
        .bind::<Array<BigInt>, _>(&bounds.turns)
        .bind::<BigInt, _>(wanted)
        .bind::<BigInt, _>(candidates)
        .bind::<Array<Text>, _>(workers)
        .bind::<BigInt, _>(request.lease_seconds)
        .bind::<Nullable<Text>, _>(request.tenant_id.as_ref().map(|id| id.as_str()))
        .bind::<Nullable<Text>, _>(request.request_id.as_deref())
        .bind::<Nullable<Text>, _>(request.origin.map(Origin::as_str))
        .reading::<ClaimedSql>()
        .load(connection)
        .await
        .map_err(errors::failed)?;
    let seen = rows.as_slice().first().map_or(0, |(candidates, ..)| *candidates);
    Ok((seen, taken(rows)?))
}

fn taken(rows: Vec<ClaimedRow>) -> StoreResult<Vec<Taken>> {
    let claimed = rows.into_iter().filter_map(|(_, task, state)| task.zip(state));
    claimed.map(|(task, state)| Ok(Taken { turn: state.turn, task: task_of(task, state, None)? })).collect()
}

pub(super) async fn claim_task(engine: &PostgresEngine, request: &ClaimTaskRequest) -> StoreResult<ClaimedTask> {
    let mut connection = engine.pools.claims().await?;
    let rows: Vec<ClaimedRow> = Sql(TASK)
        .bind::<Text, _>(request.task_id.as_str())
        .bind::<Text, _>(request.handler.as_str())
        .bind::<Nullable<Text>, _>(request.origin.map(Origin::as_str))
        .bind::<BigInt, _>(1)
        .bind::<BigInt, _>(1)
        .bind::<Array<Text>, _>(vec![&request.worker_id])
        .bind::<BigInt, _>(request.lease_seconds)
        .bind::<Text, _>(request.tenant_id.as_str())
        .bind::<Nullable<Text>, _>(request.request_id.as_deref())
        .reading::<ClaimedSql>()
        .load(&mut connection)
        .await
        .map_err(errors::failed)?;
    if let Some(taken) = taken(rows)?.pop() {
        return Ok(ClaimedTask::Claimed(Box::new(taken.task)));
    }
    if let Some(request_id) = &request.request_id {
        let held = held(&mut connection, &request.tenant_id, &request.worker_id, request_id).await?;
        if let Some(task) = held.into_iter().find(|task| task.task_id == request.task_id) {
            return Ok(ClaimedTask::Claimed(Box::new(task)));
        }
    }
    drop(connection);
    let found = engine.find(&request.tenant_id, &request.task_id).await?;
    Ok(request.refused(found.map(|loaded| loaded.task)))
}

/// Turns of an owner: handler, tenant, type, priority, owner, first and last.
type LineRow = (Word<Handler>, String, String, i16, String, i64, i64);

pub(super) async fn learn_turns(engine: &PostgresEngine) -> StoreResult<()> {
    let mut connection = engine.pools.main().await?;
    let rows: Vec<LineRow> = Sql(include_str!("sql/lines.sql"))
        .reading::<(Text, Text, Text, SmallInt, Text, BigInt, BigInt)>()
        .load(&mut connection)
        .await
        .map_err(errors::failed)?;
    engine.fair_share.learn(rows.iter().map(|(handler, tenant_id, task_type, priority, owner, first, last)| {
        let queued = Queued {
            handler: handler.0,
            tenant_id,
            task_type,
            priority: *priority,
            owner,
            run_at: *first,
            weight: None,
        };
        Line { queued, first: *first, last: *last }
    }));
    Ok(())
}
