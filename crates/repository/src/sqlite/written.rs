//! The statements that every change is written by, made once: their columns stand here, and neither text nor
//! plan is made anew.
//!
//! diesel's own INSERT and UPDATE write their text for every row in order to look it up, and go over all
//! of it twice more, which costs more than what SQLite does then.

use diesel::connection::Connection;
use diesel::prelude::*;
use diesel::query_builder::{AstPass, QueryFragment, QueryId};
use diesel::sql_types::{BigInt, Bool, Double, Integer, Nullable, SmallInt, Text};
use diesel::sqlite::Sqlite;

use crate::rows::{ExecutionRow, HistoryRow, StateRow, TaskRow};

/// A statement of this name: text, and values of a row by the names of its fields.
macro_rules! statement {
    ($(#[$doc:meta])* $name:ident($row:ty) = $begin:literal [$first:ident: $first_type:ty $(, $column:ident: $sql_type:ty)* $(,)?] $end:literal) => {
        $(#[$doc])*
        pub(super) struct $name<'a>(pub(super) &'a $row);

        impl QueryFragment<Sqlite> for $name<'_> {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
                out.push_sql(concat!($begin, " (", stringify!($first) $(, ", ", stringify!($column))*, ")", $end));
                out.push_bind_param::<$first_type, _>(&self.0.$first)?;
                $(
                    out.push_sql(", ");
                    out.push_bind_param::<$sql_type, _>(&self.0.$column)?;
                )*
                out.push_sql(")");
                Ok(())
            }
        }

        impl QueryId for $name<'_> {
            type QueryId = $name<'static>;
            const HAS_STATIC_QUERY_ID: bool = true;
        }

        impl<C: Connection> RunQueryDsl<C> for $name<'_> {}
    };
}

statement! {
    /// A new task, unless its name is taken; SQLite gives it its `id`.
    InsertTask(TaskRow) = "INSERT OR IGNORE INTO user_tasks" [
        tenant_id: Text, task_id: Text, user_id: Nullable<Text>, origin: Text, handler: Text, task_type: Text,
        name: Text, description: Nullable<Text>, config: Text, metadata: Nullable<Text>, tags: Text, labels: Text,
        attributes: Text, priority: SmallInt, schedule: Nullable<Text>, due_date: Nullable<BigInt>,
        reminder_time: Nullable<BigInt>, reminded_at: Nullable<BigInt>, timeout_seconds: Nullable<BigInt>,
        depends_on: Text, retry: Text, original_task_id: Nullable<Text>, retry_count: Integer,
        credits_per_run: Double, version: BigInt, created_at: BigInt, deleted_at: Nullable<BigInt>,
        on_dependency_failure: Text, concurrency_key: Nullable<Text>, max_concurrent: Nullable<Integer>,
        key_id: Nullable<Text>,
    ] " VALUES ("
}

statement! {
    InsertState(StateRow) = "INSERT INTO task_states" [
        tenant_id: Text, id: BigInt, user_id: Nullable<Text>, handler: Text, task_type: Text, priority: SmallInt,
        status: Text, return_to: Nullable<Text>, claimable: Bool, is_active: Bool, turn: BigInt, event_seq: BigInt,
        progress_seq: BigInt, next_run_time: Nullable<BigInt>, schedule_runs: BigInt, total_credits: Double,
        run_count: BigInt, success_count: BigInt, failure_count: BigInt, last_run_time: Nullable<BigInt>,
        last_success_time: Nullable<BigInt>, last_error: Nullable<Text>, last_result_execution: Nullable<BigInt>,
        completed_at: Nullable<BigInt>, updated_at: BigInt, execution_no: Nullable<BigInt>,
        execution_id: Nullable<Text>, run_id: Nullable<Text>, attempt: Nullable<Integer>,
        failures: Nullable<Integer>, lost_leases: Nullable<Integer>, trigger_type: Nullable<Text>,
        trigger_data: Nullable<Text>, worker_id: Nullable<Text>, lease_token: Nullable<Text>,
        lease_expires_at: Nullable<BigInt>, lease_seconds: Nullable<BigInt>, run_at: Nullable<BigInt>,
        queued_at: Nullable<BigInt>, started_at: Nullable<BigInt>, timeout_at: Nullable<BigInt>,
        attempt_created_at: Nullable<BigInt>, origin: Text, claim_request: Nullable<Text>, key_id: Nullable<Text>,
        concurrency_key: Nullable<Text>, max_concurrent: Nullable<Integer>, limited: Bool, parked: Bool,
    ] " VALUES ("
}

statement! {
    InsertExecution(ExecutionRow) = "INSERT INTO task_executions" [
        tenant_id: Text, task_id: BigInt, id: BigInt, execution_id: Text, run_id: Text, attempt: Integer,
        failures: Integer, lost_leases: Integer, user_id: Nullable<Text>, status: Text, trigger_type: Text,
        trigger_data: Nullable<Text>, worker_id: Nullable<Text>, lease_token: Nullable<Text>,
        lease_expires_at: Nullable<BigInt>, result: Nullable<Text>, error_message: Nullable<Text>,
        error_details: Nullable<Text>, credits_consumed: Double, tokens_used: BigInt, api_calls_made: BigInt,
        duration_ms: Nullable<BigInt>, run_at: BigInt, queued_at: BigInt, started_at: Nullable<BigInt>,
        completed_at: Nullable<BigInt>, timeout_at: Nullable<BigInt>, created_at: BigInt,
    ] " VALUES ("
}

statement! {
    InsertHistory(HistoryRow) = "INSERT INTO task_history" [
        tenant_id: Text, task_id: BigInt, action: Text, actor: Text, from_status: Nullable<Text>, to_status: Text,
        reason: Nullable<Text>, execution_id: Nullable<Text>, occurred_at: BigInt, ended: Nullable<Text>,
        progress_seq: BigInt,
    ] " VALUES ("
}

/// A statement of this name that writes columns of the row of `task_states` that has its key.
macro_rules! state_update {
    ($(#[$doc:meta])* $name:ident [$first:ident: $first_type:ty $(, $column:ident: $sql_type:ty)* $(,)?]) => {
        $(#[$doc])*
        pub(super) struct $name<'a>(pub(super) &'a StateRow);

        impl QueryFragment<Sqlite> for $name<'_> {
            fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
                out.push_sql(concat!("UPDATE task_states SET ", stringify!($first), " = "));
                out.push_bind_param::<$first_type, _>(&self.0.$first)?;
                $(
                    out.push_sql(concat!(", ", stringify!($column), " = "));
                    out.push_bind_param::<$sql_type, _>(&self.0.$column)?;
                )*
                out.push_sql(" WHERE tenant_id = ");
                out.push_bind_param::<Text, _>(&self.0.tenant_id)?;
                out.push_sql(" AND id = ");
                out.push_bind_param::<BigInt, _>(&self.0.id)
            }
        }

        impl QueryId for $name<'_> {
            type QueryId = $name<'static>;
            const HAS_STATIC_QUERY_ID: bool = true;
        }

        impl<C: Connection> RunQueryDsl<C> for $name<'_> {}

        impl $name<'_> {
            /// `row` with the values of `state` in the columns that this writes.
            pub(super) fn over(row: StateRow, state: &StateRow) -> StateRow {
                StateRow { $first: state.$first.clone(), $($column: state.$column.clone(),)* ..row }
            }
        }
    };
}

state_update! {
    /// What a claim changes, little of which is in an index.
    UpdateLease [
        status: Text, return_to: Nullable<Text>, claimable: Bool, parked: Bool, event_seq: BigInt,
        updated_at: BigInt, attempt: Nullable<Integer>, worker_id: Nullable<Text>, lease_token: Nullable<Text>,
        lease_expires_at: Nullable<BigInt>, lease_seconds: Nullable<BigInt>, started_at: Nullable<BigInt>,
        claim_request: Nullable<Text>,
    ]
}

state_update! {
    /// Everything but what only an edit of the task changes.
    UpdateRun [
        status: Text, return_to: Nullable<Text>, claimable: Bool, is_active: Bool, turn: BigInt, event_seq: BigInt,
        progress_seq: BigInt, next_run_time: Nullable<BigInt>, schedule_runs: BigInt, total_credits: Double,
        run_count: BigInt, success_count: BigInt, failure_count: BigInt, last_run_time: Nullable<BigInt>,
        last_success_time: Nullable<BigInt>, last_error: Nullable<Text>, last_result_execution: Nullable<BigInt>,
        completed_at: Nullable<BigInt>, updated_at: BigInt, execution_no: Nullable<BigInt>,
        execution_id: Nullable<Text>, run_id: Nullable<Text>, attempt: Nullable<Integer>,
        failures: Nullable<Integer>, lost_leases: Nullable<Integer>, trigger_type: Nullable<Text>,
        trigger_data: Nullable<Text>, worker_id: Nullable<Text>, lease_token: Nullable<Text>,
        lease_expires_at: Nullable<BigInt>, lease_seconds: Nullable<BigInt>, run_at: Nullable<BigInt>,
        queued_at: Nullable<BigInt>, started_at: Nullable<BigInt>, timeout_at: Nullable<BigInt>,
        attempt_created_at: Nullable<BigInt>, claim_request: Nullable<Text>, parked: Bool,
    ]
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;
    use std::sync::{Arc, Mutex};

    use chrono::DateTime;
    use diesel::connection::InstrumentationEvent;
    use task_domain::decide::{self, Moment, NewTask, Report};
    use task_domain::{
        Actor, Handler, JsonObject, OnDependencyFailure, Origin, Priority, RetryPolicy, TenantId, UserId,
    };
    use task_protocols::{ClaimRequest, Clock, ExecutionStore, TaskStore};
    use task_testkit::sqlite::temp_database;

    use super::super::{SqliteConfig, SqliteEngine};
    use super::*;
    use crate::ids::RandomIds;

    struct Still;

    impl Clock for Still {
        fn now(&self) -> DateTime<chrono::Utc> {
            DateTime::UNIX_EPOCH
        }
    }

    fn queued() -> NewTask {
        NewTask {
            tenant_id: TenantId::default_tenant(),
            task_id: None,
            user_id: Some(UserId::new("ann").unwrap()),
            key_id: None,
            origin: Origin::TaskService,
            handler: Handler::Worker,
            name: "water the plants".into(),
            description: None,
            task_type: "garden".into(),
            config: JsonObject::new(),
            metadata: None,
            tags: Vec::new(),
            labels: BTreeMap::new(),
            attributes: JsonObject::new(),
            priority: Priority::default(),
            schedule: None,
            due_date: None,
            reminder_time: None,
            timeout_seconds: None,
            depends_on: Vec::new(),
            blocked: false,
            on_dependency_failure: OnDependencyFailure::Fail,
            concurrency_key: None,
            max_concurrent: None,
            retry: RetryPolicy::default(),
            credits_per_run: 0.0,
            run_immediately: true,
        }
    }

    /// Creates a task, claims and completes it.
    async fn life(engine: &SqliteEngine) {
        let moment = Moment { now: engine.now(), actor: Actor::Worker("w".into()), ids: &RandomIds };
        engine.save(&decide::create(queued(), &moment).unwrap()).await.unwrap();
        let request = ClaimRequest {
            tenant_id: Some(TenantId::default_tenant()),
            handler: Handler::Worker,
            task_types: vec!["garden".into()],
            worker_id: "w".into(),
            max_tasks: 1,
            lease_seconds: 60,
            origin: None,
            request_id: Some("once".into()),
        };
        let task = engine.claim(&request).await.unwrap().remove(0);
        let token = task.current.as_ref().and_then(|execution| execution.lease).unwrap().token;
        engine.save(&decide::complete(&task, token, Report::default(), &moment).unwrap()).await.unwrap();
    }

    /// A value in LIMIT is looked at by the planner, so that SQLite plans the statement anew each time.
    #[tokio::test]
    async fn what_a_task_is_moved_by_is_prepared_once() {
        let database = temp_database();
        let engine = SqliteEngine::open(&database.path(), Arc::new(Still), SqliteConfig::default()).unwrap();
        engine.migrate().await.unwrap();
        life(&engine).await;
        let prepared: Arc<Mutex<Vec<String>>> = Arc::default();
        let run: Arc<Mutex<Vec<String>>> = Arc::default();
        let (seen_prepared, seen_run) = (Arc::clone(&prepared), Arc::clone(&run));
        let watched = engine.writer.exclusive(move |conn| {
            let (prepared, run) = (Arc::clone(&seen_prepared), Arc::clone(&seen_run));
            conn.set_instrumentation(move |event: InstrumentationEvent<'_>| match event {
                InstrumentationEvent::CacheQuery { sql, .. } => prepared.lock().unwrap().push(sql.to_owned()),
                InstrumentationEvent::StartQuery { query, .. } => run.lock().unwrap().push(query.to_string()),
                _ => {}
            });
            Ok(())
        });
        watched.await.unwrap();
        life(&engine).await;
        assert_eq!(*prepared.lock().unwrap(), Vec::<String>::new());
        let run = run.lock().unwrap();
        assert!(run.len() > 15, "{run:?}");
        let planned = run.iter().find(|text| text.to_uppercase().contains("LIMIT ?") && !text.contains("?2 + 0"));
        assert!(planned.is_none(), "{planned:?}");
    }
}
