//! What a claim takes next: per type a walk in the order of an index that stops at the number wanted,
//! then merged. However long the backlog is, a claim reads no more of it than it may take.

use std::collections::BTreeSet;

use diesel::prelude::*;
use diesel::query_builder::{Query, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Nullable, SmallInt, Text};
use diesel::sqlite::Sqlite;
use task_domain::types::CONVERSATION;
use task_domain::{Handler, Origin};
use task_protocols::ClaimRequest;

use crate::statement::{Sql, Statement};

const BUILTIN: &str = include_str!("sql/candidates_builtin.sql");
const WORKER: &str = include_str!("sql/candidates_worker.sql");
const WORKER_ANY: &str = include_str!("sql/candidates_worker_any.sql");
const CONVERSATIONS: &str = include_str!("sql/candidates_conversation.sql");
const BUILTIN_ORIGIN: &str = include_str!("sql/candidates_builtin_origin.sql");
const WORKER_ORIGIN: &str = include_str!("sql/candidates_worker_origin.sql");

/// A claimable row.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Candidate {
    pub(super) tenant_id: String,
    pub(super) id: i64,
    pub(super) priority: i16,
    pub(super) turn: i64,
}

/// Columns of a [`Candidate`].
type Columns = (Text, BigInt, SmallInt, BigInt);

/// Up to `limit` rows that `request` may take, in the order of claims.
pub(super) fn first(conn: &mut SqliteConnection, request: &ClaimRequest, limit: i64) -> QueryResult<Vec<Candidate>> {
    let mut candidates = Vec::new();
    for types in walks(request) {
        let rows: Vec<(String, i64, i16, i64)> = walk(request, types, limit).load(conn)?;
        let candidate = |(tenant_id, id, priority, turn)| Candidate { tenant_id, id, priority, turn };
        candidates.extend(rows.into_iter().map(candidate));
    }
    candidates.sort_unstable_by_key(|row| (row.priority, row.turn, row.id));
    candidates.truncate(usize::try_from(limit).unwrap_or_default());
    Ok(candidates)
}

fn walk(
    request: &ClaimRequest,
    types: Option<String>,
    limit: i64,
) -> impl Query<SqlType = Columns> + QueryFragment<Sqlite> + QueryId + RunQueryDsl<SqliteConnection> {
    Sql(statement(request))
        .bind::<Nullable<Text>, _>(types)
        .bind::<BigInt, _>(limit)
        .bind::<Nullable<Text>, _>(request.tenant_id.as_ref().map(|id| id.as_str()))
        .bind::<Nullable<Text>, _>(request.origin.map(Origin::as_str))
        .reading::<Columns>()
}

/// What each walk is told of the types: one of them, or as JSON all that one walk looks for.
fn walks(request: &ClaimRequest) -> Vec<Option<String>> {
    let types: BTreeSet<&String> = request.task_types.iter().collect();
    match statement(request) {
        BUILTIN_ORIGIN if types.is_empty() => vec![None],
        BUILTIN_ORIGIN => vec![Some(serde_json::json!(types).to_string())],
        _ => types.into_iter().cloned().map(Some).collect(),
    }
}

fn statement(request: &ClaimRequest) -> &'static str {
    let drop_in = request.origin.is_some_and(|origin| origin != Origin::TaskService);
    match (request.handler, &request.tenant_id) {
        (Handler::Builtin, _) if drop_in => BUILTIN_ORIGIN,
        (Handler::Builtin, _) if request.origin.is_some() && request.task_types == [CONVERSATION] => CONVERSATIONS,
        (Handler::Builtin, _) => BUILTIN,
        (Handler::Worker, None) => WORKER_ANY,
        (Handler::Worker, Some(_)) if drop_in => WORKER_ORIGIN,
        (Handler::Worker, Some(_)) => WORKER,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use diesel::query_builder::AstPass;
    use diesel::sql_types::Integer;
    use task_domain::TenantId;
    use task_testkit::sqlite::temp_database;

    use super::super::{SqliteConfig, SqliteEngine};
    use super::*;

    struct NoClock;

    impl task_protocols::Clock for NoClock {
        fn now(&self) -> chrono::DateTime<chrono::Utc> {
            chrono::DateTime::UNIX_EPOCH
        }
    }

    /// How SQLite goes about a query.
    struct Explain<Q>(Q);

    impl<Q: QueryFragment<Sqlite>> QueryFragment<Sqlite> for Explain<Q> {
        fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
            out.push_sql("EXPLAIN QUERY PLAN ");
            self.0.walk_ast(out)
        }
    }

    impl<Q> QueryId for Explain<Q> {
        type QueryId = ();
        const HAS_STATIC_QUERY_ID: bool = false;
    }

    impl<Q> Query for Explain<Q> {
        type SqlType = (Integer, Integer, Integer, Text);
    }

    impl<Q> RunQueryDsl<SqliteConnection> for Explain<Q> {}

    fn request(handler: Handler, tenant_id: Option<TenantId>, origin: Option<Origin>) -> ClaimRequest {
        ClaimRequest {
            tenant_id,
            handler,
            task_types: ["todo", "echo", "news", "echo"].map(String::from).into(),
            worker_id: "w".into(),
            max_tasks: 4,
            lease_seconds: 60,
            origin,
            request_id: None,
        }
    }

    /// How SQLite goes about each walk of a claim.
    async fn plans(engine: &SqliteEngine, request: ClaimRequest) -> Vec<String> {
        engine
            .read(move |conn| {
                let mut plans = Vec::new();
                for types in walks(&request) {
                    let steps: Vec<(i32, i32, i32, String)> = Explain(walk(&request, types, 4)).load(conn)?;
                    plans.push(steps.into_iter().map(|(.., detail)| detail).collect::<Vec<_>>().join("; "));
                }
                Ok(plans)
            })
            .await
            .unwrap()
    }

    /// The built-in pool asks for all its types at once: neither that nor any other claim of a tenant
    /// or of our own executors may read or sort a backlog.
    #[tokio::test]
    async fn every_walk_of_a_claim_is_in_the_order_of_its_index() {
        let database = temp_database();
        let engine = SqliteEngine::open(&database.path(), Arc::new(NoClock), SqliteConfig::default()).unwrap();
        engine.migrate().await.unwrap();
        let tenant = || Some(TenantId::default_tenant());
        let conversations = ClaimRequest {
            task_types: vec![CONVERSATION.into()],
            ..request(Handler::Builtin, None, Some(Origin::TaskService))
        };
        for (request, count, plan) in [
            (request(Handler::Builtin, None, None), 3, "task_states_claim_builtin (task_type=?)"),
            (request(Handler::Builtin, tenant(), None), 3, "task_states_claim_builtin (task_type=?)"),
            (request(Handler::Builtin, None, Some(Origin::TaskService)), 3, "task_states_claim_builtin (task_type=?)"),
            (conversations, 1, "task_states_claim_conversation"),
            (request(Handler::Builtin, None, Some(Origin::Seedcore)), 1, "task_states_claim_builtin_origin (origin=?)"),
            (request(Handler::Worker, tenant(), None), 3, "task_states_claim_worker (tenant_id=? AND task_type=?)"),
            (
                request(Handler::Worker, tenant(), Some(Origin::TaskTracker)),
                3,
                "task_states_claim_worker_origin (tenant_id=? AND origin=? AND task_type=?)",
            ),
        ] {
            let plans = plans(&engine, request).await;
            assert_eq!(plans.len(), count, "a walk of each type, once");
            for found in plans {
                assert!(found.contains(plan), "{found}");
                // That index holds nothing but what is asked for.
                let finds = found.starts_with("SEARCH s USING ") || plan == "task_states_claim_conversation";
                assert!(finds && !found.contains("TEMP B-TREE"), "{found}");
            }
        }
    }
}
