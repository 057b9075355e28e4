//! What was seen of a task type lately.

use task_domain::explain::TypeActivity;

use crate::columns::Stamp;

/// Executions that are looked at; with so many the sample tells its own time.
const SAMPLE: i64 = 500;
/// Of a sample that holds all of them: the last minute.
const MINUTE: f64 = 60.0;

/// `sampled` executions ended within `span` seconds, `ended` of them of the type.
pub(crate) fn type_activity(
    leased: bool,
    last_started: Option<Stamp>,
    ended: i64,
    sampled: i64,
    span: f64,
) -> TypeActivity {
    let over_seconds = if sampled < SAMPLE { MINUTE } else { span };
    TypeActivity { leased, last_started: last_started.map(|at| at.0), ended, over_seconds }
}
