//! Sweeps search by an index: one that scanned a table would hold up every change, for there is one
//! writer.

use std::sync::{Arc, Mutex};

use chrono::DateTime;
use diesel::connection::{InstrumentationEvent, SimpleConnection};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Text;
use diesel_migrations::MigrationHarness;

use super::{MIGRATIONS, limits, outbox, retention};
use crate::columns::Stamp;

#[derive(QueryableByName)]
struct Step {
    #[diesel(sql_type = Text)]
    detail: String,
}

/// A task with all its records, and what stands beside, all of it long ago. Two of what goes by its
/// own age, so that one is left to go with the task.
const ROWS: &str = "
    INSERT INTO user_tasks (tenant_id, id, task_id, origin, handler, task_type, name, config, tags, labels, attributes, priority,
        depends_on, retry, retry_count, credits_per_run, version, created_at, deleted_at)
    VALUES ('t', 7, 'seven', 'task_service', 'worker', 'x', 'n', '{}', '[]', '{}', '{}', 5, '[]', '{}', 0, 0, 1, 1, 1);
    INSERT INTO task_states (tenant_id, id, handler, task_type, priority, status, claimable, is_active, turn, event_seq, progress_seq,
        schedule_runs, total_credits, run_count, success_count, failure_count, completed_at, updated_at)
    VALUES ('t', 7, 'worker', 'x', 5, 'completed', false, false, 1, 1, 1, 0, 0, 0, 0, 0, 1, 1);
    INSERT INTO task_executions (tenant_id, task_id, id, execution_id, run_id, attempt, failures, lost_leases, status, trigger_type,
        credits_consumed, tokens_used, api_calls_made, run_at, queued_at, completed_at, created_at)
    VALUES ('t', 7, 1, 'e', 'r', 1, 0, 0, 'completed', 'manual', 0, 0, 0, 1, 1, 1, 1),
        ('t', 7, 2, 'f', 'r', 2, 0, 0, 'completed', 'manual', 0, 0, 0, 2, 2, 2, 2);
    INSERT INTO task_history (tenant_id, task_id, action, actor, to_status, occurred_at)
    VALUES ('t', 7, 'create', 'a', 'pending', 1), ('t', 7, 'cancel', 'a', 'cancelled', 2);
    INSERT INTO task_conversations (tenant_id, task_id, content, status, created_at, updated_at) VALUES ('t', 7, 'c', 's', 1, 1);
    INSERT INTO inbox_events (event_id, subject, received_at) VALUES ('e', 's', 1);
    INSERT INTO task_progress (tenant_id, task_id, seq_id, execution_id, data, occurred_at) VALUES ('t', 7, 1, 'e', '{}', 1);
    INSERT INTO idempotency_keys (tenant_id, caller, key, fingerprint, task_id, created_at) VALUES ('t', 'c', 'k', 'f', 'x', 1);
    INSERT INTO outbox_events (tenant_id, event_id, event_type, task_id, origin, seq, payload, occurred_at, published_at, position)
    VALUES ('t', 'e', 'task.created', 'seven', 'task_service', 1, '{}', 1, 1, 1);";

fn plan(conn: &mut SqliteConnection, statement: &str) -> Vec<Step> {
    sql_query(["EXPLAIN QUERY PLAN ", statement].concat()).load(conn).unwrap()
}

#[test]
fn every_statement_of_a_sweep_is_a_search() {
    let mut conn = SqliteConnection::establish(":memory:").unwrap();
    conn.run_pending_migrations(MIGRATIONS).unwrap();
    conn.batch_execute(ROWS).unwrap();
    let statements: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&statements);
    conn.set_instrumentation(move |event: InstrumentationEvent<'_>| {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            let statement = query.to_string();
            seen.lock().unwrap().push(statement.split(" -- binds").next().unwrap_or_default().to_owned());
        }
    });
    let before = Stamp(DateTime::from_timestamp_micros(1_000_000).unwrap());
    let conn = &mut conn;
    limits::manual_runs(conn, "t", "u", 7, before.0).unwrap();
    outbox::published_before(conn, before).unwrap();
    assert_eq!(outbox::purge(conn, before, 10).unwrap(), 1);
    assert_eq!(retention::idempotency_keys(conn, before, 10).unwrap(), 1);
    assert_eq!(retention::inbox_ids(conn, before, 10).unwrap(), 1);
    assert_eq!(retention::history(conn, before, 1).unwrap(), 1);
    assert!(retention::executions(conn, before, None, 1).unwrap().is_some());
    assert!(retention::terminal(conn, before, None, 10).unwrap().is_some());
    let (execution, entry, said, task) = (1, 1, 1, 1);
    assert_eq!(retention::deleted_tasks(conn, before, 10).unwrap(), execution + entry + said + task);
    conn.set_instrumentation(|_: InstrumentationEvent<'_>| {});

    let statements = statements.lock().unwrap();
    assert!(statements.len() > 15, "{statements:?}");
    for statement in statements.iter() {
        let plan = plan(conn, statement);
        let scan = plan.iter().find(|step| step.detail.starts_with("SCAN"));
        assert!(scan.is_none(), "{}: {statement}", scan.map_or("", |step| &step.detail));
    }
    // In the order of the positions: no look at the oldest or the newest sorts what is kept.
    let outbox = statements.iter().filter(|statement| statement.contains("outbox_events"));
    for statement in outbox {
        let plan = plan(conn, statement);
        assert!(plan.iter().all(|step| step.detail.contains("outbox_events_position")), "{statement}");
    }
}
