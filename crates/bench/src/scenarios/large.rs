//! With much behind: a long queue, a snapshot that keeps dead rows alive, many finished rows.

use std::time::{Duration, Instant};

use super::{Known, load, user, workers};
use crate::Result;
use crate::http::{Connection, Who};
use crate::instance::Instance;
use crate::load::{Measured, Turn, closed};
use crate::report::Row;
use crate::setup::{Bench, Database, client};

/// Tasks that wait on a database that counts as empty.
const FEW: u64 = 150_000;
/// What may be lost with much behind.
const FACTOR: f64 = 2.0;

/// What is compared: claims a second, and the 99th percentile of a page of a list.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Figures {
    claims: f64,
    list: Duration,
}

/// On an empty database, for comparison.
pub(super) async fn empty(bench: &Bench, database: &Database, known: &mut Known) -> Result<Vec<Row>> {
    let instance = bench.instance(database).await?;
    load::queue(&mut instance.connect().await?, database, FEW.min(bench.scale.large_queue)).await?;
    let (claims, list) = measure(bench, &instance).await?;
    known.empty = Some(Figures { claims: claims.per_second(), list: p99(&list) });
    rows("an empty database", claims, list, None)
}

/// With a million tasks queued.
pub(super) async fn queued(bench: &Bench, database: &Database, known: &mut Known) -> Result<Vec<Row>> {
    let instance = bench.instance(database).await?;
    load::queue(&mut instance.connect().await?, database, bench.scale.large_queue).await?;
    let (claims, list) = measure(bench, &instance).await?;
    rows(&format!("{} tasks queued", bench.scale.large_queue), claims, list, known.empty)
}

/// After a REPEATABLE READ snapshot was open for a minute of claims.
pub(super) async fn snapshot(bench: &Bench, database: &Database, known: &mut Known) -> Result<Vec<Row>> {
    let instance = bench.instance(database).await?;
    load::queue(&mut instance.connect().await?, database, bench.scale.large_queue).await?;
    let pinning = client(&database.url).await?;
    pinning.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ; SELECT count(*) FROM task.outbox_events").await?;
    let from = Instant::now();
    while from.elapsed() < bench.scale.pinned {
        measure(bench, &instance).await?;
    }
    let (claims, list) = measure(bench, &instance).await?;
    pinning.batch_execute("ROLLBACK").await?;
    rows(&format!("a snapshot open for {} s of claims", bench.scale.pinned.as_secs_f64()), claims, list, known.empty)
}

/// With finished tasks behind.
pub(super) async fn behind(bench: &Bench, database: &Database, known: &mut Known) -> Result<Vec<Row>> {
    let instance = bench.instance(database).await?;
    let mut connection = instance.connect().await?;
    let id = workers::one_finished(&mut connection).await?;
    load::finished(database, &id, bench.scale.large_behind).await?;
    fill(&mut connection, FEW.min(bench.scale.large_queue)).await?;
    let (claims, list) = measure(bench, &instance).await?;
    rows(&format!("{} rows of finished tasks", bench.scale.large_behind), claims, list, known.empty)
}

/// Queues `n` tasks over the API, 500 in a call.
async fn fill(connection: &mut Connection, n: u64) -> Result<()> {
    const CALL: u64 = 500;
    for call in 0..n.div_ceil(CALL) {
        let tasks: Vec<_> = (call * CALL..n.min((call + 1) * CALL)).map(super::work).collect();
        let body = serde_json::json!({ "tasks": tasks });
        connection.post("/api/v1/tasks/batch", &Who::Key, &body).await?.expect(&[200])?;
    }
    Ok(())
}

/// Claims and completes for the time of a loop; then reads pages of the key's list.
async fn measure(bench: &Bench, instance: &Instance) -> Result<(Measured, Measured)> {
    let claims = workers::cycle_loop(bench, instance.connections(bench.scale.connections).await?).await?;
    // Opened when they are used: the server closes a connection that sends no first request.
    let listing = instance.connections(bench.scale.connections).await?;
    let step = async |connection: &mut Connection, turn: Turn| {
        let who = if turn.n.is_multiple_of(2) { Who::Key } else { user(turn.n % bench.scale.users) };
        connection.get("/api/v1/tasks?limit=50", &who).await?.expect(&[200]).map(|_| 1)
    };
    Ok((claims, closed(listing, bench.scale.time / 2, step).await?))
}

fn p99(measured: &Measured) -> Duration {
    Duration::from_micros(measured.latencies.value_at_quantile(0.99))
}

fn rows(what: &str, claims: Measured, list: Measured, empty: Option<Figures>) -> Result<Vec<Row>> {
    let least = empty.map(|empty| empty.claims / FACTOR);
    let first = Row::rate(format!("{what}: claim and complete"), least, "tasks", &claims);
    let name = format!("{what}: list of 50");
    let second = match empty {
        Some(empty) => Row::p99(name, empty.list.mul_f64(FACTOR), &list.latencies),
        None => Row::rate(name, None, "pages", &list),
    };
    Ok(vec![first, second])
}
