//! What the overview of queues counts, one row a type and kind.

use std::collections::BTreeMap;

use chrono::DateTime;
use diesel::QueryableByName;
use diesel::sql_types::{BigInt, Nullable, Text};
use task_domain::Handler;
use task_protocols::{LiveLease, QueueFigures};

use crate::columns::{Id, Stamp, Word};

/// Type, handler, kind, how many, how many of them in the last minute, the oldest turn.
#[derive(QueryableByName)]
pub(crate) struct CountedRow {
    #[diesel(sql_type = Text)]
    pub(crate) task_type: String,
    #[diesel(sql_type = Text)]
    pub(crate) handler: Word<Handler>,
    #[diesel(sql_type = Text)]
    pub(crate) kind: String,
    #[diesel(sql_type = BigInt)]
    pub(crate) all_of_them: i64,
    #[diesel(sql_type = BigInt)]
    pub(crate) last_minute: i64,
    #[diesel(sql_type = Nullable<BigInt>)]
    pub(crate) oldest: Option<i64>,
}

/// Puts the rows of one type and handler together, by name.
pub(crate) fn queue_figures(rows: Vec<CountedRow>) -> Vec<QueueFigures> {
    let mut figures: BTreeMap<(String, &'static str), QueueFigures> = BTreeMap::new();
    for row in rows {
        let handler = row.handler.0;
        let queue = figures.entry((row.task_type.clone(), handler.as_str())).or_insert_with(|| QueueFigures {
            task_type: row.task_type.clone(),
            handler,
            claimable: 0,
            delayed: 0,
            parked: 0,
            running: 0,
            oldest: None,
            completed: (0, 0),
            failed: (0, 0),
        });
        match row.kind.as_str() {
            "claimable" => {
                queue.claimable = row.all_of_them;
                queue.oldest = row.oldest.and_then(DateTime::from_timestamp_micros);
            }
            "delayed" => queue.delayed = row.all_of_them,
            "parked" => queue.parked = row.all_of_them,
            "running" => queue.running = row.all_of_them,
            "completed" => queue.completed = (row.last_minute, row.all_of_them),
            _ => queue.failed = (row.last_minute, row.all_of_them),
        }
    }
    figures.into_values().collect()
}

/// Worker, task, type, execution, attempt, start and end of a lease.
pub(crate) type LeaseRow = (Option<String>, String, String, Option<Id>, Option<i32>, Option<Stamp>, Option<Stamp>);

pub(crate) fn lease(
    (worker_id, task_id, task_type, execution_id, attempt, started_at, expires_at): LeaseRow,
) -> Option<LiveLease> {
    Some(LiveLease {
        worker_id: worker_id?,
        task_id,
        task_type,
        execution_id: execution_id?.0,
        attempt: attempt?,
        started_at: started_at?.0,
        expires_at: expires_at?.0,
    })
}
