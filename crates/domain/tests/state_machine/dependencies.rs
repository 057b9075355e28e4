//! What becomes of a task that waits for others.

use task_domain::decide::{self, DependencyState, NewTask, Rejection};
use task_domain::{OnDependencyFailure, Task, TaskId, TaskStatus};

use crate::support::{CountedIds, moment, new_task, now};

fn id(text: &str) -> TaskId {
    TaskId::new(text).unwrap()
}

fn blocked(on_dependency_failure: OnDependencyFailure) -> Task {
    let new = NewTask { depends_on: vec![id("a"), id("b")], blocked: true, on_dependency_failure, ..new_task() };
    decide::create(new, &moment(&CountedIds::default(), now())).unwrap().task
}

fn settle(task: &Task, a: DependencyState, b: DependencyState) -> Result<decide::Change, Rejection> {
    decide::settle_dependencies(task, &[(id("a"), a), (id("b"), b)], &moment(&CountedIds::from(100), now()))
}

#[test]
fn it_is_queued_when_all_have_completed_and_not_before() {
    use DependencyState::{Completed, Waiting};
    let task = blocked(OnDependencyFailure::Fail);
    assert_eq!(settle(&task, Completed, Waiting), Err(Rejection::Unchanged));
    let change = settle(&task, Completed, Completed).unwrap();
    assert_eq!(change.task.status, TaskStatus::Queued);
    assert_eq!((change.history.action.as_str(), change.demand.run), ("unblock", true));
}

#[test]
fn it_fails_with_the_first_that_will_not_complete_and_says_which() {
    use DependencyState::{Cancelled, Completed, Deleted, Failed, TimedOut, Waiting};
    let task = blocked(OnDependencyFailure::Fail);
    let cases = [(Failed, "failed"), (Cancelled, "was cancelled"), (TimedOut, "timed out"), (Deleted, "was deleted")];
    for (state, what) in cases {
        for other in [Completed, Waiting] {
            let change = settle(&task, other, state).unwrap();
            assert_eq!(change.task.status, TaskStatus::Failed);
            assert_eq!(change.task.last_error.as_deref(), Some(format!("dependency b {what}").as_str()));
            assert_eq!(change.history.reason, change.task.last_error);
            assert!(change.task.completed_at.is_some());
            assert_eq!(change.events.len(), 1, "its status changed; no run ended");
        }
    }
    let gone = decide::settle_dependencies(&task, &[(id("a"), Completed)], &moment(&CountedIds::from(9), now()));
    assert_eq!(gone.unwrap().task.last_error.as_deref(), Some("dependency b was deleted"));
}

#[test]
fn it_runs_anyway_when_it_is_told_to_but_only_when_all_have_ended() {
    use DependencyState::{Cancelled, Failed, Waiting};
    let task = blocked(OnDependencyFailure::Run);
    assert_eq!(settle(&task, Failed, Waiting), Err(Rejection::Unchanged));
    assert_eq!(settle(&task, Failed, Cancelled).unwrap().task.status, TaskStatus::Queued);
}

#[test]
fn what_is_not_blocked_is_left_alone() {
    use DependencyState::{Completed, Failed};
    for status in TaskStatus::ALL.iter().copied().filter(|status| *status != TaskStatus::Blocked) {
        let task = Task { status, ..blocked(OnDependencyFailure::Fail) };
        for state in [Completed, Failed] {
            let refused = settle(&task, Completed, state);
            assert!(matches!(refused, Err(Rejection::InvalidTransition { action: "unblock", .. })), "{status}");
        }
    }
}

#[test]
fn a_recurring_task_has_completed_with_its_first_completed_run() {
    let of = DependencyState::of;
    assert_eq!(of(TaskStatus::Scheduled, true, 0, false), DependencyState::Waiting);
    assert_eq!(of(TaskStatus::Scheduled, true, 1, false), DependencyState::Completed);
    assert_eq!(of(TaskStatus::Queued, false, 1, false), DependencyState::Waiting, "it runs once more");
    assert_eq!(of(TaskStatus::Completed, false, 1, true), DependencyState::Completed, "it had completed");
    assert_eq!(of(TaskStatus::Cancelled, false, 0, true), DependencyState::Deleted);
    assert_eq!(of(TaskStatus::Pending, false, 0, true), DependencyState::Deleted);
}
