//! The reaper's tick: backoffs end, leases run out, deadlines pass.

use std::sync::Arc;

use task_domain::decide::{self, Change, Moment, Rejection};
use task_domain::{Actor, Handler, Origin, Task, TenantId};
use task_protocols::{Hint, Loaded, StoreResult, TimedStore};

use crate::ServiceError;
use crate::change::{Saver, moment};

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

    /// Handles up to `batch` rows of each kind; how many it changed.
    pub async fn tick(&self, batch: i64) -> Result<u64, ServiceError> {
        let delayed = self.timed.release_delayed(batch).await.inspect_err(|error| {
            tracing::warn!(error = error as &dyn std::error::Error, "delayed work was not released; trying again");
        });
        let delayed = delayed.unwrap_or_default();
        if delayed > 0 {
            // Which types they are is not known here; the pools and dispatchers look for themselves.
            for handler in [Handler::Builtin, Handler::Worker] {
                self.saver.hints().send(Hint::WorkQueued { handler, task_type: String::new() });
            }
        }
        // Each kind by itself: what goes wrong with one must not keep the others waiting.
        let lost = self.each(self.timed.expired_leases(batch).await, decide::lease_lost).await;
        let late = self.each(self.timed.past_deadline(batch).await, decide::deadline).await;
        Ok(delayed + lost? + late?)
    }

    /// Times out the runs of one API's tasks that have passed their deadline; how many.
    pub async fn time_out_late(&self, tenant_id: &TenantId, origin: Origin) -> Result<u64, ServiceError> {
        let mut late = self.timed.past_deadline(LATE).await?;
        late.retain(|loaded| loaded.task.tenant_id == *tenant_id && loaded.task.origin == origin);
        self.each(Ok(late), decide::deadline).await
    }

    async fn each(
        &self,
        rows: StoreResult<Vec<Loaded>>,
        decide: fn(&Task, &Moment<'_>) -> Result<Change, Rejection>,
    ) -> Result<u64, ServiceError> {
        let mut changed = 0;
        for loaded in rows? {
            let task_id = &loaded.task.task_id;
            match decide(&loaded.task, &moment(&loaded, Actor::System("reaper"))) {
                Ok(change) => match self.saver.save(&change).await {
                    Ok(saved) => changed += u64::from(saved.is_some()),
                    Err(error) => {
                        let error = &error as &dyn std::error::Error;
                        tracing::warn!(%task_id, error, "not taken back; trying again");
                    }
                },
                Err(rejection) => tracing::debug!(%task_id, %rejection, "left alone"),
            }
        }
        Ok(changed)
    }
}
