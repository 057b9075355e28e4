//! Role traits between the layers, with their errors and, behind the feature `mock`, their mocks.
//!
//! Deliberately absent: implementations and I/O. The one exception is [`background`], the runner
//! through which every crate spawns, so that shutdown can wait for what was spawned.

pub mod background;
mod bus;
mod clock;
mod executions;
mod executors;
mod hints;
mod neighbours;
mod outbox;
mod progress;
mod store_error;
mod tasks;

pub use bus::{BusError, EventBus};
pub use clock::Clock;
pub use executions::{ClaimRequest, ExecutionQuery, ExecutionStore, Heartbeat, TimedStore};
pub use executors::{
    ConfigProblem, ExecutionContext, ExecutorError, ExecutorRegistry, Outcome, ProgressSink, TaskExecutor,
};
pub use hints::{Hint, HintBus};
pub use neighbours::{
    AccountClient, AccountProfile, CalendarClient, CalendarEvent, NeighbourError, Notification, NotificationClient,
};
pub use outbox::{EventFilter, OutboxEvent, OutboxStore, RelayLock};
pub use progress::{ProgressAppended, ProgressEntry, ProgressStore};
pub use store_error::{StoreError, StoreResult};
pub use tasks::{Loaded, SaveOutcome, TaskFilter, TaskPage, TaskStore};

#[cfg(feature = "mock")]
pub use {
    bus::MockEventBus,
    clock::MockClock,
    executions::{MockExecutionStore, MockTimedStore},
    executors::{MockExecutorRegistry, MockProgressSink, MockTaskExecutor},
    hints::MockHintBus,
    neighbours::{MockAccountClient, MockCalendarClient, MockNotificationClient},
    outbox::{MockOutboxStore, MockRelayLock},
    progress::MockProgressStore,
    tasks::MockTaskStore,
};
