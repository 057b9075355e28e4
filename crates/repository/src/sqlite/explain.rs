//! Why a task is not running.

use async_trait::async_trait;
use chrono::Duration;
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::{BigInt, Double, Nullable, SmallInt, Text};
use task_domain::explain::{QueuePlace, TypeActivity};
use task_domain::{Handler, Task};
use task_protocols::{ExplainStore, StoreResult};

use super::SqliteEngine;
use super::schema::task_states;
use crate::columns::{Stamp, Word};
use crate::rows::type_activity;

/// Claimable tasks of type ?1 (and tenant ?6) before (?2, ?3, ?4), at most ?5.
const AHEAD_OF_WORKERS: &str = "SELECT count(*) AS n FROM (SELECT 1 FROM task_states AS s INDEXED BY task_states_claim_worker \
    WHERE s.claimable AND s.handler = 'worker' AND s.tenant_id = ?6 AND s.task_type = ?1 \
    AND (s.priority, s.turn, s.id) < (?2, ?3, ?4) LIMIT ?5)";
const AHEAD_OF_BUILTIN: &str = "SELECT count(*) AS n FROM (SELECT 1 FROM task_states AS s INDEXED BY task_states_claim_builtin \
    WHERE s.claimable AND s.handler = 'builtin' AND s.task_type = ?1 AND ?6 IS NOT NULL \
    AND (s.priority, s.turn, s.id) < (?2, ?3, ?4) LIMIT ?5)";
/// Tasks of key ?2 of tenant ?1 that are let through or leased, at most ?3.
const KEY_USED: &str = "SELECT count(*) AS n FROM (SELECT 1 FROM task_states AS s \
    WHERE s.limited AND s.concurrency_key IS NOT NULL AND (s.claimable OR s.lease_token IS NOT NULL) \
    AND s.tenant_id = ?1 AND s.concurrency_key = ?2 LIMIT ?3)";

#[derive(QueryableByName)]
struct Count {
    #[diesel(sql_type = BigInt)]
    n: i64,
}

#[derive(QueryableByName)]
struct Activity {
    #[diesel(sql_type = BigInt)]
    leased: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    last_started: Option<Stamp>,
    #[diesel(sql_type = BigInt)]
    ended: i64,
    #[diesel(sql_type = BigInt)]
    sampled: i64,
    #[diesel(sql_type = Double)]
    span: f64,
}

#[async_trait]
impl ExplainStore for SqliteEngine {
    async fn queue_place(&self, task: &Task, at_most: i64) -> StoreResult<QueuePlace> {
        let (tenant_id, id) = (task.tenant_id.clone(), task.id);
        self.read(move |conn| place(conn, tenant_id.as_str(), id, at_most)).await
    }

    async fn type_activity(&self, task: &Task) -> StoreResult<TypeActivity> {
        let tenant_id = (task.handler == Handler::Worker).then(|| task.tenant_id.as_str().to_owned());
        let (task_type, handler) = (task.claimed_as().to_owned(), task.handler.as_str());
        let since = self.now() - Duration::minutes(1);
        let seen: Activity = self
            .read(move |conn| {
                sql_query(include_str!("sql/type_activity.sql"))
                    .bind::<Nullable<Text>, _>(tenant_id)
                    .bind::<Text, _>(task_type)
                    .bind::<Text, _>(handler)
                    .bind::<BigInt, _>(Stamp(since))
                    .get_result(conn)
            })
            .await?;
        Ok(type_activity(seen.leased > 0, seen.last_started, seen.ended, seen.sampled, seen.span))
    }
}

fn place(conn: &mut SqliteConnection, tenant_id: &str, id: i64, at_most: i64) -> QueryResult<QueuePlace> {
    type Row = (bool, bool, Word<Handler>, String, i16, i64, Option<String>);
    let row: Option<Row> = task_states::table
        .filter(task_states::tenant_id.eq(tenant_id).and(task_states::id.eq(id)))
        .select((
            task_states::claimable,
            task_states::parked,
            task_states::handler,
            task_states::task_type,
            task_states::priority,
            task_states::turn,
            task_states::concurrency_key,
        ))
        .get_result(conn)
        .optional()?;
    let Some((claimable, parked, handler, task_type, priority, turn, key)) = row else {
        return Ok(QueuePlace::default());
    };
    let mut place = QueuePlace { claimable, parked, ahead: 0, key_used: 0 };
    if claimable {
        let text = match handler.0 {
            Handler::Worker => AHEAD_OF_WORKERS,
            Handler::Builtin => AHEAD_OF_BUILTIN,
        };
        let count: Count = sql_query(text)
            .bind::<Text, _>(task_type)
            .bind::<SmallInt, _>(priority)
            .bind::<BigInt, _>(turn)
            .bind::<BigInt, _>(id)
            .bind::<BigInt, _>(at_most)
            .bind::<Text, _>(tenant_id)
            .get_result(conn)?;
        place.ahead = count.n;
    }
    if let Some(key) = key.filter(|_| parked) {
        let query = sql_query(KEY_USED).bind::<Text, _>(tenant_id).bind::<Text, _>(key).bind::<BigInt, _>(at_most);
        place.key_used = query.get_result::<Count>(conn)?.n;
    }
    Ok(place)
}
