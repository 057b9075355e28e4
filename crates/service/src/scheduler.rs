//! The scheduler's tick: due runs are queued.

use std::sync::Arc;

use chrono::Duration;
use futures::{StreamExt, stream};
use task_domain::decide::{self, Rejection};
use task_domain::{Actor, LevelLimits, LimitType};
use task_protocols::{Loaded, TimedStore};

use crate::change::{Saver, moment};
use crate::{Levels, ServiceError};

/// Saves under way at the same time.
const AT_ONCE: usize = 16;

/// Queues scheduled runs when the store's clock says they are due. Any number of instances may
/// tick: the save's guard lets one of them win.
pub struct Scheduler {
    saver: Saver,
    timed: Arc<dyn TimedStore>,
    levels: Arc<Levels>,
}

impl Scheduler {
    pub fn new(saver: Saver, timed: Arc<dyn TimedStore>, levels: Arc<Levels>) -> Self {
        Self { saver, timed, levels }
    }

    /// Handles up to `batch` due tasks; how many of them it handled. A task that cannot be handled
    /// keeps no other one waiting.
    pub async fn tick(&self, batch: i64) -> Result<usize, ServiceError> {
        let due = self.timed.due_tasks(batch).await?;
        let handled = stream::iter(due).map(|loaded| async move {
            match self.start(&loaded).await {
                Ok(()) => 1,
                Err(error) => {
                    let error = &error as &dyn std::error::Error;
                    tracing::warn!(task_id = %loaded.task.task_id, error, "a due run was not started; trying again");
                    0
                }
            }
        });
        Ok(handled.buffer_unordered(AT_ONCE).fold(0, |sum, one| async move { sum + one }).await)
    }

    async fn start(&self, loaded: &Loaded) -> Result<(), ServiceError> {
        let moment = moment(loaded, Actor::System("scheduler"));
        let mut change = match decide::due(&loaded.task, &moment) {
            Ok(change) => change,
            Err(Rejection::Unchanged | Rejection::InvalidTransition { .. }) => return Ok(()),
            Err(error) => return Err(error.into()),
        };
        self.levels.apply(&mut change, Some(&loaded.task), None, loaded.now).await?;
        match self.saver.save(&change).await {
            // Stale: another instance, or the owner, was first.
            Ok(_) => Ok(()),
            Err(ServiceError::Limited { exceeded: limited, .. })
                if limited.limit_type == LimitType::DailyExecutions =>
            {
                let midnight = LevelLimits::day_start(loaded.now) + Duration::days(1);
                let reason = decide::daily_limit_reason(limited.limit);
                let skip = decide::skip_due_until(&loaded.task, midnight, &reason, &moment)?;
                self.saver.save(&skip).await.map(drop)
            }
            Err(error) => Err(error),
        }
    }
}
