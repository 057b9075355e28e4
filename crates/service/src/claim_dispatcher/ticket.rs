//! A caller's place in a queue, and what it got there.

use std::sync::Arc;

use task_domain::Task;
use task_protocols::StoreError;
use tokio::sync::oneshot;

use super::Shared;
use crate::ServiceError;

/// A caller's place in a queue. Dropped with tasks in it, it gives them back.
pub(super) struct Ticket {
    pub(super) receiver: oneshot::Receiver<Result<Vec<Task>, ServiceError>>,
    pub(super) shared: Arc<Shared>,
}

impl Ticket {
    pub(super) async fn answer(&mut self) -> Result<Vec<Task>, ServiceError> {
        let gone = || Err(StoreError::unavailable("the dispatcher has ended").into());
        (&mut self.receiver).await.unwrap_or_else(|_| gone())
    }

    /// Waits no longer; takes what has come at the last moment.
    pub(super) fn leave(&mut self) -> Result<Vec<Task>, ServiceError> {
        self.receiver.close();
        self.receiver.try_recv().unwrap_or_else(|_| Ok(Vec::new()))
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        self.receiver.close();
        if let Ok(Ok(tasks)) = self.receiver.try_recv() {
            self.shared.give_back(tasks);
        }
    }
}

/// What was claimed for a caller that has not been told yet. Dropped, it gives it back.
pub(super) struct Held {
    pub(super) tasks: Vec<Task>,
    pub(super) shared: Arc<Shared>,
}

impl Drop for Held {
    fn drop(&mut self) {
        self.shared.give_back(std::mem::take(&mut self.tasks));
    }
}
