//! Claims.

use chrono::{DateTime, Utc};
use diesel::prelude::*;
use task_domain::decide::{self, Claimer, Moment};
use task_domain::{Actor, Task};
use task_protocols::{ClaimRequest, SaveOutcome};

use super::schema::task_states;
use super::{damaged, save, tasks};
use crate::columns::Word;
use crate::ids::RandomIds;

/// Leases up to `max_tasks` executions. There is one writer, so no other claimer is about.
pub(super) fn claim(conn: &mut SqliteConnection, request: &ClaimRequest, now: DateTime<Utc>) -> QueryResult<Vec<Task>> {
    let mut candidates = task_states::table
        .filter(task_states::claimable.and(task_states::handler.eq(Word(request.handler))))
        .filter(task_states::task_type.eq_any(&request.task_types))
        .order((task_states::priority, task_states::turn, task_states::id))
        .limit(request.max_tasks)
        .select((task_states::tenant_id, task_states::id))
        .into_boxed();
    if let Some(tenant_id) = &request.tenant_id {
        candidates = candidates.filter(task_states::tenant_id.eq(tenant_id.as_str()));
    }
    let candidates: Vec<(String, i64)> = candidates.load(conn)?;
    let claimer = Claimer { worker_id: request.worker_id.clone(), lease_seconds: request.lease_seconds };
    let moment = Moment { now, actor: Actor::Worker(request.worker_id.clone()), ids: &RandomIds };
    let mut claimed = Vec::with_capacity(candidates.len());
    for (tenant_id, id) in candidates {
        let Some(task) = tasks::by_id(conn, &tenant_id, id)? else { continue };
        // A clock that was set back makes a claimable row too early; it waits.
        let Ok(change) = decide::claim(&task, &claimer, &moment) else { continue };
        match save::save(conn, &change, now)? {
            SaveOutcome::Saved { .. } => claimed.push(change.task),
            outcome => return Err(damaged(format!("claim of task {id}: {outcome:?}"))),
        }
    }
    Ok(claimed)
}
