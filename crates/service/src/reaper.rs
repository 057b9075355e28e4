//! The reaper's tick: backoffs end, leases run out, deadlines pass.

use std::sync::Arc;

use task_domain::decide::{self, Change, Moment, Rejection};
use task_domain::{Actor, Handler, Origin, Task, TenantId};
use task_protocols::{Hint, Loaded, StoreResult, TimedStore};

use crate::change::{Saver, moment};
use crate::{Caller, Scope, ServiceError};

/// Rows that one look takes.
const BATCH: i64 = 100;
/// Looks of one tick at each kind: with a tick a second an instance takes back 200 leases a second
/// at most, so that a clock that jumps is no storm of repeated work.
const LOOKS: u32 = 2;

/// The most that one call on demand looks at; the ticks take the rest.
const LATE: i64 = 1000;

/// Takes back what its holder let lapse. Any number of instances may tick: every decision is
/// re-checked by the save's guard, so a heartbeat in between wins.
pub struct Reaper {
    saver: Saver,
    timed: Arc<dyn TimedStore>,
}

impl Reaper {
    pub fn new(saver: Saver, timed: Arc<dyn TimedStore>) -> Self {
        Self { saver, timed }
    }

    /// Makes work claimable whose delay is over, and handles leases and deadlines that have run
    /// out, up to 200 of each; how many it changed. To be called every second.
    pub async fn tick(&self) -> Result<u64, ServiceError> {
        let mut delayed = 0;
        for _ in 0..LOOKS {
            let released = self.timed.release_delayed(BATCH).await.inspect_err(|error| {
                tracing::warn!(error = error as &dyn std::error::Error, "delayed work was not released; trying again");
            });
            let released = released.unwrap_or_default();
            delayed += released;
            if released < BATCH.unsigned_abs() {
                break;
            }
        }
        if delayed > 0 {
            // Which types they are is not known here; the pools and dispatchers look for themselves.
            for handler in [Handler::Builtin, Handler::Worker] {
                self.saver.hints().send(Hint::some_work(handler));
            }
        }
        Ok(delayed + self.take_back().await?)
    }

    /// Times out the runs of one API's tasks that have passed their deadline; how many.
    pub async fn time_out_late(&self, tenant_id: &TenantId, origin: Origin) -> Result<u64, ServiceError> {
        let late = self.timed.past_deadline(Some((tenant_id.clone(), origin)), LATE).await?;
        let mut changed = 0;
        for loaded in late {
            changed += self.settle(&loaded, Kind::Late).await;
        }
        Ok(changed)
    }

    /// Handles leases and deadlines that have run out now, for an admin; how many.
    ///
    /// # Errors
    /// `Forbidden` without scope `admin`.
    pub async fn process(&self, caller: &Caller) -> Result<u64, ServiceError> {
        caller.need(Scope::Admin, "process_timeouts")?;
        self.take_back().await
    }

    async fn take_back(&self) -> Result<u64, ServiceError> {
        // Each kind by itself: what goes wrong with one must not keep the others waiting.
        let lost = self.each(Kind::Lost).await;
        let late = self.each(Kind::Late).await;
        Ok(lost? + late?)
    }

    async fn each(&self, kind: Kind) -> Result<u64, ServiceError> {
        let mut changed = 0;
        for _ in 0..LOOKS {
            let rows = self.look(kind).await?;
            let all = rows.len() as i64;
            for loaded in rows {
                changed += self.settle(&loaded, kind).await;
            }
            if all < BATCH {
                break;
            }
        }
        Ok(changed)
    }

    async fn look(&self, kind: Kind) -> StoreResult<Vec<Loaded>> {
        match kind {
            Kind::Lost => self.timed.expired_leases(BATCH).await,
            Kind::Late => self.timed.past_deadline(None, BATCH).await,
        }
    }

    /// 1 when the decision was saved.
    async fn settle(&self, loaded: &Loaded, kind: Kind) -> u64 {
        let task_id = &loaded.task.task_id;
        match kind.decide(&loaded.task, &moment(loaded, Actor::System("reaper"))) {
            Ok(change) => match self.saver.save(&change).await {
                Ok(saved) => return u64::from(saved.is_some()),
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(%task_id, error, "not taken back; trying again");
                }
            },
            Err(rejection) => tracing::debug!(%task_id, %rejection, "left alone"),
        }
        0
    }
}

/// What has run out.
#[derive(Clone, Copy)]
enum Kind {
    /// A lease.
    Lost,
    /// A run's deadline.
    Late,
}

impl Kind {
    fn decide(self, task: &Task, moment: &Moment<'_>) -> Result<Change, Rejection> {
        match self {
            Self::Lost => decide::lease_lost(task, moment),
            Self::Late => decide::deadline(task, moment),
        }
    }
}
