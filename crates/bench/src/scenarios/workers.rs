//! What outside workers do: claim, report, wait; and what waiting costs.

use std::cell::RefCell;
use std::time::{Duration, Instant};

use futures::future::join_all;
use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::{WORK, create, load, text, work};
use crate::Result;
use crate::http::{Connection, Who};
use crate::load::{Measured, Turn, closed, histogram, record};
use crate::report::Row;
use crate::setup::{Bench, Database, client};

const TYPES: [&str; 1] = [WORK];
const CLAIM: Duration = Duration::from_millis(20);
const STEP: Duration = Duration::from_micros(1500);
const CANCEL: Duration = Duration::from_millis(100);
const PICKUP: Duration = Duration::from_millis(50);
/// Statements a second of an instance whose workers only wait.
const IDLE: f64 = 5.0;

fn claim(worker: &str, max_tasks: u64, wait_seconds: u64) -> Value {
    json!({"task_types": TYPES, "worker_id": worker, "max_tasks": max_tasks, "wait_seconds": wait_seconds})
}

/// Claims; what was claimed.
pub(super) async fn claimed(connection: &mut Connection, claim: &Value) -> Result<Vec<Value>> {
    let answer = connection.post("/api/v1/tasks/claim", &Who::Key, claim).await?.expect(&[200])?;
    Ok(answer.json()?["claims"].as_array().cloned().unwrap_or_default())
}

async fn complete(connection: &mut Connection, claim: &Value) -> Result<()> {
    let id = text(&claim["task"]["task_id"])?;
    let body = json!({"lease_token": claim["lease_token"], "result": {"done": true}});
    connection.post(&format!("/api/v1/tasks/{id}/complete"), &Who::Key, &body).await?.expect(&[200]).map(drop)
}

/// One worker's cycles: claim one, complete it. What the claims took goes into `claims` as well.
async fn one_cycle(connection: &mut Connection, turn: Turn, claims: Option<&RefCell<Histogram<u64>>>) -> Result<u64> {
    let from = Instant::now();
    let claimed = claimed(connection, &claim(&format!("worker{}", turn.client), 1, 0)).await?;
    if let Some(claims) = claims {
        record(&mut claims.borrow_mut(), from.elapsed());
    }
    for claim in &claimed {
        complete(connection, claim).await?;
    }
    if claimed.is_empty() {
        return Err("the queue ran empty; more must be queued before".into());
    }
    Ok(claimed.len() as u64)
}

/// Cycles of one task on each connection, for the time of a loop.
pub(super) async fn cycle_loop(bench: &Bench, connections: Vec<Connection>) -> Result<Measured> {
    closed(connections, bench.scale.time, async |connection: &mut Connection, turn: Turn| {
        one_cycle(connection, turn, None).await
    })
    .await
}

pub(super) async fn cycles(bench: &Bench, database: &Database, engine: &str, least: Option<f64>) -> Result<Vec<Row>> {
    let instance = bench.instance(database).await?;
    load::queue(&mut instance.connect().await?, database, bench.scale.queued.0).await?;
    let claims = RefCell::new(histogram()?);
    let step = async |connection: &mut Connection, turn: Turn| one_cycle(connection, turn, Some(&claims)).await;
    let n = bench.scale.connections;
    let measured = closed(instance.connections(n).await?, bench.scale.time, step).await?;
    let first = Row::rate(format!("claim one and complete it, {n} connections, {engine}"), least, "tasks", &measured);
    Ok(vec![first, Row::p99("… of it, the claim", CLAIM, &claims.into_inner())])
}

/// Claims of fifty, each completed in one call.
pub(super) async fn cycles_of_many(bench: &Bench, database: &Database) -> Result<Vec<Row>> {
    const EACH: u64 = 50;
    let instance = bench.instance(database).await?;
    load::queue(&mut instance.connect().await?, database, bench.scale.queued.1).await?;
    let step = async |connection: &mut Connection, turn: Turn| {
        let claims = claimed(connection, &claim(&format!("worker{}", turn.client), EACH, 0)).await?;
        if claims.is_empty() {
            return Err("the queue ran empty; more must be queued before".into());
        }
        let report = |claim: &Value| json!({"task_id": claim["task"]["task_id"], "lease_token": claim["lease_token"], "result": {"done": true}});
        let body = json!({"items": claims.iter().map(report).collect::<Vec<_>>()});
        let answer = connection.post("/api/v1/tasks/complete/batch", &Who::Key, &body).await?.expect(&[200])?.json()?;
        let results = answer["results"].as_array().map(Vec::as_slice).unwrap_or_default();
        match results.iter().find(|result| result.get("execution").is_none()) {
            Some(refused) => Err(format!("a completion was refused: {refused}").into()),
            None => Ok(results.len() as u64),
        }
    };
    let n = bench.scale.connections;
    let measured = closed(instance.connections(n).await?, bench.scale.time, step).await?;
    Ok(vec![Row::rate(format!("claim {EACH} and complete them, {n} connections"), Some(15_000.0), "tasks", &measured)])
}

/// Makes a task and finishes it; its id.
pub(super) async fn one_finished(connection: &mut Connection) -> Result<String> {
    let id = create(connection, &Who::Key, &work(0)).await?;
    let claims = claimed(connection, &claim("worker", 1, 0)).await?;
    complete(connection, claims.first().ok_or("the task was not claimed")?).await?;
    Ok(id)
}

/// Each step of a task's life, on one connection with nothing else going on.
pub(super) async fn steps(bench: &Bench, database: &Database) -> Result<Vec<Row>> {
    let instance = bench.instance(database).await?;
    let mut connection = instance.connect().await?;
    let names = ["create", "get", "list", "claim", "heartbeat", "progress", "complete"];
    let mut latencies = Vec::new();
    for _ in names {
        latencies.push(histogram()?);
    }
    for n in 0..bench.scale.samples as u64 {
        let mut times = Vec::with_capacity(names.len());
        let mut at = Instant::now();
        let mut lap = || {
            times.push(at.elapsed());
            at = Instant::now();
        };
        let id = create(&mut connection, &Who::Key, &work(n)).await?;
        lap();
        connection.get(&format!("/api/v1/tasks/{id}"), &Who::Key).await?.expect(&[200])?;
        lap();
        connection.get("/api/v1/tasks?limit=10", &Who::Key).await?.expect(&[200])?;
        lap();
        let claims = claimed(&mut connection, &claim("worker", 1, 0)).await?;
        let claim = claims.first().ok_or("the task was not claimed")?;
        lap();
        let token = &claim["lease_token"];
        let beat = json!({"lease_token": token});
        connection.post(&format!("/api/v1/tasks/{id}/heartbeat"), &Who::Key, &beat).await?.expect(&[200])?;
        lap();
        let progress = json!({"lease_token": token, "progress": {"percent": 50}});
        connection.post(&format!("/api/v1/tasks/{id}/progress"), &Who::Key, &progress).await?.expect(&[200])?;
        lap();
        complete(&mut connection, claim).await?;
        lap();
        for (histogram, time) in latencies.iter_mut().zip(times) {
            record(histogram, time);
        }
    }
    let row = |(name, times): (&&str, &Histogram<u64>)| Row::p50(format!("one connection: {name}"), STEP, times);
    Ok(names.iter().zip(&latencies).map(row).collect())
}

/// From a create at one instance to its claim by a worker that waits at another.
pub(super) async fn pickup(bench: &Bench, database: &Database) -> Result<Vec<Row>> {
    let here = bench.instance(database).await?;
    let there = bench.second(database).await?;
    let mut owner = here.connect().await?;
    let mut worker = there.connect().await?;
    let mut latencies = histogram()?;
    for n in 0..bench.scale.samples as u64 {
        let waiting = async {
            let claims = claimed(&mut worker, &claim("waiting", 1, 30)).await?;
            Ok::<_, crate::Failure>((Instant::now(), claims))
        };
        let creating = async {
            // Long enough for the worker to wait.
            tokio::time::sleep(Duration::from_millis(20)).await;
            let at = Instant::now();
            create(&mut owner, &Who::Key, &work(n)).await.map(|_| at)
        };
        let ((picked, claims), from) = futures::future::try_join(waiting, creating).await?;
        record(&mut latencies, picked.saturating_duration_since(from));
        complete(&mut worker, claims.first().ok_or("the wait ended without work")?).await?;
    }
    Ok(vec![Row::p99("create to its claim by a worker that waits at another instance", PICKUP, &latencies)])
}

/// From a cancel at one instance to the worker's control stream at another.
pub(super) async fn cancel(bench: &Bench, database: &Database) -> Result<Vec<Row>> {
    let here = bench.instance(database).await?;
    let there = bench.second(database).await?;
    let mut control = there.connect().await?.stream("/api/v1/workers/controlled/control", &Who::Key).await?;
    let (mut owner, mut worker) = (here.connect().await?, there.connect().await?);
    let mut latencies = histogram()?;
    for n in 0..bench.scale.samples as u64 {
        let id = create(&mut owner, &Who::Key, &work(n)).await?;
        claimed(&mut worker, &claim("controlled", 1, 30)).await?;
        let told = async {
            loop {
                let data = control.next().await?;
                if data.contains(&id) {
                    return Ok::<_, crate::Failure>(Instant::now());
                }
            }
        };
        let cancelling = async {
            let at = Instant::now();
            let answer = owner.post(&format!("/api/v1/tasks/{id}/cancel"), &Who::Key, &json!({})).await?;
            answer.expect(&[200]).map(|_| at)
        };
        let both = futures::future::try_join(told, cancelling);
        let (told, from) =
            tokio::time::timeout(Duration::from_secs(30), both).await.map_err(|_| "the worker was not told")??;
        record(&mut latencies, told.saturating_duration_since(from));
    }
    Ok(vec![Row::p99("cancel to the worker's control stream at another instance", CANCEL, &latencies)])
}

/// Statements a second that PostgreSQL sees while workers only wait: each is a transaction.
pub(super) async fn idle(bench: &Bench, database: &Database) -> Result<Vec<Row>> {
    let instance = bench.instance(database).await?;
    let polls = bench.scale.long_polls;
    // Sessions tell of their transactions within ten seconds: those of the first claims before the window begins.
    let time = (bench.scale.time * 2).min(Duration::from_secs(15));
    let settle = (bench.scale.time * 2).min(Duration::from_secs(12));
    let wait = (time + settle).as_secs() + 2;
    let connections = instance.connections(polls).await?;
    let waiting = join_all(connections.into_iter().enumerate().map(async |(n, mut connection)| {
        let order = claim(&format!("idle{n}"), 1, wait.min(30));
        connection.post("/api/v1/tasks/claim", &Who::Key, &order).await?.expect(&[200]).map(drop)
    }));
    let counting = async {
        // The first claims of all that came have been answered by then.
        tokio::time::sleep(settle).await;
        let client = client(&database.url).await?;
        let counted = "SELECT xact_commit + xact_rollback FROM pg_stat_database WHERE datname = current_database()";
        let before: i64 = client.query_one(counted, &[]).await?.try_get(0)?;
        let from = Instant::now();
        tokio::time::sleep(time).await;
        let after: i64 = client.query_one(counted, &[]).await?.try_get(0)?;
        let rate = (after - before) as f64 / from.elapsed().as_secs_f64();
        Ok::<_, crate::Failure>((rate, instance.memory()?))
    };
    let (ended, counted) = futures::future::join(waiting, counting).await;
    ended.into_iter().collect::<Result<Vec<()>>>()?;
    let (rate, memory) = counted?;
    let figures = format!("{rate:.1} transactions/s, {} MiB", memory / 1024 / 1024);
    Ok(vec![Row::figure(format!("idle, {polls} long polls open"), "< 5 transactions/s", figures, Some(rate < IDLE))])
}

/// A task of a user, claimed by the bench's worker: what a stream follows.
pub(super) async fn running(connection: &mut Connection, n: u64) -> Result<(String, String)> {
    let id = create(connection, &Who::Key, &work(n)).await?;
    let order = json!({"worker_id": "streaming", "lease_seconds": 3600});
    let answer = connection.post(&format!("/api/v1/tasks/{id}/claim"), &Who::Key, &order).await?.expect(&[200])?;
    let claim = answer.json()?;
    // One claim, bare or as the only one of a list.
    let claim = claim.get("claims").and_then(|claims| claims.get(0)).unwrap_or(&claim);
    Ok((id, text(&claim["lease_token"])?.to_owned()))
}
