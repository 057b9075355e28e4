//! The rows of both engines and their mapping to the domain. Reading is by position, so the
//! fields stand in the order of the columns.

mod beside;
mod dependency;
mod event;
mod execution;
mod explain;
mod figures;
mod overview;
mod progress;
mod state;
mod task;

pub(crate) use beside::{ApiKeyRow, ConversationRow, FactRow, TemplateRow, conversation};
pub(crate) use dependency::{BlockedRow, DependencyRow, blocked, dependency, texts};
pub(crate) use event::{HistoryRecordRow, HistoryRow, OutboxRow, OutcomeRow};
pub(crate) use execution::ExecutionRow;
pub(crate) use explain::type_activity;
pub(crate) use figures::{HourRow, TaskCount, hour};
pub(crate) use overview::{CountedRow, LeaseRow, lease, queue_figures};
pub(crate) use progress::{ProgressRow, progress_entry};
pub(crate) use state::StateRow;
pub(crate) use task::{TaskRow, task_from_rows};
