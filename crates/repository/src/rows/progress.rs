//! Progress entries.

use task_domain::JsonObject;
use task_protocols::ProgressEntry;

use crate::columns::{Id, Json, Stamp};

/// Number, execution, data and time.
pub(crate) type ProgressRow = (i64, Id, Json<JsonObject>, Stamp);

pub(crate) fn progress_entry((seq_id, execution_id, data, at): ProgressRow) -> ProgressEntry {
    ProgressEntry { seq_id, execution_id: execution_id.0, data: data.0, timestamp: at.0 }
}
