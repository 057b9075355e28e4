//! Where claims begin to look.
//!
//! Claimed rows leave dead index entries behind, at the very start of the claim order, and an open
//! snapshot anywhere in the database keeps them there. So each lane (a type and a priority) has a
//! mark: the turn it last claimed, less one step of an owner for commits that come late. What lies below it is
//! found by a sweep without marks, at least every two seconds and whenever a bounded look finds too
//! little; what this process itself queues below a mark lowers it at once.
//!
//! Deliberately absent: marks of claims that ask for an origin, which are rare, have indexes of their
//! own and see only a part of each lane; any promise. A wrong mark costs a delay of one sweep, never a lost task.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use task_domain::{Handler, Task, fair_share};
use task_protocols::ClaimRequest;

use super::claim::Taken;

const SWEEP_EVERY: Duration = Duration::from_secs(2);
/// Worker types are the callers' own words; beyond so many lanes all are forgotten.
const MAX_LANES: usize = 20_000;

/// Which claims share a mark: a handler's, of one tenant or of all.
type Scope = (Handler, Option<String>);
type Lane = (String, i16);

#[derive(Clone, Copy)]
struct Mark {
    turn: i64,
    /// Value of the counter when it was last lowered.
    lowered: u64,
    swept: Instant,
}

#[derive(Default)]
struct Marks {
    scopes: HashMap<Scope, HashMap<Lane, Mark>>,
    lanes: usize,
    counter: u64,
}

#[derive(Default)]
pub(super) struct Watermark {
    marks: Mutex<Marks>,
}

/// The lanes of one look.
pub(super) struct Bounds {
    pub(super) types: Vec<String>,
    pub(super) priorities: Vec<i16>,
    pub(super) turns: Vec<i64>,
    /// Whether any lane begins above its lowest row.
    pub(super) bounded: bool,
    counter: u64,
}

impl Watermark {
    /// Where to look for `request`; from the bottom when `sweep` or when the last sweep is too long ago.
    pub(super) fn bounds(&self, request: &ClaimRequest, sweep: bool) -> Bounds {
        let mut marks = self.lock();
        let counter = marks.counter;
        let now = Instant::now();
        let mut known = marks.scopes.get_mut(&scope(request)).filter(|_| request.origin.is_none());
        let mut bounds =
            Bounds { types: Vec::new(), priorities: Vec::new(), turns: Vec::new(), bounded: false, counter };
        let mut overdue = sweep;
        let types: BTreeSet<&String> = request.task_types.iter().collect();
        for task_type in types {
            for priority in 1..=10_i16 {
                let lane = (task_type.clone(), priority);
                let mark = known.as_deref().and_then(|lanes| lanes.get(&lane));
                overdue |= mark.is_some_and(|mark| now.duration_since(mark.swept) >= SWEEP_EVERY);
                bounds.turns.push(mark.map_or(i64::MIN, |mark| mark.turn));
                bounds.types.push(lane.0);
                bounds.priorities.push(priority);
            }
        }
        bounds.bounded = !overdue && bounds.turns.iter().any(|turn| *turn > i64::MIN);
        if !bounds.bounded {
            bounds.turns.fill(i64::MIN);
            // Written down before the sweep, so that of many claimers one sweeps.
            for lane in bounds.types.iter().cloned().zip(bounds.priorities.iter().copied()) {
                if let Some(mark) = known.as_deref_mut().and_then(|lanes| lanes.get_mut(&lane)) {
                    mark.swept = now;
                }
            }
        }
        bounds
    }

    /// Moves the marks of the lanes that a look claimed from. A sweep may move one down.
    pub(super) fn claimed(&self, request: &ClaimRequest, bounds: &Bounds, taken: &[Taken]) {
        if request.origin.is_some() {
            return;
        }
        let mut last: HashMap<Lane, i64> = HashMap::new();
        for Taken { turn: taken, task } in taken {
            let turn = last.entry((task.claimed_as().to_owned(), task.priority.number())).or_insert(i64::MIN);
            *turn = (*taken).max(*turn);
        }
        let mut marks = self.lock();
        if marks.lanes > MAX_LANES {
            marks.scopes.clear();
            marks.lanes = 0;
        }
        let Marks { scopes, lanes, .. } = &mut *marks;
        let known = scopes.entry(scope(request)).or_default();
        for (lane, turn) in last {
            let turn = turn.saturating_sub(fair_share::STEP);
            match known.get_mut(&lane) {
                // Something was queued below while this look ran: it may not have seen it.
                Some(mark) if mark.lowered > bounds.counter => mark.turn = mark.turn.min(turn),
                Some(mark) if bounds.bounded => mark.turn = mark.turn.max(turn),
                Some(mark) => mark.turn = turn,
                None => {
                    known.insert(lane, Mark { turn, lowered: 0, swept: Instant::now() });
                    *lanes += 1;
                }
            }
        }
    }

    /// A committed change left `task` as it is, with this turn: when it is claimable, no mark may lie above it.
    pub(super) fn queued(&self, task: &Task, turn: i64) {
        if task.is_due() {
            self.lower(task.handler, task.tenant_id.as_str(), task.claimed_as(), task.priority.number(), turn);
        }
    }

    pub(super) fn lower(&self, handler: Handler, tenant_id: &str, task_type: &str, priority: i16, turn: i64) {
        let mut marks = self.lock();
        marks.counter += 1;
        let counter = marks.counter;
        let lane = (task_type.to_owned(), priority);
        for scope in [(handler, None), (handler, Some(tenant_id.to_owned()))] {
            if let Some(mark) = marks.scopes.get_mut(&scope).and_then(|lanes| lanes.get_mut(&lane))
                && turn < mark.turn
            {
                mark.turn = turn;
                mark.lowered = counter;
            }
        }
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Marks> {
        self.marks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn scope(request: &ClaimRequest) -> Scope {
    (request.handler, request.tenant_id.as_ref().map(|id| id.as_str().to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> ClaimRequest {
        ClaimRequest {
            tenant_id: None,
            handler: Handler::Builtin,
            task_types: vec!["report".into()],
            worker_id: "w".into(),
            max_tasks: 1,
            lease_seconds: 60,
            origin: None,
            request_id: None,
        }
    }

    /// Sets the mark of priority 5 as a claim would.
    fn mark(watermark: &Watermark, turn: i64) {
        let lanes = HashMap::from([(("report".to_owned(), 5), Mark { turn, lowered: 0, swept: Instant::now() })]);
        watermark.lock().scopes.insert(scope(&request()), lanes);
    }

    #[test]
    fn a_look_begins_at_the_marks_and_a_sweep_at_the_bottom() {
        let watermark = Watermark::default();
        assert!(!watermark.bounds(&request(), false).bounded, "nothing known");
        mark(&watermark, 7);
        let bounds = watermark.bounds(&request(), false);
        assert!(bounds.bounded);
        assert_eq!((bounds.priorities[4], bounds.turns[4], bounds.turns[0]), (5, 7, i64::MIN));
        assert!(watermark.bounds(&request(), true).turns.iter().all(|turn| *turn == i64::MIN));
    }

    #[test]
    fn what_is_queued_below_a_mark_lowers_it_even_while_a_claim_is_under_way() {
        let watermark = Watermark::default();
        mark(&watermark, 7_000_000);
        let under_way = watermark.bounds(&request(), false);
        watermark.lower(Handler::Builtin, "any", "report", 5, 3);
        assert!(under_way.counter < watermark.lock().counter);
        assert_eq!(watermark.bounds(&request(), false).turns[4], 3);
        watermark.lower(Handler::Builtin, "any", "report", 5, 9_000_000);
        assert_eq!(watermark.bounds(&request(), false).turns[4], 3, "never up");
    }
}
