//! The decisions: given a task, a command and the moment, the change to save, or the rule it breaks.
//!
//! Deliberately absent: reading or writing anything. A [`Change`] is everything that one command
//! does: the service hands it to the store, which saves it in one transaction or not at all.

mod change;
mod create;
mod dependencies;
mod lease;
mod owner;
mod run;
mod run_end;
mod schedule;

pub use change::{Change, IdSource, Idempotency, LeaseGuard, Moment, Rejection};
pub use create::{NewTask, create, retry_as_new};
pub use dependencies::{DependencyState, settle_dependencies};
pub use lease::{check_lease, lost_reason};
pub use owner::{cancel, delete, pause, resume, set_status, time_out, update};
pub use run::{Claimer, claim, execute, unblock};
pub use run_end::{Failure, Report, complete, deadline, fail, lease_lost, release};
pub use schedule::{daily_limit_reason, due, is_put_off, remind, skip_due_until};
