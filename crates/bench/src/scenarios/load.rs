//! Many tasks at once: rows of one task that the program made, copied by SQL.

use serde_json::json;

use crate::Result;
use crate::http::Connection;
use crate::setup::{Database, client};

use super::{Who, create, work};

/// Copies of `$table` under other ids. The columns are read from the catalogue, so that a new one is
/// copied as well; those that must differ are written over.
const COLUMNS: &str = "SELECT string_agg(quote_ident(column_name), ', ' ORDER BY ordinal_position) \
    FROM information_schema.columns WHERE table_schema = 'task' AND table_name = $1";

/// Columns and what stands in them, of copy `g.n`.
type Over<'a> = &'a [(&'a str, &'a str)];

const TASK: Over = &[("id", "t.id + g.n"), ("task_id", "'copy-' || g.n"), ("name", "'copy ' || g.n")];
const QUEUED: Over = &[
    ("id", "t.id + g.n"),
    ("execution_id", "gen_random_uuid()"),
    ("run_id", "gen_random_uuid()"),
    ("execution_no", "nextval('task.execution_no')"),
    // In the order in which they were made.
    ("turn", "t.turn + g.n"),
];
const FINISHED: Over = &[("id", "t.id + g.n"), ("execution_id", "NULL"), ("last_result_execution", "NULL")];
const ENDED: Over = &[
    ("task_id", "t.task_id + g.n"),
    ("id", "nextval('task.execution_no')"),
    ("execution_id", "gen_random_uuid()"),
    ("run_id", "gen_random_uuid()"),
    ("lease_token", "NULL"),
];

/// Queues `n` tasks besides one that is made over the API.
pub(super) async fn queue(connection: &mut Connection, database: &Database, n: u64) -> Result<()> {
    if database.is_embedded() {
        return make(connection, n).await;
    }
    let id = create(connection, &Who::Key, &work(0)).await?;
    copy(database, &id, n, &[("user_tasks", TASK), ("task_states", QUEUED)]).await
}

/// The same over the API, for a file that only the program may write.
async fn make(connection: &mut Connection, n: u64) -> Result<()> {
    const EACH: u64 = 500;
    for first in (0..n).step_by(EACH as usize) {
        let tasks: Vec<_> = (first..n.min(first + EACH)).map(work).collect();
        connection.post("/api/v1/tasks/batch", &Who::Key, &json!({"tasks": tasks})).await?.expect(&[200])?;
    }
    Ok(())
}

/// Copies the finished task `id` until `rows` rows are behind, in the three tables of a finished task.
pub(super) async fn finished(database: &Database, id: &str, rows: u64) -> Result<()> {
    let tables = [("user_tasks", TASK), ("task_states", FINISHED), ("task_executions", ENDED)];
    copy(database, id, rows / tables.len() as u64, &tables).await
}

async fn copy(database: &Database, task_id: &str, n: u64, tables: &[(&str, Over<'_>)]) -> Result<()> {
    let client = client(&database.url).await?;
    let id: i64 =
        client.query_one("SELECT id FROM task.user_tasks WHERE task_id = $1", &[&task_id]).await?.try_get(0)?;
    for (table, over) in tables {
        let columns: String = client.query_one(COLUMNS, &[table]).await?.try_get(0)?;
        let values: Vec<String> = columns.split(", ").map(|column| value(column, over)).collect();
        let key = if *table == "task_executions" { "task_id" } else { "id" };
        let values = values.join(", ");
        let statement = format!(
            "INSERT INTO task.{table} ({columns}) SELECT {values} FROM task.{table} AS t, generate_series(1, {n}) AS g(n) WHERE t.{key} = {id}"
        );
        client.batch_execute(&statement).await?;
    }
    // New tasks are numbered past the copies.
    client
        .batch_execute(
            "SELECT setval(pg_get_serial_sequence('task.user_tasks', 'id'), (SELECT max(id) FROM task.user_tasks))",
        )
        .await?;
    client.batch_execute("VACUUM (ANALYZE) task.user_tasks, task.task_states, task.task_executions").await?;
    // Its pages are not written while something is measured.
    client.batch_execute("CHECKPOINT").await?;
    Ok(())
}

fn value(column: &str, over: Over<'_>) -> String {
    let written = over.iter().find(|(name, _)| *name == column);
    written.map_or_else(|| format!("t.{column}"), |(_, value)| (*value).to_owned())
}
