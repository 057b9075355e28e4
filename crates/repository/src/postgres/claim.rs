//! Claims: the next queued executions, each to one worker only.

use diesel::sql_types::{Array, BigInt, Nullable, SmallInt, Text};
use diesel_async::{AsyncPgConnection, RunQueryDsl};
use task_domain::{Handler, Task};
use task_protocols::{ClaimRequest, StoreResult};

use super::schema::{task_states, user_tasks};
use super::statement::{Sql, Statement};
use super::tasks::task_of;
use super::watermark::Bounds;
use super::{PostgresEngine, errors};
use crate::rows::{StateRow, TaskRow};

// Of one type the rows are locked in index order; several types are merged before the first lock.
const BUILTIN_LANE: &str = concat!(include_str!("sql/lane_builtin.sql"), include_str!("sql/claim.sql"));
const WORKER_LANE: &str = concat!(include_str!("sql/lane_worker.sql"), include_str!("sql/claim.sql"));
const BUILTIN: &str =
    concat!(include_str!("sql/candidates_builtin.sql"), include_str!("sql/pick.sql"), include_str!("sql/claim.sql"));
const WORKER: &str =
    concat!(include_str!("sql/candidates_worker.sql"), include_str!("sql/pick.sql"), include_str!("sql/claim.sql"));
const WORKER_ANY: &str =
    concat!(include_str!("sql/candidates_worker_any.sql"), include_str!("sql/pick.sql"), include_str!("sql/claim.sql"));

/// Candidates beyond what is wanted, because other claimers hold or take some of them.
const SPARE: i64 = 32;
/// Looks of one claim. Each one that found candidates but got too few looks at more of them.
const LOOKS: u32 = 5;

/// What a look reads: the number of candidates, and a claimed task if any.
type ClaimedRow = (i64, Option<TaskRow>, Option<StateRow>);
type ClaimedSql = (BigInt, Nullable<user_tasks::SqlType>, Nullable<task_states::SqlType>);

pub(super) async fn claim(engine: &PostgresEngine, request: &ClaimRequest) -> StoreResult<Vec<Task>> {
    let mut tasks: Vec<Task> = Vec::new();
    let mut spare = SPARE;
    let mut sweep = false;
    let mut connection = engine.pools.claims().await?;
    for _ in 0..LOOKS {
        let wanted = request.max_tasks - i64::try_from(tasks.len()).unwrap_or(i64::MAX);
        let bounds = engine.watermark.bounds(request, sweep);
        let (candidates, claimed) = match look(&mut connection, request, &bounds, wanted, wanted + spare).await {
            Ok(found) => found,
            // What earlier looks have claimed must reach the worker; it would wait for the lease to run out.
            Err(_) if !tasks.is_empty() => break,
            Err(error) => return Err(error),
        };
        engine.watermark.claimed(request, &bounds, &claimed);
        let got = i64::try_from(claimed.len()).unwrap_or(i64::MAX);
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
    tasks.sort_by_key(|task| (task.priority, task.current.as_ref().map(|execution| execution.run_at), task.id));
    Ok(tasks)
}

/// One look: how many candidates it saw, and those it got.
async fn look(
    connection: &mut AsyncPgConnection,
    request: &ClaimRequest,
    bounds: &Bounds,
    wanted: i64,
    candidates: i64,
) -> StoreResult<(i64, Vec<Task>)> {
    let one_type = request.task_types.len() == 1;
    let statement = match (request.handler, &request.tenant_id) {
        (Handler::Builtin, _) if one_type => BUILTIN_LANE,
        (Handler::Builtin, _) => BUILTIN,
        (Handler::Worker, Some(_)) if one_type => WORKER_LANE,
        (Handler::Worker, Some(_)) => WORKER,
        (Handler::Worker, None) => WORKER_ANY,
    };
    let rows: Vec<ClaimedRow> = Sql(statement)
        .bind::<Array<Text>, _>(&bounds.types)
        .bind::<Array<SmallInt>, _>(&bounds.priorities)
        .bind::<Array<BigInt>, _>(&bounds.turns)
        .bind::<BigInt, _>(wanted)
        .bind::<BigInt, _>(candidates)
        .bind::<Text, _>(&request.worker_id)
        .bind::<BigInt, _>(request.lease_seconds)
        .bind::<Nullable<Text>, _>(request.tenant_id.as_ref().map(|id| id.as_str()))
        .reading::<ClaimedSql>()
        .load(connection)
        .await
        .map_err(errors::failed)?;
    let seen = rows.as_slice().first().map_or(0, |(candidates, ..)| *candidates);
    let claimed = rows.into_iter().filter_map(|(_, task, state)| task.zip(state));
    Ok((seen, claimed.map(|(task, state)| task_of(task, state, None)).collect::<StoreResult<_>>()?))
}
