//! Sweeps, loops and lists search by an index: a sweep that scanned a table would hold up every change,
//! for there is one writer.

use std::sync::{Arc, Mutex};

use chrono::DateTime;
use diesel::connection::{InstrumentationEvent, SimpleConnection};
use diesel::prelude::*;
use diesel::sql_query;
use diesel::sql_types::Text;
use diesel_migrations::MigrationHarness;
use task_domain::{Origin, TenantId, UserId};
use task_protocols::{TaskCursor, TaskFilter, TaskSort};

use super::{MIGRATIONS, analytics, dependencies, limits, list, outbox, retention, timed};
use crate::columns::Stamp;
use crate::fair_share::FairShare;

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

fn database() -> SqliteConnection {
    let mut conn = SqliteConnection::establish(":memory:").unwrap();
    conn.run_pending_migrations(MIGRATIONS).unwrap();
    conn.batch_execute(ROWS).unwrap();
    conn
}

/// The statements that `work` sends.
fn statements_of(conn: &mut SqliteConnection, work: impl FnOnce(&mut SqliteConnection)) -> Vec<String> {
    let statements: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&statements);
    conn.set_instrumentation(move |event: InstrumentationEvent<'_>| {
        if let InstrumentationEvent::StartQuery { query, .. } = event {
            let statement = query.to_string();
            seen.lock().unwrap().push(statement.split(" -- binds").next().unwrap_or_default().to_owned());
        }
    });
    work(conn);
    conn.set_instrumentation(|_: InstrumentationEvent<'_>| {});
    std::mem::take(&mut *statements.lock().unwrap())
}

/// The first step of the plan of the only statement that `work` sends. Nothing is sorted after it.
fn search(conn: &mut SqliteConnection, work: impl FnOnce(&mut SqliteConnection)) -> String {
    let statements = statements_of(conn, work);
    assert_eq!(statements.len(), 1, "{statements:?}");
    let steps: Vec<String> = plan(conn, &statements[0]).into_iter().map(|step| step.detail).collect();
    assert!(!steps.iter().any(|step| step.contains("FOR ORDER BY")), "{steps:?}");
    steps.into_iter().next().unwrap_or_default()
}

#[test]
fn what_is_looked_at_every_second_is_found_by_its_own_index() {
    let conn = &mut database();
    let now = Stamp(DateTime::from_timestamp_micros(1_000_000).unwrap());
    let delayed = search(conn, |conn| {
        assert_eq!(timed::release_delayed(conn, &FairShare::default(), now, 10).unwrap(), 0);
    });
    assert!(delayed.starts_with("SEARCH task_states USING INDEX task_states_delayed (run_at<?)"), "{delayed}");
    let due = search(conn, |conn| assert_eq!(timed::due_tasks(conn, now, 10).unwrap(), []));
    assert!(due.starts_with("SEARCH task_states USING INDEX task_states_due (next_run_time<?)"), "{due}");
    let place = Some((TenantId::default_tenant(), 7));
    let blocked = search(conn, |conn| assert!(dependencies::blocked_after(conn, place, 10).unwrap().is_empty()));
    assert!(blocked.contains("task_states_blocked ((tenant_id,id)>(?,?))"), "{blocked}");
}

#[test]
fn a_page_of_a_list_and_a_users_figures_read_no_more_than_they_show() {
    let conn = &mut database();
    let of_tenant = || TaskFilter::of(TenantId::default_tenant());
    let of_user = || TaskFilter { user_id: Some(UserId::new("u").unwrap()), ..of_tenant() };
    let drop_in = || TaskFilter { origin: Some(Origin::Seedcore), ..of_tenant() };
    let after = Some(TaskCursor { id: 9, due_date: None, priority: Default::default() });
    for (filter, index) in [
        (of_tenant(), "sqlite_autoindex_task_states_1 (tenant_id=?)"),
        (TaskFilter { sort: TaskSort::Oldest, ..of_tenant() }, "sqlite_autoindex_task_states_1 (tenant_id=?)"),
        (TaskFilter { after, ..of_tenant() }, "sqlite_autoindex_task_states_1 (tenant_id=? AND id<?)"),
        (of_user(), "user_tasks_by_user (tenant_id=? AND user_id=?)"),
        (TaskFilter { sort: TaskSort::Oldest, ..of_user() }, "user_tasks_by_user (tenant_id=? AND user_id=?)"),
        (drop_in(), "task_states_by_origin (tenant_id=? AND origin=?)"),
    ] {
        let found = search(conn, |conn| assert!(list::list(conn, &filter).unwrap().tasks.is_empty()));
        assert!(found.contains(index), "{found} for {filter:?}");
    }
    let figures = statements_of(conn, |conn| assert!(analytics::tasks(conn, "t", "u").unwrap().is_empty()));
    assert!(plan(conn, &figures[0])[0].detail.contains("user_tasks_by_user (tenant_id=? AND user_id=?)"));
}

#[test]
fn every_statement_of_a_sweep_is_a_search() {
    let mut conn = database();
    let before = Stamp(DateTime::from_timestamp_micros(1_000_000).unwrap());
    let conn = &mut conn;
    let statements = statements_of(conn, |conn| sweep(conn, before));
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
        assert!(plan.iter().any(|step| step.detail.contains("outbox_events_position")), "{statement}");
        assert!(plan.iter().all(|step| !step.detail.contains("TEMP B-TREE")), "{statement}");
    }
}

/// Sweeps all that [`ROWS`] holds.
fn sweep(conn: &mut SqliteConnection, before: Stamp) {
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
}
