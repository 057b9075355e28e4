//! The checker reports what it is there for, and nothing else.

use std::time::Duration;

use serde_json::{Value, json};

use super::{Evidence, Promise};
use crate::journal::{Accepted, Answer, Asked, Granted, Operation, Verb};
use crate::outcome::{CommittedEvent, FinalExecution, FinalTask, Heard, Received};

/// One task `t`, run once by `w1` under token `a` and completed with 1, everything as it should be.
fn sound() -> Evidence {
    let mut evidence = Evidence::default();
    let numbers = [1, 2, 3, 4];
    let execution =
        FinalExecution { execution: "e1".into(), run: "r1".into(), status: "completed".into(), result: Some(json!(1)) };
    let task = FinalTask {
        status: "completed".into(),
        event_seq: 4,
        executions: vec![execution],
        history: vec![1, 2, 3],
        progress: vec![1, 2],
        ..FinalTask::default()
    };
    evidence.state.tasks.insert("t".into(), task);
    for n in numbers {
        evidence.state.events.insert(format!("id{n}"), CommittedEvent { task: "t".into(), seq: n });
    }
    evidence.received = Some(numbers.map(received).to_vec());
    evidence.heard = vec![Heard { task: "t".into(), progress: vec![1, 2] }];
    add(&evidence, 0, Asked::Create { task: "t".into() }, Answer::Accepted(Accepted::default()));
    claim(&evidence, 10, "a", "e1");
    report(&evidence, 100, Verb::Complete, "a", json!({"result": 1}));
    evidence
}

fn received(n: i64) -> Received {
    Received { id: format!("id{n}"), task: "t".into(), seq: n, body: json!({"seq": n}) }
}

/// An operation from `at` to a millisecond later.
fn add(evidence: &Evidence, at: u64, asked: Asked, answer: Answer) {
    let (begun, ended) = (Duration::from_millis(at), Duration::from_millis(at + 1));
    evidence.journal.operations().push(Operation { begun, ended, by: "w1".into(), asked, answer });
}

/// A lease of 5 s.
fn claim(evidence: &Evidence, at: u64, token: &str, execution: &str) {
    let granted = Granted {
        task: "t".into(),
        execution: execution.into(),
        token: token.into(),
        expires_in: Duration::from_secs(5),
    };
    add(evidence, at, Asked::Claim, Answer::Accepted(Accepted { leases: vec![granted], ..Accepted::default() }));
}

fn ask(verb: Verb, token: &str, body: Value) -> Asked {
    Asked::Report { verb, task: "t".into(), token: token.into(), body }
}

fn report(evidence: &Evidence, at: u64, verb: Verb, token: &str, body: Value) {
    add(evidence, at, ask(verb, token, body), Answer::Accepted(Accepted::default()));
}

#[test]
fn what_is_sound_passes() {
    let mut evidence = sound();
    // At least once: a repeat under the same id is no violation, nor is a success that is reported again.
    evidence.received.as_mut().unwrap().push(received(2));
    report(&evidence, 9000, Verb::Complete, "a", json!({"result": 1}));
    add(&evidence, 9100, ask(Verb::Heartbeat, "a", json!({})), Answer::Refused(409));
    evidence.assert_sound();
}

#[test]
fn a_lost_create_is_reported() {
    let evidence = sound();
    add(&evidence, 200, Asked::Create { task: "gone".into() }, Answer::Accepted(Accepted::default()));
    evidence.assert_caught(Promise::Kept);
}

#[test]
fn an_outcome_that_is_not_stored_is_reported() {
    let mut evidence = sound();
    evidence.state.tasks.get_mut("t").unwrap().executions[0].result = Some(json!(2));
    evidence.assert_caught(Promise::Kept);
}

#[test]
fn two_outcomes_are_reported() {
    let evidence = sound();
    report(&evidence, 100, Verb::Fail, "a", json!({"error": "no"}));
    evidence.assert_caught(Promise::OneOutcome);
    let mut evidence = sound();
    let task = evidence.state.tasks.get_mut("t").unwrap();
    let again = FinalExecution { execution: "e2".into(), ..task.executions[0].clone() };
    task.executions.push(again);
    evidence.assert_caught(Promise::OneOutcome);
}

#[test]
fn two_live_leases_are_reported() {
    let evidence = sound();
    claim(&evidence, 1000, "b", "e2");
    claim(&evidence, 4000, "c", "e3");
    evidence.assert_caught(Promise::OneLease);
}

#[test]
fn stale_tokens_are_reported() {
    // Ended, run out, taken by another, never given.
    let ended = sound();
    report(&ended, 200, Verb::Heartbeat, "a", json!({}));
    let expired = sound();
    claim(&expired, 1000, "b", "e2");
    report(&expired, 7000, Verb::Heartbeat, "b", json!({}));
    let superseded = sound();
    claim(&superseded, 1000, "b", "e2");
    claim(&superseded, 6001, "c", "e2");
    report(&superseded, 6100, Verb::Progress, "b", json!({}));
    let unknown = sound();
    report(&unknown, 200, Verb::Release, "x", json!({}));
    for evidence in [ended, expired, superseded, unknown] {
        evidence.assert_caught(Promise::Fenced);
    }
}

#[test]
fn what_may_have_been_done_is_no_violation() {
    let evidence = sound();
    evidence.journal.operations().retain(|operation| !matches!(operation.asked, Asked::Report { .. }));
    add(&evidence, 100, ask(Verb::Complete, "a", json!({"result": 1})), Answer::Missing);
    report(&evidence, 9000, Verb::Complete, "a", json!({"result": 1}));
    evidence.assert_sound();
}

#[test]
fn events_that_are_missing_wrong_or_out_of_order_are_reported() {
    let with = |change: &dyn Fn(&mut Vec<Received>)| {
        let mut evidence = sound();
        change(evidence.received.as_mut().unwrap());
        evidence
    };
    with(&|events| drop(events.pop())).assert_caught(Promise::Delivered);
    with(&|events| events.swap(1, 2)).assert_caught(Promise::Ordered);
    with(&|events| events.push(Received { id: "other".into(), ..received(5) })).assert_caught(Promise::OnlyCommitted);
    with(&|events| events.push(Received { body: json!({}), ..received(2) })).assert_caught(Promise::StableId);
    let mut evidence = sound();
    evidence.state.events.remove("id3");
    evidence.assert_caught(Promise::Ordered);
}

#[test]
fn streams_that_skip_repeat_or_reorder_are_reported() {
    for progress in [vec![1], vec![2], vec![1, 1, 2], vec![2, 1], vec![1, 2, 3]] {
        let mut evidence = sound();
        evidence.heard[0].progress = progress;
        evidence.assert_caught(Promise::WholeStream);
    }
}

#[test]
fn lost_tasks_are_reported() {
    for status in ["queued", "running", "pending"] {
        let mut evidence = sound();
        evidence.state.tasks.get_mut("t").unwrap().status = status.into();
        evidence.assert_caught(Promise::NotLost);
    }
}

#[test]
fn a_failure_that_is_no_503_is_reported() {
    let evidence = sound();
    add(&evidence, 200, Asked::Claim, Answer::Refused(503));
    evidence.assert_sound();
    add(&evidence, 200, Asked::Claim, Answer::Refused(500));
    evidence.assert_caught(Promise::Answered);
}
