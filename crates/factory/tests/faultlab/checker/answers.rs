//! What was answered is what is stored, and nothing is lost.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use super::{Promise, Violation, broken};
use crate::journal::{Answer, Asked, Operation, Verb};
use crate::outcome::{FinalExecution, FinalState, FinalTask};

pub(super) fn check(operations: &[Operation], state: &FinalState) -> Vec<Violation> {
    let mut found = Vec::new();
    for (id, task) in &state.tasks {
        found.extend(lost(id, task));
        found.extend(succeeded_twice(id, task));
    }
    for operation in operations {
        match (&operation.asked, &operation.answer) {
            (asked, Answer::Refused(status)) if *status >= 500 && *status != 503 => {
                found.push(broken(Promise::Answered, format!("{} was answered {status}: {asked:?}", operation.by)));
            }
            (Asked::Create { task }, Answer::Accepted(_)) if !state.tasks.contains_key(task) => {
                found.push(broken(Promise::Kept, format!("{task} was created and is not there")));
            }
            _ => {}
        }
    }
    found.extend(reports(operations, state));
    found
}

fn lost(id: &str, task: &FinalTask) -> Option<Violation> {
    let stands = match task.status.as_str() {
        "completed" | "failed" | "cancelled" | "timed_out" => true,
        "queued" => task.has_attempt,
        "running" => task.has_attempt && task.has_lease,
        _ => false,
    };
    (!stands).then(|| broken(Promise::NotLost, format!("{id} is {} with no attempt behind it", task.status)))
}

fn succeeded_twice(id: &str, task: &FinalTask) -> Vec<Violation> {
    let (mut runs, mut executions, mut found) = (BTreeSet::new(), BTreeSet::new(), Vec::new());
    for execution in &task.executions {
        if !executions.insert(&execution.execution) {
            found.push(broken(Promise::OneOutcome, format!("{id}: execution {} is stored twice", execution.execution)));
        }
        if execution.status == "completed" && !runs.insert(&execution.run) {
            found.push(broken(Promise::OneOutcome, format!("{id}: run {} has succeeded twice", execution.run)));
        }
    }
    found
}

/// Accepted reports: one outcome an execution, the one that is stored.
fn reports(operations: &[Operation], state: &FinalState) -> Vec<Violation> {
    // Which execution a token was for.
    let granted: HashMap<&str, &str> = operations
        .iter()
        .filter_map(Operation::accepted)
        .flat_map(|accepted| &accepted.leases)
        .map(|lease| (lease.token.as_str(), lease.execution.as_str()))
        .collect();
    let mut outcomes: BTreeMap<&str, Vec<(Verb, String)>> = BTreeMap::new();
    let mut numbers: BTreeSet<(&str, i64)> = BTreeSet::new();
    let mut found = Vec::new();
    for operation in operations {
        let Asked::Report { verb, task, token, body } = &operation.asked else { continue };
        let Some(accepted) = operation.accepted() else { continue };
        let stored = state.tasks.get(task);
        if let Some(number) = accepted.seq_id {
            if !numbers.insert((task, number)) {
                found.push(broken(Promise::OneOutcome, format!("{task}: two progress entries are number {number}")));
            }
            if stored.is_none_or(|task| !task.progress.contains(&number)) {
                found.push(broken(Promise::Kept, format!("{task}: progress entry {number} is not there")));
            }
        }
        let (Some(outcome), Some(execution)) = (verb.outcome(), granted.get(token.as_str())) else { continue };
        let reported = (*verb, body.to_string());
        let known = outcomes.entry(execution).or_default();
        if !known.contains(&reported) {
            known.push(reported);
        }
        let kept = |e: &FinalExecution| {
            e.execution == **execution
                && e.status == outcome
                && (*verb != Verb::Complete || e.result.as_ref() == body.get("result"))
        };
        if stored.is_none_or(|task| !task.executions.iter().any(kept)) {
            let what = format!("{task}: {execution} was accepted as {outcome} and is not stored as that");
            found.push(broken(Promise::Kept, what));
        }
    }
    for (execution, known) in outcomes.iter().filter(|(_, known)| known.len() > 1) {
        found.push(broken(Promise::OneOutcome, format!("{execution} has {} outcomes: {known:?}", known.len())));
    }
    found
}
