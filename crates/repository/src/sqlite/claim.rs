//! Claims.

use chrono::{DateTime, Utc};
use diesel::dsl::{max, min};
use diesel::prelude::*;
use task_domain::decide::{self, Claimer, Moment};
use task_domain::{Actor, Handler, Origin, Task, TenantId};
use task_protocols::{ClaimRequest, ClaimTaskRequest, ClaimedTask, SaveOutcome, Seat};

use super::candidates::{self, Candidate};
use super::schema::task_states;
use super::{SqliteEngine, damaged, save, tasks};
use crate::columns::{Stamp, Word};
use crate::fair_share::{FairShare, Line, Queued};
use crate::ids::RandomIds;

/// Who claims, and under which name.
struct By<'a> {
    tenant_id: Option<&'a str>,
    worker_id: &'a str,
    lease_seconds: i64,
    request_id: Option<&'a str>,
}

/// Leases up to `max_tasks` executions. There is one writer, so no other claimer is about.
pub(super) fn claim(
    conn: &mut SqliteConnection,
    request: &ClaimRequest,
    engine: &SqliteEngine,
    now: DateTime<Utc>,
) -> QueryResult<Vec<Task>> {
    let by = By {
        tenant_id: request.tenant_id.as_ref().map(|id| id.as_str()),
        worker_id: &request.worker_id,
        lease_seconds: request.lease_seconds,
        request_id: request.request_id.as_deref(),
    };
    let mut held = held(conn, &by, now)?;
    held.retain(|task| request.asks_for(task));
    if !held.is_empty() {
        held.truncate(usize::try_from(request.max_tasks).unwrap_or(usize::MAX));
        return Ok(held);
    }
    let mut claimed = Vec::new();
    for Candidate { tenant_id, id, turn, .. } in candidates::first(conn, request, request.max_tasks)? {
        let task = lease(conn, &tenant_id, id, &by, engine, now)?;
        claimed.extend(task.map(|task| (turn, task)));
    }
    Ok(taken(request, claimed, &engine.fair_share))
}

/// The same for several workers, the first tasks to the first of them.
pub(super) fn claim_seats(
    conn: &mut SqliteConnection,
    request: &ClaimRequest,
    seats: &[Seat],
    engine: &SqliteEngine,
    now: DateTime<Utc>,
) -> QueryResult<Vec<Task>> {
    let max_tasks = seats.iter().map(|seat| seat.max_tasks).sum();
    let mut candidates = candidates::first(conn, request, max_tasks)?.into_iter();
    let mut claimed = Vec::new();
    for seat in seats {
        let by = By {
            tenant_id: request.tenant_id.as_ref().map(|id| id.as_str()),
            worker_id: &seat.worker_id,
            lease_seconds: request.lease_seconds,
            request_id: None,
        };
        let share = usize::try_from(seat.max_tasks).unwrap_or_default();
        for Candidate { tenant_id, id, turn, .. } in candidates.by_ref().take(share) {
            let task = lease(conn, &tenant_id, id, &by, engine, now)?;
            claimed.extend(task.map(|task| (turn, task)));
        }
    }
    Ok(taken(request, claimed, &engine.fair_share))
}

/// What was claimed, of which the turns are noted.
fn taken(request: &ClaimRequest, claimed: Vec<(i64, Task)>, fair_share: &FairShare) -> Vec<Task> {
    fair_share.claimed(request, claimed.iter().map(|(turn, task)| (*turn, task)));
    claimed.into_iter().map(|(_, task)| task).collect()
}

/// Which of these types have work for outside workers.
pub(super) fn claimable_types(
    conn: &mut SqliteConnection,
    types: Vec<(TenantId, String)>,
) -> QueryResult<Vec<(TenantId, String)>> {
    let mut found = Vec::new();
    for (tenant_id, name) in types {
        let any = task_states::table
            .filter(task_states::claimable.and(task_states::handler.eq(Word(Handler::Worker))))
            .filter(task_states::tenant_id.eq(tenant_id.as_str()).and(task_states::task_type.eq(&name)));
        if diesel::select(diesel::dsl::exists(any)).get_result(conn)? {
            found.push((tenant_id, name));
        }
    }
    Ok(found)
}

pub(super) fn claim_task(
    conn: &mut SqliteConnection,
    request: &ClaimTaskRequest,
    engine: &SqliteEngine,
    now: DateTime<Utc>,
) -> QueryResult<ClaimedTask> {
    let tenant_id = request.tenant_id.as_str();
    let Some(id) = tasks::live_id(conn, &request.tenant_id, &request.task_id)? else {
        return Ok(ClaimedTask::NotFound);
    };
    let by = By {
        tenant_id: Some(tenant_id),
        worker_id: &request.worker_id,
        lease_seconds: request.lease_seconds,
        request_id: request.request_id.as_deref(),
    };
    let mine = task_states::table
        .filter(task_states::tenant_id.eq(tenant_id).and(task_states::id.eq(id)))
        .filter(task_states::claimable.and(task_states::handler.eq(Word(request.handler))));
    let mine: (i64, Word<Origin>) =
        match mine.select((task_states::id, task_states::origin)).get_result(conn).optional()? {
            Some(mine) => mine,
            None => {
                let held = held(conn, &by, now)?.into_iter().find(|task| task.id == id);
                return match held {
                    Some(task) => Ok(ClaimedTask::Claimed(Box::new(task))),
                    None => Ok(request.refused(tasks::by_id(conn, tenant_id, id)?)),
                };
            }
        };
    let wanted = request.origin.is_none_or(|origin| origin == mine.1.0);
    let leased = if wanted { lease(conn, tenant_id, id, &by, engine, now)? } else { None };
    match leased {
        Some(task) => Ok(ClaimedTask::Claimed(Box::new(task))),
        None => Ok(request.refused(tasks::by_id(conn, tenant_id, id)?)),
    }
}

/// The live claims that a worker made under this name.
fn held(conn: &mut SqliteConnection, by: &By<'_>, now: DateTime<Utc>) -> QueryResult<Vec<Task>> {
    let (Some(tenant_id), Some(request_id)) = (by.tenant_id, by.request_id) else { return Ok(Vec::new()) };
    let ids: Vec<i64> = task_states::table
        .filter(task_states::tenant_id.eq(tenant_id).and(task_states::worker_id.eq(by.worker_id)))
        .filter(task_states::claim_request.eq(request_id).and(task_states::lease_expires_at.gt(Stamp(now))))
        .order((task_states::priority, task_states::turn, task_states::id))
        .select(task_states::id)
        .load(conn)?;
    let mut held = Vec::with_capacity(ids.len());
    for id in ids {
        held.extend(tasks::by_id(conn, tenant_id, id)?);
    }
    Ok(held)
}

/// Leases one claimable row. A clock that was set back makes one too early; it waits.
fn lease(
    conn: &mut SqliteConnection,
    tenant_id: &str,
    id: i64,
    by: &By<'_>,
    engine: &SqliteEngine,
    now: DateTime<Utc>,
) -> QueryResult<Option<Task>> {
    let Some((task, stored)) = tasks::with_state(conn, tenant_id, id)? else { return Ok(None) };
    let claimer = Claimer { worker_id: by.worker_id.to_owned(), lease_seconds: by.lease_seconds };
    let moment = Moment { now, actor: Actor::Worker(by.worker_id.to_owned()), ids: &RandomIds };
    let Ok(change) = decide::claim(&task, &claimer, &moment) else { return Ok(None) };
    // Read in this transaction, so nothing has moved it since.
    match save::over(conn, &change, stored, by.request_id, engine, now)? {
        SaveOutcome::Saved { .. } => Ok(Some(change.task)),
        outcome => Err(damaged(format!("claim of task {id}: {outcome:?}"))),
    }
}

/// The turns of every owner with claimable work, by lane.
pub(super) fn learn_turns(conn: &mut SqliteConnection, fair_share: &FairShare) -> QueryResult<()> {
    type Lane = (Word<Handler>, String, String, i16, Option<String>, Option<String>);
    let lane = (
        task_states::handler,
        task_states::tenant_id,
        task_states::task_type,
        task_states::priority,
        task_states::user_id,
        task_states::key_id,
    );
    let rows: Vec<(Lane, Option<i64>, Option<i64>)> = task_states::table
        .filter(task_states::claimable)
        .group_by(lane)
        .select((lane, min(task_states::turn), max(task_states::turn)))
        .load(conn)?;
    fair_share.learn(rows.iter().filter_map(|(lane, first, last)| {
        let (handler, tenant_id, task_type, priority, user_id, key_id) = lane;
        let owner = user_id.as_deref().or(key_id.as_deref()).unwrap_or_default();
        let (first, last) = ((*first)?, (*last)?);
        let queued = Queued {
            handler: handler.0,
            tenant_id,
            task_type,
            priority: *priority,
            owner,
            run_at: first,
            weight: None,
        };
        Some(Line { queued, first, last })
    }));
    Ok(())
}
