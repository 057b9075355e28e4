//! Turns of queued tasks, so that claims go round the owners.
//!
//! A turn is given in memory when a task is queued and stored in its row; claims only read the
//! rows. Each lane (a handler, tenant, type and priority) knows how far claims have got and each
//! owner's last turn. What this process does not know, it learns at its start from the rows.
//!
//! Deliberately absent: agreement between instances. Each gives turns by what it has queued and
//! claimed itself, so beside another instance the shares are approximate. A wrong turn only changes the order.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use task_domain::decide::Change;
use task_domain::fair_share::{self, MIN_WEIGHT};
use task_domain::{Handler, Task};
use task_protocols::ClaimRequest;

/// Owners' lines that are remembered; past it those that hold nobody back any more are forgotten, and
/// if that does not help, all.
const MAX_LINES: usize = 200_000;

/// Weights of owners, 1 to 1000, by user or key id; everybody else's is that of its level.
pub type Weights = HashMap<String, u32>;

/// What is queued, and by whom.
#[derive(Clone, Copy)]
pub(crate) struct Queued<'a> {
    pub(crate) handler: Handler,
    pub(crate) tenant_id: &'a str,
    pub(crate) task_type: &'a str,
    pub(crate) priority: i16,
    pub(crate) owner: &'a str,
    /// Since when it may be claimed, in microseconds.
    pub(crate) run_at: i64,
    /// The weight of the owner's level, where it is known.
    pub(crate) weight: Option<u32>,
}

/// Turns of one owner's claimable tasks as the rows have them.
pub(crate) struct Line<'a> {
    pub(crate) queued: Queued<'a>,
    pub(crate) first: i64,
    pub(crate) last: i64,
}

#[derive(Clone, PartialEq, Eq, Hash)]
struct LaneName {
    handler: Handler,
    /// None for our executors, which take any tenant's work.
    tenant_id: Option<String>,
    task_type: String,
    priority: i16,
}

struct Lane {
    /// The highest turn claimed.
    reached: i64,
    /// The highest turn given, here or in a lane that is claimed together with this one.
    highest: i64,
    /// What each owner was given last, by tenant and owner.
    lines: HashMap<(String, String), Last>,
}

#[derive(Clone, Copy)]
struct Last {
    turn: i64,
    /// The weight of the owner's level as it was known last: a further attempt is queued without it.
    weight: u32,
}

#[derive(Default)]
struct Lanes {
    lanes: HashMap<LaneName, Lane>,
    lines: usize,
}

#[derive(Default)]
pub(crate) struct FairShare {
    weights: Weights,
    lanes: Mutex<Lanes>,
}

impl FairShare {
    pub(crate) fn new(weights: Weights) -> Self {
        Self { weights, lanes: Mutex::default() }
    }

    /// An owner's own weight, else that of its level.
    fn weight(&self, owner: &str, of_level: u32) -> u32 {
        self.weights.get(owner).copied().unwrap_or(of_level)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Lanes> {
        self.lanes.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The turn of `queued`, which is its owner's last from here on.
    pub(crate) fn take(&self, queued: &Queued<'_>) -> i64 {
        let mut lanes = self.lock();
        lanes.tidy();
        let Lanes { lanes, lines } = &mut *lanes;
        let lane = lanes.entry(LaneName::of(queued)).or_insert_with(|| Lane {
            reached: queued.run_at,
            highest: i64::MIN,
            lines: HashMap::new(),
        });
        if lane.highest <= lane.reached {
            // Everything that was queued has been claimed, so nobody waits: first come, first served.
            lane.reached = lane.reached.max(queued.run_at);
        }
        let line = (queued.tenant_id.to_owned(), queued.owner.to_owned());
        let last = lane.lines.get(&line).copied();
        let weight = queued.weight.or(last.map(|last| last.weight)).unwrap_or(MIN_WEIGHT);
        let turn = fair_share::turn(lane.reached, last.map(|last| last.turn), self.weight(queued.owner, weight));
        lane.highest = lane.highest.max(turn);
        if lane.lines.insert(line, Last { turn, weight }).is_none() {
            *lines += 1;
        }
        turn
    }

    /// What was to have a turn was not queued: the owner's next task has one step less to wait.
    pub(crate) fn give_back(&self, queued: &Queued<'_>) {
        let line = (queued.tenant_id.to_owned(), queued.owner.to_owned());
        if let Some(last) = self.lock().lanes.get_mut(&LaneName::of(queued)).and_then(|lane| lane.lines.get_mut(&line))
        {
            let step = fair_share::step(self.weight(queued.owner, last.weight));
            last.turn = last.turn.saturating_sub(step);
        }
    }

    /// A claim took tasks: everything that it asked for has got as far as they are.
    pub(crate) fn claimed<'a>(&self, request: &ClaimRequest, taken: impl Iterator<Item = (i64, &'a Task)>) {
        let mut reached: HashMap<(i16, Option<String>), (i64, BTreeSet<String>)> = HashMap::new();
        for (turn, task) in taken {
            let tenant_id = tenant_of(task.handler, task.tenant_id.as_str());
            let (highest, types) = reached
                .entry((task.priority.number(), tenant_id))
                .or_insert_with(|| (turn, request.task_types.iter().cloned().collect()));
            *highest = turn.max(*highest);
            types.insert(task.claimed_as().to_owned());
        }
        let mut lanes = self.lock();
        for ((priority, tenant_id), (turn, types)) in reached {
            let names: Vec<LaneName> = types
                .into_iter()
                .map(|task_type| LaneName {
                    handler: request.handler,
                    tenant_id: tenant_id.clone(),
                    task_type,
                    priority,
                })
                .collect();
            let highest = names.iter().filter_map(|name| lanes.lanes.get(name)).map(|lane| lane.highest).max();
            let highest = highest.unwrap_or(turn).max(turn);
            for name in names {
                let lane =
                    lanes.lanes.entry(name).or_insert_with(|| Lane { reached: turn, highest, lines: HashMap::new() });
                lane.reached = lane.reached.max(turn);
                lane.highest = lane.highest.max(highest);
            }
        }
    }

    /// Learns what was queued before this process began.
    pub(crate) fn learn<'a>(&self, lines: impl Iterator<Item = Line<'a>>) {
        let mut lanes = self.lock();
        let mut new = 0;
        for Line { queued, first, last } in lines {
            let lane = lanes.lanes.entry(LaneName::of(&queued)).or_insert_with(|| Lane {
                reached: first,
                highest: last,
                lines: HashMap::new(),
            });
            lane.reached = lane.reached.min(first);
            lane.highest = lane.highest.max(last);
            let last = Last { turn: last, weight: queued.weight.unwrap_or(MIN_WEIGHT) };
            if lane.lines.insert((queued.tenant_id.to_owned(), queued.owner.to_owned()), last).is_none() {
                new += 1;
            }
        }
        lanes.lines += new;
    }
}

impl Lanes {
    fn tidy(&mut self) {
        if self.lines < MAX_LINES && self.lanes.len() < MAX_LINES {
            return;
        }
        for lane in self.lanes.values_mut() {
            let reached = lane.reached;
            lane.lines.retain(|_, last| last.turn > reached);
        }
        self.lanes.retain(|_, lane| !lane.lines.is_empty());
        self.lines = self.lanes.values().map(|lane| lane.lines.len()).sum();
        // Not one at a time from here on.
        if self.lines > MAX_LINES / 2 || self.lanes.len() > MAX_LINES / 2 {
            self.lanes.clear();
            self.lines = 0;
        }
    }
}

fn tenant_of(handler: Handler, tenant_id: &str) -> Option<String> {
    (handler == Handler::Worker).then(|| tenant_id.to_owned())
}

impl LaneName {
    fn of(queued: &Queued<'_>) -> Self {
        Self {
            handler: queued.handler,
            tenant_id: tenant_of(queued.handler, queued.tenant_id),
            task_type: queued.task_type.to_owned(),
            priority: queued.priority,
        }
    }
}

impl<'a> Queued<'a> {
    /// `change` leaves the task queued and due, at a place that may be another than before.
    pub(crate) fn by(change: &'a Change) -> Option<Self> {
        let task = &change.task;
        let moves = change.takes_a_place() || change.definition_changed;
        let current = task.current.as_ref().filter(|_| moves && task.is_due())?;
        Some(Self {
            handler: task.handler,
            tenant_id: task.tenant_id.as_str(),
            task_type: task.claimed_as(),
            priority: task.priority.number(),
            owner: task.owner(),
            run_at: current.run_at.timestamp_micros(),
            weight: change.limits.map(|limits| limits.weight),
        })
    }
}
