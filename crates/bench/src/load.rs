//! Load: closed loops, and open ones whose latency counts from when a request was meant to start.

use std::cell::Cell;
use std::time::{Duration, Instant};

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use hdrhistogram::Histogram;

use crate::Result;
use crate::http::Connection;

/// What a loop did.
pub struct Measured {
    /// Microseconds of each step.
    pub latencies: Histogram<u64>,
    /// What the steps say that they did.
    pub operations: u64,
    pub elapsed: Duration,
}

impl Measured {
    pub fn per_second(&self) -> f64 {
        self.operations as f64 / self.elapsed.as_secs_f64().max(0.001)
    }
}

pub fn histogram() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, 600_000_000, 3)?)
}

pub fn record(histogram: &mut Histogram<u64>, time: Duration) {
    histogram.saturating_record(u64::try_from(time.as_micros()).unwrap_or(u64::MAX).max(1));
}

/// Where a step is: the number of its connection, and how many steps went before it on all.
#[derive(Debug, Clone, Copy)]
pub struct Turn {
    pub client: usize,
    pub n: u64,
}

/// Each connection makes one step after another for `time`.
pub async fn closed<S>(connections: Vec<Connection>, time: Duration, step: S) -> Result<Measured>
where
    S: AsyncFn(&mut Connection, Turn) -> Result<u64>,
{
    run(connections, time, None, step).await
}

/// `rate` steps a second in all, begun when they are due as far as there are connections; a step that
/// begins late has waited, and its wait counts.
pub async fn open<S>(connections: Vec<Connection>, time: Duration, rate: f64, step: S) -> Result<Measured>
where
    S: AsyncFn(&mut Connection, Turn) -> Result<u64>,
{
    run(connections, time, Some(rate), step).await
}

async fn run<S>(connections: Vec<Connection>, time: Duration, rate: Option<f64>, step: S) -> Result<Measured>
where
    S: AsyncFn(&mut Connection, Turn) -> Result<u64>,
{
    let begin = Instant::now();
    let turns = Cell::new(0_u64);
    let (turns, step) = (&turns, &step);
    let one = async |client: usize, mut connection: Connection| -> Result<(Histogram<u64>, u64)> {
        let (mut latencies, mut operations) = (histogram()?, 0);
        loop {
            let n = turns.replace(turns.get() + 1);
            let meant = rate.map(|rate| begin + Duration::from_secs_f64(n as f64 / rate));
            if let Some(meant) = meant {
                tokio::time::sleep_until(meant.into()).await;
            }
            let from = meant.unwrap_or_else(Instant::now);
            if from.duration_since(begin) >= time {
                return Ok((latencies, operations));
            }
            operations += step(&mut connection, Turn { client, n }).await?;
            record(&mut latencies, from.elapsed());
        }
    };
    let mut all: FuturesUnordered<_> =
        connections.into_iter().enumerate().map(|(client, connection)| one(client, connection)).collect();
    let mut measured = Measured { latencies: histogram()?, operations: 0, elapsed: Duration::ZERO };
    while let Some(ended) = all.next().await {
        let (latencies, operations) = ended?;
        measured.latencies.add(latencies)?;
        measured.operations += operations;
    }
    measured.elapsed = begin.elapsed();
    Ok(measured)
}
