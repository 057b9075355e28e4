//! Prometheus metrics.

use std::time::Duration;

use chrono::{DateTime, Utc};
use prometheus::{
    Encoder, GaugeVec, HistogramOpts, HistogramVec, IntCounterVec, IntGauge, IntGaugeVec, Opts, Registry, TextEncoder,
};
use task_protocols::{PoolUse, QueueFigures};

use crate::routes::workers::overview::age;

/// Types that have gauges.
const MAX_TYPES: usize = 100;

/// The metrics of one process.
pub struct Metrics {
    registry: Registry,
    requests: IntCounterVec,
    durations: HistogramVec,
    inbound: IntCounterVec,
    pools: IntGaugeVec,
    queue_depth: IntGaugeVec,
    queue_oldest: GaugeVec,
    live_leases: IntGauge,
    /// Events that wait for the relay; set when scraped.
    pub outbox_backlog: IntGauge,
}

impl Metrics {
    /// # Errors
    /// Only when two metrics have one name, which is a bug.
    pub fn new() -> Result<Self, prometheus::Error> {
        let registry = Registry::new();
        let requests = IntCounterVec::new(
            Opts::new("task_service_http_requests_total", "Requests answered"),
            &["method", "route", "status"],
        )?;
        let buckets = vec![0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];
        let options = HistogramOpts::new("task_service_http_request_seconds", "Time from the request to its answer")
            .buckets(buckets);
        let durations = HistogramVec::new(options, &["method", "route"])?;
        let outbox_backlog =
            IntGauge::new("task_service_outbox_backlog", "Committed events that the relay has not published yet")?;
        let inbound = IntCounterVec::new(
            Opts::new("task_service_inbound_events_total", "Events of other services, by what became of them"),
            &["kind", "outcome"],
        )?;
        registry.register(Box::new(inbound.clone()))?;
        let pools = IntGaugeVec::new(
            Opts::new("task_service_database_pool", "Database connections: size, in_use, and callers that wait"),
            &["pool", "figure"],
        )?;
        registry.register(Box::new(pools.clone()))?;
        let queue_depth = IntGaugeVec::new(
            Opts::new("task_service_queue_depth", "Executions of a type by state: claimable, delayed, parked, running"),
            &["task_type", "handler", "state"],
        )?;
        registry.register(Box::new(queue_depth.clone()))?;
        let queue_oldest = GaugeVec::new(
            Opts::new("task_service_queue_oldest_seconds", "Age of a type's oldest claimable execution"),
            &["task_type", "handler"],
        )?;
        registry.register(Box::new(queue_oldest.clone()))?;
        let live_leases = IntGauge::new("task_service_live_leases", "Executions that a worker holds")?;
        registry.register(Box::new(live_leases.clone()))?;
        registry.register(Box::new(requests.clone()))?;
        registry.register(Box::new(durations.clone()))?;
        registry.register(Box::new(outbox_backlog.clone()))?;
        Ok(Self {
            registry,
            requests,
            durations,
            inbound,
            pools,
            queue_depth,
            queue_oldest,
            live_leases,
            outbox_backlog,
        })
    }

    pub(crate) fn observe(&self, method: &str, route: &str, status: u16, elapsed: Duration) {
        self.requests.with_label_values(&[method, route, &status.to_string()]).inc();
        self.durations.with_label_values(&[method, route]).observe(elapsed.as_secs_f64());
    }

    /// Counts in-bound events, by kind and outcome.
    pub fn inbound_counter(&self) -> impl Fn(&str, &str) + Send + Sync + 'static {
        let inbound = self.inbound.clone();
        move |kind, outcome| inbound.with_label_values(&[kind, outcome]).inc()
    }

    pub(crate) fn set_pools(&self, pools: &[PoolUse]) {
        for pool in pools {
            for (figure, value) in [("size", pool.size), ("in_use", pool.in_use), ("waiting", pool.waiting)] {
                self.pools.with_label_values(&[pool.name, figure]).set(i64::try_from(value).unwrap_or(i64::MAX));
            }
        }
    }

    /// Sets the gauges of the queues: the deepest types, because types are the callers' own words.
    pub(crate) fn set_queues(&self, queues: &[QueueFigures], now: DateTime<Utc>) {
        self.queue_depth.reset();
        self.queue_oldest.reset();
        self.live_leases.set(queues.iter().map(|queue| queue.running).sum());
        let mut deepest: Vec<&QueueFigures> = queues.iter().collect();
        deepest.sort_by_key(|queue| std::cmp::Reverse(queue.claimable + queue.delayed + queue.parked + queue.running));
        for queue in deepest.into_iter().take(MAX_TYPES) {
            let (name, handler) = (queue.task_type.as_str(), queue.handler.as_str());
            for (state, count) in [
                ("claimable", queue.claimable),
                ("delayed", queue.delayed),
                ("parked", queue.parked),
                ("running", queue.running),
            ] {
                self.queue_depth.with_label_values(&[name, handler, state]).set(count);
            }
            let oldest = queue.oldest.map_or(0.0, |at| age(at, now));
            self.queue_oldest.with_label_values(&[name, handler]).set(oldest);
        }
    }

    /// The text exposition format.
    pub(crate) fn render(&self) -> Result<Vec<u8>, prometheus::Error> {
        let mut text = Vec::new();
        TextEncoder::new().encode(&self.registry.gather(), &mut text)?;
        Ok(text)
    }
}
