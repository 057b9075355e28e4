//! The rows of both engines and their mapping to the domain. Reading is by position, so the
//! fields stand in the order of the columns; PostgreSQL writes them as JSON records by name.

mod event;
mod execution;
mod state;
mod task;

pub(crate) use event::{HistoryRow, OutboxRow};
pub(crate) use execution::ExecutionRow;
pub(crate) use state::StateRow;
pub(crate) use task::{TaskRow, task_from_rows};
