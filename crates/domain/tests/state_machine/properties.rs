//! Random command sequences over one task keep every invariant of `support::world`.

use proptest::prelude::*;
use task_domain::decide::{Claimer, Failure, NewTask, Report, claim, complete, execute, fail};
use task_domain::{RetryPolicy, TaskPatch, TaskStatus};

use crate::support::states::State;
use crate::support::world::{Command, Token, World};
use crate::support::{CountedIds, hourly, moment, new_task, now, secs, token_of};

fn token() -> impl Strategy<Value = Token> {
    prop_oneof![6 => Just(Token::Current), 1 => Just(Token::Earlier), 1 => Just(Token::Strange)]
}

fn status() -> impl Strategy<Value = TaskStatus> {
    proptest::sample::select(TaskStatus::ALL)
}

fn patch() -> impl Strategy<Value = TaskPatch> {
    let none = TaskPatch::default;
    prop_oneof![
        4 => status().prop_map(move |to| TaskPatch { status: Some(to), ..none() }),
        1 => Just(TaskPatch { schedule: Some(Some(hourly())), ..none() }),
        1 => Just(TaskPatch { schedule: Some(None), ..none() }),
        1 => (status(), -50i64..50).prop_map(move |(to, s)| TaskPatch {
            status: Some(to),
            next_run_time: Some(Some(now() + secs(s * 100))),
            ..none()
        }),
        1 => (-50i64..50).prop_map(move |s| TaskPatch { next_run_time: Some(Some(now() + secs(s * 100))), ..none() }),
        1 => Just(TaskPatch { next_run_time: Some(None), ..none() }),
        1 => (-50i64..50).prop_map(move |s| TaskPatch { reminder_time: Some(Some(now() + secs(s * 100))), ..none() }),
        1 => (1i64..5000).prop_map(move |s| TaskPatch { timeout_seconds: Some(Some(s)), ..none() }),
        1 => (1i32..5).prop_map(move |n| TaskPatch { retry: Some(RetryPolicy { max_attempts: n, ..RetryPolicy::default() }), ..none() }),
        1 => "[a-c]".prop_map(move |name| TaskPatch { name: Some(name), ..none() }),
    ]
}

fn command() -> impl Strategy<Value = Command> {
    prop_oneof![
        8 => Just(Command::Execute),
        2 => Just(Command::Unblock),
        16 => (5i64..200).prop_map(|lease_seconds| Command::Claim { lease_seconds }),
        6 => token().prop_map(Command::Complete),
        6 => (token(), any::<bool>()).prop_map(|(token, retryable)| Command::Fail { token, retryable }),
        4 => (token(), 0i64..40).prop_map(|(token, delay)| Command::Release { token, delay }),
        6 => Just(Command::LeaseLost),
        3 => Just(Command::Deadline),
        1 => Just(Command::Cancel),
        4 => Just(Command::Pause),
        6 => Just(Command::Resume),
        1 => Just(Command::Delete),
        5 => Just(Command::Due),
        1 => Just(Command::Skip),
        2 => Just(Command::Remind),
        2 => status().prop_map(Command::SetStatus),
        6 => patch().prop_map(|patch| Command::Update(Box::new(patch))),
    ]
}

fn beginning() -> impl Strategy<Value = NewTask> {
    (any::<bool>(), any::<bool>(), any::<bool>(), proptest::option::of(1i64..2000), 1i32..5).prop_map(
        |(recurring, run_immediately, reminder, timeout_seconds, max_attempts)| NewTask {
            schedule: recurring.then(hourly),
            task_type: if reminder { "reminder" } else { "garden" }.into(),
            reminder_time: Some(now() + secs(300)),
            run_immediately,
            timeout_seconds,
            retry: RetryPolicy { max_attempts, ..RetryPolicy::default() },
            ..new_task()
        },
    )
}

/// Seconds between two commands: mostly at once, sometimes past a lease, a deadline or a due time.
fn wait() -> impl Strategy<Value = i64> {
    prop_oneof![6 => Just(0), 4 => 1i64..60, 2 => 60i64..400, 1 => 400i64..8000]
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 600, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_sequence_of_commands_keeps_every_invariant(
        new in beginning(),
        steps in proptest::collection::vec((wait(), command()), 1..80),
    ) {
        let mut world = World::new(new);
        let (mut accepted, first) = (0, world.task.event_seq);
        for (wait, command) in &steps {
            accepted += i64::from(world.step(*wait, command));
            if world.task.deleted_at.is_some() {
                break;
            }
        }
        assert!(world.task.event_seq >= first + accepted, "every accepted command has an event");
    }

    #[test]
    fn the_token_of_one_claim_never_works_for_the_next(leases in proptest::collection::vec(5i64..100, 1..5)) {
        let mut world = World::new(NewTask { run_immediately: true, ..new_task() });
        for lease_seconds in leases {
            assert!(world.step(0, &Command::Claim { lease_seconds }));
            for token in [Token::Earlier, Token::Strange] {
                assert!(!world.step(0, &Command::Complete(token)));
                assert!(!world.step(0, &Command::Fail { token, retryable: true }));
                assert!(!world.step(0, &Command::Release { token, delay: 0 }));
            }
            assert!(!world.step(0, &Command::LeaseLost), "a live lease is not lost");
            assert!(!world.step(lease_seconds, &Command::Complete(Token::Current)), "an expired lease is");
            assert!(world.step(0, &Command::LeaseLost));
        }
    }

    #[test]
    fn a_run_fails_after_exactly_max_attempts_failures(max_attempts in 1i32..20, releases in 0usize..3) {
        let retry = RetryPolicy { max_attempts, base_seconds: 0.0, ..RetryPolicy::default() };
        let mut world = World::new(NewTask { run_immediately: true, retry, ..new_task() });
        for failure in 1..=max_attempts {
            for _ in 0..releases {
                assert!(world.step(1, &Command::Claim { lease_seconds: 60 }));
                assert!(world.step(1, &Command::Release { token: Token::Current, delay: 0 }));
            }
            assert!(world.step(1, &Command::Claim { lease_seconds: 60 }));
            assert!(world.step(1, &Command::Fail { token: Token::Current, retryable: true }));
            let expected = if failure < max_attempts { TaskStatus::Queued } else { TaskStatus::Failed };
            assert_eq!(world.task.status, expected);
        }
        assert_eq!(world.task.run_count, 1, "runs are counted, not attempts");
    }

    #[test]
    fn a_paused_or_scheduled_task_returns_there_after_an_execute(scheduled in any::<bool>(), success in any::<bool>()) {
        let ids = CountedIds::default();
        let states = if scheduled { [State::Scheduled, State::Scheduled] } else { [State::Paused, State::PausedWithSchedule] };
        for state in states {
            let queued = execute(&state.task(), None, &moment(&ids, now())).unwrap().task;
            let held = claim(&queued, &Claimer { worker_id: "w".into(), lease_seconds: 60 }, &moment(&ids, now())).unwrap().task;
            let at = moment(&ids, now() + secs(5));
            let after = if success { complete(&held, token_of(&held), Report::default(), &at) } else { fail(&held, token_of(&held), Failure::default(), &at) };
            let after = after.unwrap().task;
            assert_eq!(after.status, state.status());
            assert_eq!(after.next_run_time, state.task().next_run_time, "an execute leaves the timetable alone");
        }
    }
}
