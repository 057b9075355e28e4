//! Received = committed: by id, in order per task, without holes.

use std::collections::{BTreeMap, HashMap};

use super::{Promise, Violation, broken};
use crate::outcome::{FinalState, Received};

pub(super) fn check(state: &FinalState, received: &[Received]) -> Vec<Violation> {
    let mut found = committed(state);
    let mut first: HashMap<&str, &Received> = HashMap::new();
    let mut last: BTreeMap<&str, i64> = BTreeMap::new();
    for event in received {
        if let Some(known) = first.get(event.id.as_str()) {
            if known.body != event.body {
                found.push(broken(Promise::StableId, format!("{} came with two bodies", event.id)));
            }
            continue;
        }
        first.insert(&event.id, event);
        match state.events.get(&event.id) {
            Some(committed) if committed.task == event.task && committed.seq == event.seq => {}
            _ => found.push(broken(
                Promise::OnlyCommitted,
                format!("{} {} of {} was never committed", event.id, event.seq, event.task),
            )),
        }
        let before = last.insert(&event.task, event.seq).unwrap_or(0);
        if event.seq != before + 1 {
            found.push(broken(Promise::Ordered, format!("{}: {} came after {before}", event.task, event.seq)));
        }
    }
    for (id, event) in &state.events {
        if !first.contains_key(id.as_str()) {
            let what = format!("{id}, number {} of {}, was committed and never came", event.seq, event.task);
            found.push(broken(Promise::Delivered, what));
        }
    }
    // Whatever the outbox says: the task itself knows how many there were.
    for (id, task) in &state.tasks {
        let newest = last.get(id.as_str()).copied().unwrap_or(0);
        if newest != task.event_seq {
            let what = format!("{id}: the newest that came is {newest}, the task stands at {}", task.event_seq);
            found.push(broken(Promise::Delivered, what));
        }
    }
    found
}

/// The outbox itself: of each task 1, 2, 3… up to where it stands, and at least one for each accepted command.
fn committed(state: &FinalState) -> Vec<Violation> {
    let mut numbers: BTreeMap<&str, Vec<i64>> = BTreeMap::new();
    for event in state.events.values() {
        numbers.entry(&event.task).or_default().push(event.seq);
    }
    let mut found = Vec::new();
    for (id, task) in &state.tasks {
        let mut seqs = numbers.remove(id.as_str()).unwrap_or_default();
        seqs.sort_unstable();
        if seqs != (1..=task.event_seq).collect::<Vec<_>>() {
            found.push(broken(Promise::Ordered, format!("{id} stands at {} with events {seqs:?}", task.event_seq)));
        }
        if task.history.is_empty() || task.history.len() > seqs.len() {
            let what = format!("{id}: {} accepted commands, {} events", task.history.len(), seqs.len());
            found.push(broken(Promise::Delivered, what));
        }
    }
    found
}
