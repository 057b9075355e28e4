//! What is measured: one file for each kind of use, each scenario on a database of its own.

mod drop_ins;
mod large;
mod load;
mod owners;
mod streams;
mod workers;

use std::io::Write;
use std::path::Path;

use serde_json::{Value, json};

use crate::http::{Connection, Who};
use crate::report::{self, Row};
use crate::setup::{Bench, Database, Engine, client};
use crate::{Failure, Result, raw};

/// The type that the bench's own workers claim.
const WORK: &str = "bench_work";

/// Names of the scenarios, in the order in which they run.
pub const NAMES: &[&str] = &[
    "create",
    "create_embedded",
    "cycle_1",
    "cycle_1_embedded",
    "cycle_50",
    "steps",
    "cancel",
    "pickup",
    "idle",
    "fan_out",
    "drop_ins",
];

/// Those that take long, and much room.
pub const LARGE: &[&str] = &["empty", "queued_1m", "snapshot", "behind_10m"];

/// What earlier measurements of the same run found, for targets that are relative.
#[derive(Debug, Default)]
pub struct Known {
    /// Transactions a second of the yardstick.
    raw: f64,
    /// On an empty database.
    empty: Option<large::Figures>,
}

/// Runs scenarios, prints their lines as a table, and writes it into the page.
///
/// # Errors
/// When the yardstick cannot be measured, or the page not be written. A scenario that fails is a line
/// that says why, so that the others are still measured.
pub async fn run_all(
    bench: &Bench,
    names: &[&str],
    part: &str,
    page: Option<&Path>,
    out: &mut (impl Write + ?Sized),
) -> Result<()> {
    let (server, raw) = yardstick(bench).await?;
    let mut known = Known { raw, empty: None };
    let figures = format!("{raw:.0} transactions/s");
    let mut rows =
        vec![Row::figure("`pgbench`: one task row and one event row a commit, 16 clients", "–", figures, None)];
    for name in names {
        writeln!(out, "{name} …")?;
        rows.extend(measure(bench, name, &mut known).await);
    }
    let figures = format!("{}\n\n{}", report::circumstances(&server, bench.scale.time), report::table(&rows, raw));
    writeln!(out, "\n{figures}")?;
    if let Some(page) = page {
        report::write(page, part, &figures)?;
    }
    Ok(())
}

/// What the server is, and what raw SQL does on it.
async fn yardstick(bench: &Bench) -> Result<(String, f64)> {
    let database = bench.database(Engine::Postgres).await?;
    let raw = raw::transactions_per_second(&database, bench.scale.connections, bench.scale.time).await;
    let asked = "SELECT 'PostgreSQL ' || current_setting('server_version') || ', fsync ' || current_setting('fsync') || \
                 ', synchronous_commit ' || current_setting('synchronous_commit') || ', shared_buffers ' || current_setting('shared_buffers')";
    let server = client(&database.url).await?.query_one(asked, &[]).await?.try_get(0)?;
    bench.discard(&database).await?;
    Ok((server, raw?))
}

/// Runs one scenario.
pub async fn measure(bench: &Bench, name: &str, known: &mut Known) -> Vec<Row> {
    let measured = async {
        let engine = if name.ends_with("_embedded") { Engine::Embedded } else { Engine::Postgres };
        let database = bench.database(engine).await?;
        let rows = one(bench, &database, name, known).await;
        let discarded = bench.discard(&database).await;
        let rows = rows?;
        discarded.map(|()| rows)
    };
    measured.await.unwrap_or_else(|failure: Failure| vec![Row::failed(name, &failure.to_string())])
}

async fn one(bench: &Bench, database: &Database, name: &str, known: &mut Known) -> Result<Vec<Row>> {
    match name {
        "create" => owners::create(bench, database, "PostgreSQL", known.raw).await,
        "create_embedded" => owners::create(bench, database, "embedded", known.raw * 1.5).await,
        "cycle_1" => workers::cycles(bench, database, "PostgreSQL", Some(3000.0)).await,
        "cycle_1_embedded" => workers::cycles(bench, database, "embedded", None).await,
        "cycle_50" => workers::cycles_of_many(bench, database).await,
        "steps" => workers::steps(bench, database).await,
        "cancel" => workers::cancel(bench, database).await,
        "pickup" => workers::pickup(bench, database).await,
        "idle" => workers::idle(bench, database).await,
        "fan_out" => streams::fan_out(bench, database).await,
        "drop_ins" => drop_ins::beside_canonical(bench, database).await,
        "empty" => large::empty(bench, database, known).await,
        "queued_1m" => large::queued(bench, database, known).await,
        "snapshot" => large::snapshot(bench, database, known).await,
        "behind_10m" => large::behind(bench, database, known).await,
        other => Err(format!("there is no scenario `{other}`; choose of {NAMES:?}").into()),
    }
}

fn user(n: u64) -> Who {
    Who::User(format!("user{n}"))
}

/// A task that rests.
fn resting(n: u64) -> Value {
    json!({"name": format!("bench {n}"), "task_type": "echo", "config": {"value": n}})
}

/// A task that waits for the bench's own workers.
fn work(n: u64) -> Value {
    json!({"name": format!("work {n}"), "task_type": WORK, "config": {"n": n}, "run_immediately": true})
}

async fn create(connection: &mut Connection, who: &Who, task: &Value) -> Result<String> {
    let answer = connection.post("/api/v1/tasks", who, task).await?.expect(&[201])?;
    Ok(text(&answer.json()?["task_id"])?.to_owned())
}

fn text(value: &Value) -> Result<&str> {
    value.as_str().ok_or_else(|| "a text is missing in an answer".into())
}
