//! How a task comes into being.

use chrono::Duration;
use task_domain::decide::{Change, NewTask, create, retry_as_new};
use task_domain::{Demand, EventType, ExecutionStatus, Task, TaskId, TaskStatus, TriggerType};

use crate::support::states::State;
use crate::support::{CountedIds, assert_well_formed, hourly, moment, new_task, now, secs};

fn created(new: NewTask) -> Change {
    let ids = CountedIds::default();
    let change = create(new, &moment(&ids, now())).unwrap();
    assert_well_formed(None, &change, now());
    assert_eq!(change.events[0].event_type, EventType::Created);
    change
}

/// domain.md: `pending`; `scheduled` with a schedule (or type `reminder` with a `reminder_time`);
/// `queued` with `run_immediately`; `blocked` with unfinished `depends_on`.
#[test]
fn a_new_task_stands_where_its_fields_say() {
    let reminder = || NewTask { task_type: "reminder".into(), reminder_time: Some(now() + secs(60)), ..new_task() };
    let other_reminder = NewTask { reminder_time: Some(now() + secs(60)), ..new_task() };
    let table = [
        (new_task(), TaskStatus::Pending),
        (NewTask { schedule: Some(hourly()), ..new_task() }, TaskStatus::Scheduled),
        (reminder(), TaskStatus::Scheduled),
        (other_reminder, TaskStatus::Pending),
        (NewTask { run_immediately: true, ..new_task() }, TaskStatus::Queued),
        (NewTask { run_immediately: true, schedule: Some(hourly()), ..new_task() }, TaskStatus::Queued),
        (NewTask { blocked: true, ..new_task() }, TaskStatus::Blocked),
        (NewTask { blocked: true, run_immediately: true, ..new_task() }, TaskStatus::Blocked),
        (NewTask { blocked: true, schedule: Some(hourly()), ..new_task() }, TaskStatus::Blocked),
    ];
    for (new, expected) in table {
        let change = created(new.clone());
        assert_eq!(change.task.status, expected, "{new:?}");
        assert_eq!(change.task.current.is_some(), expected == TaskStatus::Queued);
        let run = expected == TaskStatus::Queued;
        assert_eq!(
            change.demand,
            Demand { active_task: true, run, manual_run: false },
            "what it takes from the limits"
        );
    }
    assert_eq!(created(reminder()).task.next_run_time, Some(now() + secs(60)));
}

#[test]
fn a_new_task_starts_its_counting_at_the_beginning() {
    let task = created(NewTask { run_immediately: true, ..new_task() }).task;
    assert_eq!((task.version, task.event_seq), (1, 1));
    assert_eq!((task.run_count, task.success_count, task.failure_count, task.retry_count), (0, 0, 0, 0));
    assert_eq!((task.created_at, task.updated_at, task.deleted_at, task.completed_at), (now(), now(), None, None));
    let execution = task.current.unwrap();
    assert_eq!((execution.attempt, execution.failures, execution.lost_leases), (0, 0, 0));
    assert_eq!((execution.status, execution.trigger_type), (ExecutionStatus::Queued, TriggerType::Created));
    assert_ne!(execution.run_id, execution.execution_id);
}

#[test]
fn a_client_may_name_its_task() {
    let id = TaskId::new("report:2026").unwrap();
    assert_eq!(created(NewTask { task_id: Some(id.clone()), ..new_task() }).task.task_id, id);
}

#[test]
fn the_deadline_of_a_run_counts_from_when_it_was_queued() {
    let task = created(NewTask { run_immediately: true, timeout_seconds: Some(90), ..new_task() }).task;
    assert_eq!(task.current.unwrap().timeout_at, Some(now() + Duration::seconds(90)));
}

/// domain.md: `original_task_id` = root of the chain, `retry_count` + 1; the old task is untouched.
#[test]
fn retries_point_to_the_root_of_their_chain_and_count_up() {
    let root = State::Failed.task();
    let ids = CountedIds::from(1000);
    let first = retry_as_new(&root, None, None, &moment(&ids, now())).unwrap();
    assert_well_formed(None, &first, now());
    assert_eq!(first.demand, Demand { active_task: true, run: true, manual_run: false });
    assert_ne!(first.task.task_id, root.task_id);
    assert_eq!(first.task.current.as_ref().unwrap().trigger_type, TriggerType::Retry);
    assert_eq!((first.task.original_task_id.clone(), first.task.retry_count), (Some(root.task_id.clone()), 1));
    let failed_again = Task { status: TaskStatus::Failed, current: None, ..first.task };
    let second = retry_as_new(&failed_again, None, None, &moment(&ids, now())).unwrap().task;
    assert_eq!((second.original_task_id, second.retry_count), (Some(root.task_id), 2));
}
