//! Role traits between the layers, with their errors and, behind the feature `mock`, their mocks.
//!
//! Deliberately absent: implementations and I/O. The one exception is [`background`], the runner
//! through which every crate spawns, so that shutdown can wait for what was spawned.

mod analytics;
mod api_keys;
pub mod background;
mod backoff;
mod bus;
mod clock;
mod conversations;
mod dependencies;
mod executions;
mod executors;
mod explain;
mod facts;
mod health;
mod hints;
mod history;
mod inbound;
mod levels;
mod neighbours;
mod outbox;
mod overview;
mod pools;
mod progress;
mod retention;
mod store_error;
mod tasks;
mod templates;
mod track;

pub use analytics::{AnalyticsStore, Figures, HourOfExecutions};
pub use api_keys::{ApiKey, ApiKeyStore};
pub use backoff::Backoff;
pub use bus::{BusError, EventBus};
pub use clock::Clock;
pub use conversations::ConversationStore;
pub use dependencies::{BlockedTask, Dependency, DependencyStore};
pub use executions::{
    ClaimRequest, ClaimTaskRequest, ClaimedTask, Due, ExecutionQuery, ExecutionStore, Heartbeat, RECENT_EXECUTIONS,
    REMINDED_LATE, Seat, TimedStore,
};
pub use executors::{
    ConfigProblem, ExecutionContext, ExecutorError, ExecutorRegistry, Outcome, ProgressSink, TaskExecutor,
};
pub use explain::ExplainStore;
pub use facts::{FactFilter, FactPage, FactScope, FactStore};
pub use health::{HealthProbe, ProbeError};
pub use hints::{Hint, HintBus, LeaseTaken, Taken};
pub use history::{HistoryRecord, HistoryStore};
pub use inbound::{InboundError, InboundEvent, InboundEventHandler, InboundKind};
pub use levels::{AnyKnown, InboxStore, KnownLevel, LevelStore};
pub use neighbours::{
    AccountClient, AccountProfile, CalendarClient, CalendarEvent, NeighbourError, Notification, NotificationClient,
};
pub use outbox::{EventFilter, OutboxEvent, OutboxStore, RelayLock};
pub use overview::{LiveLease, OverviewStore, QueueFigures};
pub use pools::{PoolMeter, PoolUse};
pub use progress::{MAX_PROGRESS_ENTRIES, ProgressAppended, ProgressEntry, ProgressStore};
pub use retention::{RetentionStore, SweepCursor, Swept};
pub use store_error::{StoreError, StoreResult};
pub use tasks::{Loaded, SaveOutcome, TaskCursor, TaskFilter, TaskPage, TaskSort, TaskStore};
pub use templates::TemplateStore;
pub use track::{StatusChange, TaskKey, TrackFrom, TrackHead, TrackPage, TrackPosition, TrackStore};

#[cfg(feature = "mock")]
pub use {
    analytics::MockAnalyticsStore,
    api_keys::MockApiKeyStore,
    bus::MockEventBus,
    clock::MockClock,
    conversations::MockConversationStore,
    dependencies::MockDependencyStore,
    executions::{MockExecutionStore, MockTimedStore},
    executors::{MockExecutorRegistry, MockProgressSink, MockTaskExecutor},
    facts::MockFactStore,
    health::MockHealthProbe,
    hints::MockHintBus,
    history::MockHistoryStore,
    inbound::MockInboundEventHandler,
    levels::{MockInboxStore, MockLevelStore},
    neighbours::{MockAccountClient, MockCalendarClient, MockNotificationClient},
    outbox::{MockOutboxStore, MockRelayLock},
    overview::MockOverviewStore,
    pools::MockPoolMeter,
    progress::MockProgressStore,
    retention::MockRetentionStore,
    tasks::MockTaskStore,
    templates::MockTemplateStore,
    track::MockTrackStore,
};
