//! Claims.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use task_domain::decide::{self, Claimer, Moment};
use task_domain::{Actor, Handler, Origin, Task, TenantId};
use task_protocols::{ClaimRequest, ClaimTaskRequest, ClaimedTask, SaveOutcome, Seat};

use super::schema::task_states;
use super::{damaged, save, tasks};
use crate::columns::{Stamp, Word};
use crate::ids::RandomIds;

/// Who claims, and under which name.
struct By<'a> {
    tenant_id: Option<&'a str>,
    worker_id: &'a str,
    lease_seconds: i64,
    request_id: Option<&'a str>,
}

/// Leases up to `max_tasks` executions. There is one writer, so no other claimer is about.
pub(super) fn claim(conn: &mut SqliteConnection, request: &ClaimRequest, now: DateTime<Utc>) -> QueryResult<Vec<Task>> {
    let by = By {
        tenant_id: request.tenant_id.as_ref().map(|id| id.as_str()),
        worker_id: &request.worker_id,
        lease_seconds: request.lease_seconds,
        request_id: request.request_id.as_deref(),
    };
    let mut held = held(conn, &by, now)?;
    if !held.is_empty() {
        held.truncate(usize::try_from(request.max_tasks).unwrap_or(usize::MAX));
        return Ok(held);
    }
    let mut claimed = Vec::new();
    for (tenant_id, id) in candidates(conn, request)? {
        claimed.extend(lease(conn, &tenant_id, id, &by, now)?);
    }
    Ok(claimed)
}

/// The same for several workers, the first tasks to the first of them.
pub(super) fn claim_seats(
    conn: &mut SqliteConnection,
    request: &ClaimRequest,
    seats: &[Seat],
    now: DateTime<Utc>,
) -> QueryResult<Vec<Task>> {
    let max_tasks = seats.iter().map(|seat| seat.max_tasks).sum();
    let mut candidates = candidates(conn, &ClaimRequest { max_tasks, ..request.clone() })?.into_iter();
    let mut claimed = Vec::new();
    for seat in seats {
        let by = By {
            tenant_id: request.tenant_id.as_ref().map(|id| id.as_str()),
            worker_id: &seat.worker_id,
            lease_seconds: request.lease_seconds,
            request_id: None,
        };
        for (tenant_id, id) in candidates.by_ref().take(usize::try_from(seat.max_tasks).unwrap_or_default()) {
            claimed.extend(lease(conn, &tenant_id, id, &by, now)?);
        }
    }
    Ok(claimed)
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

/// What a claim takes, in this order.
fn candidates(conn: &mut SqliteConnection, request: &ClaimRequest) -> QueryResult<Vec<(String, i64)>> {
    let mut candidates = task_states::table
        .filter(task_states::claimable.and(task_states::handler.eq(Word(request.handler))))
        .order((task_states::priority, task_states::turn, task_states::id))
        .limit(request.max_tasks)
        .select((task_states::tenant_id, task_states::id))
        .into_boxed();
    if let Some(origin) = request.origin {
        candidates = candidates.filter(task_states::origin.eq(Word(origin)));
        if origin != Origin::TaskService {
            // What the index on origins is limited to.
            candidates = candidates.filter(task_states::origin.ne(Word(Origin::TaskService)));
        }
    }
    let every_type = request.task_types.is_empty() && request.origin.is_some() && request.handler == Handler::Builtin;
    if !every_type {
        candidates = candidates.filter(task_states::task_type.eq_any(&request.task_types));
    }
    if let Some(tenant_id) = &request.tenant_id {
        candidates = candidates.filter(task_states::tenant_id.eq(tenant_id.as_str()));
    }
    candidates.load(conn)
}

pub(super) fn claim_task(
    conn: &mut SqliteConnection,
    request: &ClaimTaskRequest,
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
    let mine: (i64, Word<Origin>) = match mine.select((task_states::id, task_states::origin)).first(conn).optional()? {
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
    let leased = if wanted { lease(conn, tenant_id, id, &by, now)? } else { None };
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
    now: DateTime<Utc>,
) -> QueryResult<Option<Task>> {
    let Some(task) = tasks::by_id(conn, tenant_id, id)? else { return Ok(None) };
    let claimer = Claimer { worker_id: by.worker_id.to_owned(), lease_seconds: by.lease_seconds };
    let moment = Moment { now, actor: Actor::Worker(by.worker_id.to_owned()), ids: &RandomIds };
    let Ok(change) = decide::claim(&task, &claimer, &moment) else { return Ok(None) };
    match save::save(conn, &change, now)? {
        SaveOutcome::Saved { .. } => {}
        outcome => return Err(damaged(format!("claim of task {id}: {outcome:?}"))),
    }
    if by.request_id.is_some() {
        let row = task_states::table.filter(task_states::tenant_id.eq(tenant_id).and(task_states::id.eq(id)));
        diesel::update(row).set(task_states::claim_request.eq(by.request_id)).execute(conn)?;
    }
    Ok(Some(change.task))
}
