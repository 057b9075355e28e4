//! Progress streams with many listeners.

use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use hdrhistogram::Histogram;
use serde_json::{Value, json};

use super::workers::running;
use crate::Result;
use crate::http::{Connection, Who};
use crate::instance::Instance;
use crate::load::{histogram, record};
use crate::report::Row;
use crate::setup::{Bench, Database};

const ENTRIES_PER_SECOND: u64 = 10;
const TARGET: Duration = Duration::from_millis(250);

/// What the program may need for ten thousand listeners.
const MEMORY: u64 = 300 * 1024 * 1024;

/// Many listeners of one task, then more over a hundred tasks.
pub(super) async fn fan_out(bench: &Bench, database: &Database) -> Result<Vec<Row>> {
    let instance = bench.instance(database).await?;
    let (one, many) = bench.scale.listeners;
    let entries = |a_second: u64| (bench.scale.time.as_secs() * a_second).max(2);
    let (latencies, _) = listen(bench, &instance, one, 1, entries(ENTRIES_PER_SECOND)).await?;
    let first = Row::p99(
        format!("progress, {ENTRIES_PER_SECOND}/s to each of {one} listeners, none missing"),
        TARGET,
        &latencies,
    );
    let (latencies, memory) = listen(bench, &instance, many, 100.min(many), entries(1)).await?;
    let second = Row::delivered(format!("progress of 100 tasks to {many} listeners, none missing"), &latencies);
    let figures = format!("{} MiB", memory / 1024 / 1024);
    let third = Row::figure("… memory of the program", "< 300 MiB", figures, Some(memory < MEMORY));
    Ok(vec![first, second, third])
}

/// What deliveries took, and the program's memory while all listen.
async fn listen(
    bench: &Bench,
    instance: &Instance,
    listeners: usize,
    tasks: usize,
    entries: u64,
) -> Result<(Histogram<u64>, u64)> {
    let mut worker = instance.connect().await?;
    let mut leased = Vec::new();
    for n in 0..tasks as u64 {
        leased.push(running(&mut worker, n).await?);
    }
    let mut streams = Vec::with_capacity(listeners);
    for n in 0..listeners {
        let (id, _) = &leased[n % tasks];
        let path = format!("/api/v1/tasks/{id}/track?ignore_history=true");
        streams.push(instance.connect().await?.stream(&path, &Who::Key).await?);
    }
    let begin = Instant::now();
    // Spread over the time of a loop; an entry tells when it was sent.
    let pause = bench.scale.time.div_f64((entries * tasks as u64) as f64);
    let sending = async {
        send(&mut worker, &leased, entries, pause, begin).await?;
        instance.memory()
    };
    let reading = async {
        let mut all: FuturesUnordered<_> = streams
            .into_iter()
            .map(async |mut stream| {
                let mut taken = Vec::new();
                let mut last = None;
                while (taken.len() as u64) < entries {
                    let frame: Value = serde_json::from_str(&stream.next().await?)?;
                    let (Some(sent), Some(seq)) = (frame["data"]["micros"].as_u64(), frame["seq_id"].as_u64()) else {
                        continue;
                    };
                    if last.is_some_and(|last| seq != last + 1) {
                        return Err(format!("entry {seq} came after {last:?}").into());
                    }
                    last = Some(seq);
                    taken.push(begin.elapsed().saturating_sub(Duration::from_micros(sent)));
                }
                Ok::<_, crate::Failure>(taken)
            })
            .collect();
        let mut latencies = histogram()?;
        while let Some(read) = all.next().await {
            read?.into_iter().for_each(|time| record(&mut latencies, time));
        }
        Ok(latencies)
    };
    let patience = bench.scale.time * 10 + Duration::from_secs(30);
    let both = futures::future::try_join(sending, reading);
    let (memory, latencies) =
        tokio::time::timeout(patience, both).await.map_err(|_| "entries were not delivered in time")??;
    Ok((latencies, memory.max(instance.memory()?)))
}

/// Each task gets `entries`, in turns.
async fn send(
    worker: &mut Connection,
    leased: &[(String, String)],
    entries: u64,
    pause: Duration,
    begin: Instant,
) -> Result<()> {
    let from = Instant::now();
    for (n, (id, token)) in (0..entries).flat_map(|_| leased).enumerate() {
        tokio::time::sleep_until((from + pause.mul_f64(n as f64)).into()).await;
        let micros = u64::try_from(begin.elapsed().as_micros())?;
        let body = json!({"lease_token": token, "progress": {"micros": micros}});
        worker.post(&format!("/api/v1/tasks/{id}/progress"), &Who::Key, &body).await?.expect(&[200])?;
    }
    Ok(())
}
