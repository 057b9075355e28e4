//! Types, rules and decisions of the task service.
//!
//! Deliberately absent: I/O, async, clocks, randomness, HTTP words, SQL. The time, the actor and
//! the source of ids are arguments, so every rule is tested by calling a function.

mod conversation;
pub mod decide;
mod enums;
mod event;
mod execution;
pub mod explain;
mod fact;
pub mod fair_share;
mod history;
mod ids;
mod json_depth;
mod lease;
mod limits;
mod priority;
mod retry;
mod same_json;
pub mod schedule;
mod task;
mod template;
mod text_enum;
mod type_limits;
pub mod types;

pub use conversation::{Conversation, NewConversation};
pub use enums::{ExecutionStatus, Handler, OnDependencyFailure, Origin, TaskStatus, TriggerType};
pub use event::{Event, EventType, Payload};
pub use execution::Execution;
pub use fact::{Fact, FactPatch};
pub use history::{Actor, HistoryEntry};
pub use ids::{IdProblem, TaskId, TenantId, UserId};
pub use json_depth::{MAX_JSON_DEPTH, is_within_depth};
pub use lease::{
    DEFAULT_LEASE_SECONDS, Lease, LeaseLost, LeaseToken, MAX_LEASE_SECONDS, MAX_LOST_LEASES, MIN_LEASE_SECONDS,
};
pub use limits::{Demand, LevelLimits, LimitExceeded, LimitType, Limits, SubscriptionLevel, Usage};
pub use priority::Priority;
pub use retry::{Backoff, RetryPolicy};
pub use same_json::same_json;
pub use schedule::Schedule;
pub use task::{Task, TaskPatch};
pub use template::{ProblemKind, Template, TemplateProblem};
pub use type_limits::{MAX_CONCURRENT, TYPE_KEY, TypeLimits};

/// A JSON object: `config`, `metadata`, progress data and the like.
pub type JsonObject = serde_json::Map<String, serde_json::Value>;
