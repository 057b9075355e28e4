//! What is left in the end: the store as it stands, and what subscribers and listeners were given.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use task_domain::TenantId;
use task_protocols::{
    EventFilter, ExecutionQuery, ExecutionStore, HistoryStore, OutboxStore, ProgressStore, TaskCursor, TaskFilter,
    TaskSort, TaskStore,
};

/// Rows of a page.
const PAGE: i64 = 1000;

/// A task in the store.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct FinalTask {
    pub(crate) status: String,
    pub(crate) event_seq: i64,
    /// Whether a queued or leased attempt stands behind its status.
    pub(crate) has_attempt: bool,
    pub(crate) has_lease: bool,
    pub(crate) executions: Vec<FinalExecution>,
    /// Numbers of its history's entries, oldest first.
    pub(crate) history: Vec<i64>,
    /// Numbers of its progress entries.
    pub(crate) progress: Vec<i64>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) struct FinalExecution {
    pub(crate) execution: String,
    pub(crate) run: String,
    pub(crate) status: String,
    pub(crate) result: Option<Value>,
}

/// An event that the store has committed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct CommittedEvent {
    pub(crate) task: String,
    pub(crate) seq: i64,
}

#[derive(Debug, Clone, Default)]
pub(crate) struct FinalState {
    pub(crate) tasks: BTreeMap<String, FinalTask>,
    /// By id.
    pub(crate) events: HashMap<String, CommittedEvent>,
}

/// An event as a subscriber was given it, repeats included.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Received {
    pub(crate) id: String,
    pub(crate) task: String,
    pub(crate) seq: i64,
    pub(crate) body: Value,
}

impl Received {
    pub(crate) fn of(body: Value) -> Self {
        let text = |name: &str| body[name].as_str().unwrap_or_default().to_owned();
        Self { id: text("event_id"), task: text("task_id"), seq: body["seq"].as_i64().unwrap_or_default(), body }
    }
}

/// What one listener of a task's progress heard from its beginning on, over all its connections.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Heard {
    pub(crate) task: String,
    /// Numbers of the entries, as they came.
    pub(crate) progress: Vec<i64>,
}

impl FinalState {
    /// Reads the default tenant's whole store.
    pub(crate) async fn read<E>(store: &E) -> Self
    where
        E: TaskStore + ExecutionStore + HistoryStore + ProgressStore + OutboxStore,
    {
        let tenant_id = TenantId::default_tenant();
        let mut state = Self::default();
        let mut filter = TaskFilter { sort: TaskSort::Oldest, limit: PAGE, ..TaskFilter::of(tenant_id.clone()) };
        loop {
            let page = store.list(&filter).await.unwrap();
            filter.after = page.tasks.last().map(TaskCursor::from);
            for task in page.tasks {
                let id = &task.task_id;
                let query = ExecutionQuery {
                    tenant_id: tenant_id.clone(),
                    task_id: id.clone(),
                    status: None,
                    limit: PAGE,
                    offset: 0,
                };
                let mut executions = store.list_executions(&query).await.unwrap();
                executions.reverse();
                let executions = executions.into_iter().map(|e| FinalExecution {
                    execution: e.execution_id.to_string(),
                    run: e.run_id.to_string(),
                    status: e.status.to_string(),
                    result: e.result,
                });
                let history = store.list_history(&tenant_id, id, 0, PAGE).await.unwrap();
                let progress = store.list_progress(&tenant_id, id, 0, PAGE * 100).await.unwrap();
                let known = FinalTask {
                    status: task.status.to_string(),
                    event_seq: task.event_seq,
                    has_attempt: task.current.is_some(),
                    has_lease: task.current.as_ref().is_some_and(|attempt| attempt.lease.is_some()),
                    executions: executions.collect(),
                    history: history.iter().map(|entry| entry.id).collect(),
                    progress: progress.iter().map(|entry| entry.seq_id).collect(),
                };
                state.tasks.insert(id.to_string(), known);
            }
            if !page.more {
                break;
            }
        }
        let mut events = store.unpublished(i64::from(i32::MAX)).await.unwrap();
        let (all, mut position) = (EventFilter { tenant_id: None, user_id: None, types: Vec::new() }, 0);
        loop {
            let page = store.events_after(&all, position, i64::MAX, PAGE).await.unwrap();
            let Some(last) = page.last().and_then(|event| event.position) else { break };
            position = last;
            events.extend(page);
        }
        state.events.extend(events.into_iter().map(|event| {
            let event = event.event;
            (event.event_id.to_string(), CommittedEvent { task: event.task_id.to_string(), seq: event.seq })
        }));
        state
    }
}
