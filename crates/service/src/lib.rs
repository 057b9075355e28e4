//! Use cases: authorise, load, decide, save; and the ticks of the background loops.
//!
//! Deliberately absent: SQL, HTTP, NATS, and the rules themselves, which are in `task-domain`.

mod accounts;
mod analytics;
mod cache;
mod caller;
mod change;
mod claim_dispatcher;
mod conversations;
mod counted;
mod dependencies;
mod error;
mod executor_pool;
mod explain;
mod facts;
mod holders;
mod ids;
mod inbound;
mod job;
mod keys;
mod leased;
mod levels;
mod notices;
mod origins;
mod overview;
mod reaper;
mod reminders;
mod retention;
mod said;
mod scheduler;
mod seen_types;
mod tasks;
mod tasks_create;
mod tasks_execute;
mod tasks_input;
mod tasks_owner;
mod templates;
mod track;
mod worker_calls;
mod worker_control;
mod workers;

pub use analytics::{Analytics, AnalyticsService, DayOfExecutions, summarise};
pub use caller::{Access, Caller, Scope};
pub use change::Saver;
pub use claim_dispatcher::{ClaimDispatcher, WaitingWorker};
pub use conversations::{ConversationPatch, ConversationService};
pub use dependencies::{Dependencies, EndedTasks, Endings, endings};
pub use error::{Problem, ServiceError};
pub use executor_pool::{ExecutorPool, PoolConfig, PoolParts};
pub use explain::{ExplainService, Explanation};
pub use facts::{FactDraft, FactSearch, FactService};
pub use holders::NamedClaim;
pub use ids::RandomIds;
pub use inbound::InboundEvents;
pub use keys::{KeyDraft, KeyIdentity, KeyService};
pub use levels::{LevelSources, Levels, LimitsPolicy};
pub use notices::{Notices, Notifier};
pub use origins::{Amendment, OriginService};
pub use overview::OverviewService;
pub use reaper::Reaper;
pub use reminders::Reminders;
pub use retention::{Retention, RetentionConfig};
pub use said::{Said, StatusReport};
pub use scheduler::Scheduler;
pub use seen_types::SeenTypes;
pub use tasks::{TaskService, TaskServiceParts};
pub use tasks_create::{Created, RequestKey};
pub use tasks_execute::Executed;
pub use tasks_input::{Precondition, RunConstraints, TaskDraft};
pub use templates::TemplateService;
pub use track::{
    Opened, TrackEvent, TrackFrame, TrackOptions, TrackService, TrackServiceParts, TrackStart, TrackStream,
};
pub use worker_calls::{ClaimOrder, authorised_claim};
pub use worker_control::WorkerControl;
pub use workers::{CompletedExecution, WorkerService};
