//! All that can be read of one task, to see that nothing changed.

use task_domain::{Event, Execution, Task};
use task_protocols::ProgressEntry;

use super::{Stores, executions_of};

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Snapshot {
    pub(crate) task: Task,
    pub(crate) executions: Vec<Execution>,
    pub(crate) progress: Vec<ProgressEntry>,
    pub(crate) events: Vec<Event>,
    pub(crate) outbox: i64,
}

impl Stores {
    pub(crate) async fn snapshot(&self, task: &Task) -> Snapshot {
        Snapshot {
            task: self.load(task).await,
            executions: self.executions.list_executions(&executions_of(task)).await.unwrap(),
            progress: self.progress.list_progress(&task.tenant_id, &task.task_id, 0, 1000).await.unwrap(),
            events: self.events_of(task).await,
            outbox: self.outbox.backlog().await.unwrap(),
        }
    }
}
