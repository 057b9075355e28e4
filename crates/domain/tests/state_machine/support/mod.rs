//! A fixed time, counted ids, and the states that the tables name.

pub(crate) mod states;
pub(crate) mod table;
pub(crate) mod world;

use std::sync::atomic::{AtomicU64, Ordering};

use chrono::{DateTime, Duration, TimeZone, Utc};
use serde_json::json;
use task_domain::decide::{Change, IdSource, Moment, NewTask};
use task_domain::{
    Actor, Handler, LeaseToken, OnDependencyFailure, Origin, Priority, RetryPolicy, Schedule, Task, TenantId, UserId,
};
use uuid::Uuid;

/// The moment at which every table is read.
pub(crate) fn now() -> DateTime<Utc> {
    Utc.with_ymd_and_hms(2026, 3, 2, 12, 0, 0).unwrap()
}

pub(crate) fn secs(seconds: i64) -> Duration {
    Duration::seconds(seconds)
}

/// Ids 1, 2, 3…
#[derive(Default)]
pub(crate) struct CountedIds(AtomicU64);

impl CountedIds {
    /// Apart from those of every other source.
    pub(crate) fn from(first: u64) -> Self {
        Self(AtomicU64::new(first))
    }
}

impl IdSource for CountedIds {
    fn id(&self) -> Uuid {
        Uuid::from_u128(u128::from(self.0.fetch_add(1, Ordering::Relaxed)) + 1)
    }

    fn secret(&self) -> Uuid {
        Uuid::from_u128(u128::from(self.0.fetch_add(1, Ordering::Relaxed)) | 1 << 100)
    }
}

pub(crate) fn moment(ids: &CountedIds, now: DateTime<Utc>) -> Moment<'_> {
    Moment { now, actor: Actor::User(UserId::new("ann").unwrap()), ids }
}

/// Every hour.
pub(crate) fn hourly() -> Schedule {
    Schedule::parse(&json!({"type": "interval", "interval_minutes": 60})).unwrap()
}

pub(crate) fn new_task() -> NewTask {
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
        config: serde_json::Map::new(),
        metadata: None,
        tags: Vec::new(),
        labels: Default::default(),
        attributes: serde_json::Map::new(),
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
        retry: RetryPolicy { max_attempts: 3, ..RetryPolicy::default() },
        credits_per_run: 2.5,
        run_immediately: false,
    }
}

/// The token of the current lease, or one that nobody ever held.
pub(crate) fn token_of(task: &Task) -> LeaseToken {
    task.current.as_ref().and_then(|e| e.lease).map_or_else(|| LeaseToken::new(Uuid::max()), |lease| lease.token)
}

/// What every accepted command leaves: events numbered on from where the task stood, one history
/// entry that tells of this command, and the guard that refuses the save on a lost race.
pub(crate) fn assert_well_formed(before: Option<&Task>, change: &Change, now: DateTime<Utc>) {
    let start = before.map_or(0, |t| t.event_seq);
    assert_eq!(change.expected_seq, start, "the guard is the event_seq that was read");
    assert!(!change.events.is_empty(), "every accepted command moves event_seq, which guards the save");
    let seqs: Vec<i64> = change.events.iter().map(|e| e.seq).collect();
    let wanted: Vec<i64> = (start + 1..=start + i64::try_from(change.events.len()).unwrap()).collect();
    assert_eq!(seqs, wanted, "events are numbered without holes");
    assert_eq!(change.task.event_seq, *wanted.last().unwrap(), "event_seq is the number of the newest event");
    for event in &change.events {
        assert_eq!(event.payload.object()["seq"], json!(event.seq));
        assert_eq!(event.payload.object()["event_id"], json!(event.event_id));
        assert_eq!(event.task_id, change.task.task_id);
        assert_eq!(event.occurred_at, now);
    }
    assert_eq!(change.history.from_status, before.map(|t| t.status));
    assert_eq!(change.history.to_status, change.task.status);
    assert_eq!(change.history.occurred_at, now);
    assert_eq!(change.task.updated_at, now);
}
