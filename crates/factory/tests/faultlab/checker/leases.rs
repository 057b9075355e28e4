//! One live lease of a task, and no token but the current one changes anything.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{Promise, Violation, broken};
use crate::journal::{Answer, Asked, Operation, Verb};

/// How far what is left of a lease may be off: it is counted from a moment within the call.
const CLOCK: Duration = Duration::from_millis(250);

/// How long one token was current, as far as its holder can know.
struct Tenure {
    token: String,
    /// When its claim was asked for.
    asked: Duration,
    /// From when on it was held for sure: the claim's answer had come.
    from: Duration,
    /// Until when it had not run out for sure.
    sure_until: Duration,
    /// From when on it had run out for sure; `None` when a renewal had no answer.
    over_at: Option<Duration>,
    /// When its holder first asked to end it, accepted or not known.
    given_up: Option<Duration>,
    /// When the answer came that accepted its end, with what was reported.
    ended: Option<(Duration, Verb, String)>,
    /// Successes that may have been accepted: nobody knows.
    maybe_completed: Vec<String>,
}

impl Tenure {
    /// When it surely was live.
    fn live(&self) -> (Duration, Duration) {
        (self.from, self.given_up.map_or(self.sure_until, |at| at.min(self.sure_until)))
    }

    /// Whether this repeats, word for word, a success that was or may have been accepted: that is
    /// answered again, whoever holds the task by then, and changes nothing.
    fn repeats(&self, begun: Duration, verb: Verb, body: &str) -> bool {
        let accepted = |(at, ended_by, said): &(Duration, Verb, String)| {
            *at < begun && *ended_by == Verb::Complete && said == body
        };
        verb == Verb::Complete
            && (self.ended.as_ref().is_some_and(accepted) || self.maybe_completed.iter().any(|said| said == body))
    }

    /// Why a report at `begun` cannot have been accepted.
    fn stale(&self, begun: Duration) -> Option<&'static str> {
        if self.ended.as_ref().is_some_and(|(at, ..)| *at < begun) {
            return Some("its execution had ended");
        }
        self.over_at.filter(|at| *at + CLOCK < begun).map(|_| "it had run out")
    }
}

pub(super) fn check(operations: &[Operation]) -> Vec<Violation> {
    // As they began: what a report finds is what came before it.
    let mut operations: Vec<&Operation> = operations.iter().collect();
    operations.sort_by_key(|operation| operation.begun);
    let tenures = tenures(&operations);
    let mut found: Vec<Violation> = tenures.iter().flat_map(|(task, tenures)| overlaps(task, tenures)).collect();
    for operation in &operations {
        let Asked::Report { verb, task, token, body } = &operation.asked else { continue };
        if operation.accepted().is_none() {
            continue;
        }
        let of_task = tenures.get(task.as_str()).map_or(&[][..], Vec::as_slice);
        let Some(own) = of_task.iter().find(|tenure| tenure.token == *token) else {
            found.push(broken(Promise::Fenced, format!("{task}: {} of a token that nobody was given", verb.name())));
            continue;
        };
        let later = |other: &&Tenure| own.from < other.asked && other.from < operation.begun;
        let superseded = of_task.iter().find(later).map(|_| "another claim held the task");
        let repeats = own.repeats(operation.begun, *verb, &body.to_string());
        if !repeats && let Some(why) = superseded.or_else(|| own.stale(operation.begun)) {
            let what = format!("{task}: {} by {} was accepted although {why}", verb.name(), operation.by);
            found.push(broken(Promise::Fenced, what));
        }
    }
    found
}

fn tenures<'o>(operations: &[&'o Operation]) -> BTreeMap<&'o str, Vec<Tenure>> {
    let mut tenures: BTreeMap<&str, Vec<Tenure>> = BTreeMap::new();
    for operation in operations {
        for lease in operation.accepted().iter().flat_map(|accepted| &accepted.leases) {
            let of_task = tenures.entry(&lease.task).or_default();
            let (sure_until, over_at) = (operation.begun + lease.expires_in, operation.ended + lease.expires_in);
            match of_task.iter_mut().find(|tenure| tenure.token == lease.token) {
                // A claim repeated under its request id.
                Some(known) => {
                    known.from = known.from.min(operation.ended);
                    known.sure_until = known.sure_until.max(sure_until);
                    known.over_at = known.over_at.map(|at| at.max(over_at));
                }
                None => of_task.push(Tenure {
                    token: lease.token.clone(),
                    asked: operation.begun,
                    from: operation.ended,
                    sure_until,
                    over_at: Some(over_at),
                    given_up: None,
                    ended: None,
                    maybe_completed: Vec::new(),
                }),
            }
        }
    }
    for operation in operations {
        let Asked::Report { verb, task, token, body } = &operation.asked else { continue };
        let of_task = tenures.get_mut(task.as_str());
        let Some(tenure) = of_task.and_then(|all| all.iter_mut().find(|tenure| tenure.token == *token)) else {
            continue;
        };
        match (&operation.answer, verb.outcome()) {
            // The database may have gone away while it committed.
            (Answer::Missing | Answer::Refused(503), None) => tenure.over_at = None,
            (Answer::Missing | Answer::Refused(503), Some(_)) => {
                tenure.given_up.get_or_insert(operation.begun);
                if *verb == Verb::Complete {
                    tenure.maybe_completed.push(body.to_string());
                }
            }
            (Answer::Refused(_), _) => {}
            (Answer::Accepted(accepted), None) => {
                if let Some(left) = accepted.expires_in {
                    tenure.sure_until = tenure.sure_until.max(operation.begun + left);
                    tenure.over_at = tenure.over_at.map(|at| at.max(operation.ended + left));
                }
            }
            (Answer::Accepted(_), Some(_)) => {
                tenure.given_up.get_or_insert(operation.begun);
                if tenure.ended.as_ref().is_none_or(|(at, ..)| operation.ended < *at) {
                    tenure.ended = Some((operation.ended, *verb, body.to_string()));
                }
            }
        }
    }
    tenures
}

fn overlaps(task: &str, tenures: &[Tenure]) -> Vec<Violation> {
    let mut spans: Vec<_> = tenures.iter().map(|tenure| (tenure.live(), &tenure.token)).collect();
    spans.retain(|((from, until), _)| from < until);
    spans.sort();
    let mut found = Vec::new();
    let mut last = Duration::ZERO;
    for ((from, until), _) in spans {
        if from + CLOCK < last {
            let what = format!("{task}: a lease from {from:?} on, while another ran until {last:?}");
            found.push(broken(Promise::OneLease, what));
        }
        last = last.max(until);
    }
    found
}
