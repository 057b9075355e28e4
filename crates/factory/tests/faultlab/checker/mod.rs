//! The checker: the promises, held against a journal and what is left in the end.
//!
//! It knows only what clients, subscribers and listeners saw, and the store afterwards. Where it cannot
//! be sure (an answer that never came, two operations at the same time) it gives the service the benefit
//! of the doubt; everything it reports is a violation.

mod answers;
mod events;
mod leases;
mod streams;
mod tests;

use crate::journal::{Journal, Operation};
use crate::outcome::{FinalState, Heard, Received};

/// What is promised, and was broken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Promise {
    /// What was answered by a 2xx is in the store.
    Kept,
    /// At most one accepted outcome of an execution, at most one success of a run.
    OneOutcome,
    /// At most one live lease of a task.
    OneLease,
    /// A token that is not current changes nothing.
    Fenced,
    /// Every committed change reaches subscribers.
    Delivered,
    /// Only what was committed does.
    OnlyCommitted,
    /// In order per task, without holes.
    Ordered,
    /// One id, one event.
    StableId,
    /// A stream tells every entry once and in order.
    WholeStream,
    /// A task is done, queued or leased.
    NotLost,
    /// A failure is a 503 that says when to come back; nothing else.
    Answered,
}

/// One broken promise, and what shows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Violation {
    pub(crate) promise: Promise,
    pub(crate) what: String,
}

fn broken(promise: Promise, what: impl Into<String>) -> Violation {
    Violation { promise, what: what.into() }
}

/// What the promises are held against.
#[derive(Default)]
pub(crate) struct Evidence {
    pub(crate) journal: Journal,
    pub(crate) state: FinalState,
    /// What a subscriber was given that listened from the beginning and has caught up; `None`: nobody listened.
    pub(crate) received: Option<Vec<Received>>,
    pub(crate) heard: Vec<Heard>,
}

impl Evidence {
    /// Every broken promise, in a stable order.
    pub(crate) fn violations(&self) -> Vec<Violation> {
        let operations: Vec<Operation> = self.journal.operations().clone();
        let mut found = answers::check(&operations, &self.state);
        found.extend(leases::check(&operations));
        if let Some(received) = &self.received {
            found.extend(events::check(&self.state, received));
        }
        found.extend(self.heard.iter().flat_map(|heard| streams::check(&self.state, heard)));
        found.sort();
        found.dedup();
        found
    }

    /// # Panics
    /// When a promise was broken; the message says which and how.
    pub(crate) fn assert_sound(&self) {
        let found = self.violations();
        let lines: Vec<String> = found.iter().take(20).map(|v| format!("{:?}: {}", v.promise, v.what)).collect();
        assert!(found.is_empty(), "{} violations:\n{}", found.len(), lines.join("\n"));
    }

    /// # Panics
    /// When the checker did not report this promise as broken.
    pub(crate) fn assert_caught(&self, promise: Promise) {
        let found = self.violations();
        assert!(found.iter().any(|v| v.promise == promise), "{promise:?} was not reported, only {found:?}");
    }
}
