//! Why a task is not running: a row for each reason.

use std::collections::HashMap;

use task_domain::decide::{self, Change, Claimer, Failure, Moment, NewTask, Rejection};
use task_domain::explain::{Facts, MAX_COUNTED, QueuePlace, Reason, TypeActivity, Unfinished, explain};
use task_domain::{Handler, LimitType, RetryPolicy, Task, TaskId, TaskStatus, TypeLimits};

use crate::support::{CountedIds, hourly, moment, new_task, now, secs};

fn created(new: NewTask) -> Task {
    decide::create(new, &moment(&CountedIds::default(), now())).unwrap().task
}

fn after(task: &Task, decide: impl Fn(&Task, &Moment<'_>) -> Result<Change, Rejection>) -> Task {
    decide(task, &moment(&CountedIds::from(100), now())).unwrap().task
}

fn queued() -> NewTask {
    NewTask { run_immediately: true, ..new_task() }
}

fn claimed(task: &Task) -> Task {
    let claimer = Claimer { worker_id: "w1".into(), lease_seconds: 60 };
    after(task, |task, moment| decide::claim(task, &claimer, moment))
}

/// At the head of its queue, and a worker asked just now.
fn attended() -> Facts {
    let place = QueuePlace { claimable: true, ..QueuePlace::default() };
    Facts { place, last_asked: Some(now()), ..Facts::at(now()) }
}

fn check(task: &Task, facts: &Facts, reason: &str, words: &str) -> Reason {
    let found = explain(task, facts);
    let message = found.message(task.status);
    assert_eq!(found.as_str(), reason, "{message}");
    assert!(message.contains(words) && message.ends_with('.'), "{message}");
    found
}

#[test]
fn what_is_leased_is_running_paused_or_not() {
    let running = claimed(&created(queued()));
    let lease_expires_at = now() + secs(60);
    let expected = Reason::Running { worker_id: Some("w1".into()), attempt: 1, lease_expires_at };
    assert_eq!(check(&running, &Facts::at(now()), "running", "worker w1"), expected);
    let paused = after(&running, |task, moment| decide::pause(task, None, moment));
    assert_eq!(explain(&paused, &Facts::at(now())), expected);
}

#[test]
fn what_is_at_rest_says_what_it_rests_for() {
    let facts = Facts::at(now());
    let pending = created(new_task());
    check(&pending, &facts, "not_scheduled", "`execute` it");
    let cancelled = after(&pending, |task, moment| decide::cancel(task, None, moment));
    check(&cancelled, &facts, "terminal", "cancelled");
    let failed = Task { status: TaskStatus::Failed, last_error: Some("no water".into()), ..pending.clone() };
    let expected = Reason::Terminal { completed_at: None, last_error: Some("no water".into()) };
    assert_eq!(check(&failed, &facts, "terminal", "no water"), expected);
    let pause = |task: &Task| after(task, |task, moment| decide::pause(task, None, moment));
    assert_eq!(check(&pause(&pending), &facts, "paused", "resume"), Reason::Paused { held_back: false });
    let held_back = pause(&created(queued()));
    assert_eq!(check(&held_back, &facts, "paused", "held back"), Reason::Paused { held_back: true });
}

#[test]
fn a_scheduled_task_is_not_due_or_was_put_off() {
    let task = created(NewTask { schedule: Some(hourly()), ..new_task() });
    let next_run_time = task.next_run_time;
    let not_due = Reason::NotDue { next_run_time, due: false };
    assert_eq!(check(&task, &Facts::at(now()), "not_due", "2026-03-02T1"), not_due);
    let put_off = Facts { put_off: Some(LimitType::DailyExecutions), ..Facts::at(now()) };
    let quota = Reason::Quota { limit_type: LimitType::DailyExecutions, until: next_run_time };
    assert_eq!(check(&task, &put_off, "quota", "daily_executions"), quota);
    let later = Facts { now: now() + secs(7200), ..put_off };
    assert_eq!(check(&task, &later, "not_due", "being queued"), Reason::NotDue { next_run_time, due: true });
}

#[test]
fn a_blocked_task_names_what_it_waits_for() {
    let task = Task { status: TaskStatus::Blocked, ..created(new_task()) };
    check(&task, &Facts::at(now()), "blocked", "daily limit");
    let one = |id: &str| Unfinished { task_id: TaskId::new(id).unwrap(), status: TaskStatus::Running };
    let facts = Facts { waiting_for: vec![one("a"), one("b"), one("c")], ..Facts::at(now()) };
    let waiting_for = facts.waiting_for.clone();
    assert_eq!(check(&task, &facts, "blocked", "a (running) and 2 more"), Reason::Blocked { waiting_for });
}

#[test]
fn a_failed_attempt_waits_for_its_backoff() {
    let retry = RetryPolicy { max_attempts: 3, base_seconds: 50.0, ..RetryPolicy::default() };
    let running = claimed(&created(NewTask { retry, ..queued() }));
    let token = running.current.as_ref().and_then(|e| e.lease).unwrap().token;
    let failure = Failure { message: "no".into(), retryable: true, ..Failure::default() };
    let task = after(&running, |task, moment| decide::fail(task, token, failure.clone(), moment));
    let reason = check(&task, &attended(), "backoff", "An attempt failed");
    assert!(matches!(reason, Reason::Backoff { until, failures: 1, lost_leases: 0 } if until > now()), "{reason:?}");
    let given_back = after(&running, |task, moment| decide::release(task, token, None, secs(100), moment));
    let reason = check(&given_back, &attended(), "backoff", "given back");
    assert_eq!(reason, Reason::Backoff { until: now() + secs(100), failures: 0, lost_leases: 0 });
    let later = Facts { now: now() + secs(100), last_asked: Some(now() + secs(90)), ..attended() };
    check(&given_back, &later, "queued", "number 1");
}

#[test]
fn a_full_key_holds_a_task_back_whoever_works() {
    let task = created(NewTask { concurrency_key: Some("printer".into()), max_concurrent: Some(2), ..queued() });
    let place = QueuePlace { parked: true, key_used: 2, ..QueuePlace::default() };
    let expected = Reason::ConcurrencyLimit { key: "printer".into(), used: 2, limit: 2 };
    assert_eq!(check(&task, &Facts { place, ..Facts::at(now()) }, "concurrency_limit", "its limit is 2"), expected);
}

#[test]
fn a_limit_of_the_operators_is_told_apart_from_a_callers() {
    let limits = TypeLimits::new(HashMap::from([("render".to_owned(), 3)]));
    let of_type = |task_type: &str| NewTask { task_type: task_type.into(), ..queued() };
    assert_eq!(limits.change_of(&created(of_type("scan"))), None);
    let (concurrency_key, max_concurrent) = limits.change_of(&created(of_type("render"))).unwrap();
    assert_eq!(concurrency_key.as_deref(), Some("type:render"));
    let task = created(NewTask { concurrency_key, max_concurrent, ..of_type("render") });
    assert_eq!(limits.change_of(&task), None, "it is under the limit already");
    assert_eq!(TypeLimits::default().change_of(&task), Some((None, None)), "the limit was lifted");
    let own = NewTask { concurrency_key: Some("mine".into()), max_concurrent: Some(7), ..of_type("render") };
    assert_eq!(limits.change_of(&created(own)), None, "a caller's own key stays");
    let place = QueuePlace { parked: true, key_used: 3, ..QueuePlace::default() };
    let expected = Reason::TypeLimit { task_type: "render".into(), used: 3, limit: 3 };
    assert_eq!(check(&task, &Facts { place, ..Facts::at(now()) }, "type_limit", "operator's limit is 3"), expected);
}

#[test]
fn a_worker_is_seen_by_any_of_its_signs_for_a_minute() {
    let task = created(NewTask { handler: Handler::Worker, task_type: "render".into(), ..queued() });
    let nobody = Facts { last_asked: None, ..attended() };
    let unseen = |last_seen| Reason::NoWorkerSeen { task_type: "render".into(), handler: Handler::Worker, last_seen };
    assert_eq!(check(&task, &nobody, "no_worker_seen", "lately"), unseen(None));
    let long_ago = Some(now() - secs(61));
    let facts = Facts { last_asked: long_ago, ..nobody.clone() };
    assert_eq!(check(&task, &facts, "no_worker_seen", "since 2026-03-02T11:58:59"), unseen(long_ago));
    let lately = Some(now() - secs(60));
    let active = |activity| Facts { activity, ..nobody.clone() };
    for facts in [
        Facts { last_asked: lately, ..nobody.clone() },
        Facts { served_here: true, ..nobody.clone() },
        active(TypeActivity { leased: true, ..TypeActivity::default() }),
        active(TypeActivity { last_started: lately, ..TypeActivity::default() }),
        active(TypeActivity { ended: 1, over_seconds: 60.0, ..TypeActivity::default() }),
    ] {
        check(&task, &facts, "queued", "number 1");
    }
}

#[test]
fn a_queued_task_has_a_position_and_an_estimate_when_something_ended() {
    let task = created(queued());
    let at = |ahead, ended| Facts {
        place: QueuePlace { claimable: true, ahead, ..QueuePlace::default() },
        activity: TypeActivity { ended, over_seconds: 60.0, ..TypeActivity::default() },
        ..attended()
    };
    let queued =
        |position, more_than, estimated_wait_seconds| Reason::Queued { position, more_than, estimated_wait_seconds };
    assert_eq!(check(&task, &at(0, 0), "queued", "number 1"), queued(Some(1), None, None));
    assert_eq!(check(&task, &at(9, 30), "queued", "about 20 s"), queued(Some(10), None, Some(20)));
    assert_eq!(explain(&task, &at(MAX_COUNTED - 1, 1)), queued(Some(MAX_COUNTED), None, Some(600_000)));
    assert_eq!(check(&task, &at(MAX_COUNTED, 1), "queued", "more than 10000"), queued(None, Some(MAX_COUNTED), None));
    let place = QueuePlace::default();
    assert_eq!(check(&task, &Facts { place, ..attended() }, "queued", "about to"), queued(None, None, None));
}
