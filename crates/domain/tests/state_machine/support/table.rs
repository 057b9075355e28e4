//! Reads a table of expectations, row by row.

use task_domain::decide::{Change, Moment, Rejection};
use task_domain::{LeaseLost, Task, TaskStatus};

use super::states::State;
use super::{CountedIds, assert_well_formed, moment, now};

/// What a table expects of a command.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Expect {
    /// Accepted; the task's status afterwards.
    To(TaskStatus),
    /// 409: not from this state.
    Refused,
    /// Nothing to do, nothing changes.
    Nothing,
    /// 409 `lease_lost`.
    Lost(LeaseLost),
    /// 422 on this field.
    Invalid(&'static str),
}

fn outcome(result: &Result<Change, Rejection>) -> Expect {
    match result {
        Ok(change) => Expect::To(change.task.status),
        Err(Rejection::InvalidTransition { .. }) => Expect::Refused,
        Err(Rejection::Unchanged) => Expect::Nothing,
        Err(Rejection::LeaseLost(reason)) => Expect::Lost(*reason),
        Err(Rejection::Invalid { field, .. }) => Expect::Invalid(field),
    }
}

/// Gives the command to a task in every state. The table MUST name every state once.
pub(crate) fn check(command: impl Fn(&Task, &Moment<'_>) -> Result<Change, Rejection>, table: &[(State, Expect)]) {
    for state in State::ALL {
        assert_eq!(table.iter().filter(|(s, _)| *s == state).count(), 1, "the table names {state:?} once");
    }
    check_rows(command, table);
}

/// The same for a table that leaves states out on purpose.
pub(crate) fn check_rows(command: impl Fn(&Task, &Moment<'_>) -> Result<Change, Rejection>, table: &[(State, Expect)]) {
    let mut wrong = Vec::new();
    for (state, expected) in table {
        let task = state.task();
        let ids = CountedIds::default();
        let result = command(&task, &moment(&ids, now()));
        let got = outcome(&result);
        if got != *expected {
            wrong.push(format!("{state:?}: expected {expected:?}, got {got:?}"));
        }
        if let Ok(change) = &result {
            let is_new = change.expected_seq == 0;
            assert_well_formed((!is_new).then_some(&task), change, now());
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
