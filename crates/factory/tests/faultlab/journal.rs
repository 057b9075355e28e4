//! The journal: every operation, as whoever asked for it saw it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde_json::Value;

/// What a holder of a lease says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Verb {
    Heartbeat,
    Progress,
    Complete,
    Fail,
    Release,
}

impl Verb {
    pub(crate) const ALL: [Self; 5] = [Self::Heartbeat, Self::Progress, Self::Complete, Self::Fail, Self::Release];

    /// As in the path of its call.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Heartbeat => "heartbeat",
            Self::Progress => "progress",
            Self::Complete => "complete",
            Self::Fail => "fail",
            Self::Release => "release",
        }
    }

    /// The status of the execution that it ends, if it ends one.
    pub(crate) fn outcome(self) -> Option<&'static str> {
        match self {
            Self::Heartbeat | Self::Progress => None,
            Self::Complete => Some("completed"),
            Self::Fail => Some("failed"),
            Self::Release => Some("released"),
        }
    }
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Asked {
    Create { task: String },
    Claim,
    Report { verb: Verb, task: String, token: String, body: Value },
}

/// A lease, as its claimer was told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Granted {
    pub(crate) task: String,
    pub(crate) execution: String,
    pub(crate) token: String,
    pub(crate) expires_in: Duration,
}

/// What a success said.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Accepted {
    pub(crate) leases: Vec<Granted>,
    /// What is left of the lease, by a heartbeat or a progress entry.
    pub(crate) expires_in: Option<Duration>,
    /// Number of the progress entry.
    pub(crate) seq_id: Option<i64>,
}

#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Answer {
    Accepted(Accepted),
    Refused(u16),
    /// No answer came: it may have been done, may yet be done, or never.
    Missing,
}

/// One operation. Times are since the journal began, by the clock of this process.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) begun: Duration,
    /// When the answer came, or was given up.
    pub(crate) ended: Duration,
    pub(crate) by: String,
    pub(crate) asked: Asked,
    pub(crate) answer: Answer,
}

impl Operation {
    pub(crate) fn accepted(&self) -> Option<&Accepted> {
        match &self.answer {
            Answer::Accepted(accepted) => Some(accepted),
            Answer::Refused(_) | Answer::Missing => None,
        }
    }
}

pub(crate) struct Journal {
    start: Instant,
    operations: Mutex<Vec<Operation>>,
}

impl Default for Journal {
    fn default() -> Self {
        Self { start: Instant::now(), operations: Mutex::default() }
    }
}

impl Journal {
    pub(crate) fn now(&self) -> Duration {
        self.start.elapsed()
    }

    fn record(&self, begun: Duration, by: &str, asked: Asked, answer: Answer) {
        let operation = Operation { begun, ended: self.now(), by: by.to_owned(), asked, answer };
        self.operations().push(operation);
    }

    /// Before it is asked. Dropped without an answer, it is written down as missing one.
    pub(crate) fn begin<'j>(&'j self, by: &'j str, asked: Asked) -> Pending<'j> {
        Pending { journal: self, begun: self.now(), by, asked: Some(asked) }
    }

    pub(crate) fn operations(&self) -> MutexGuard<'_, Vec<Operation>> {
        self.operations.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn count(&self, fits: impl Fn(&Operation) -> bool) -> usize {
        self.operations().iter().filter(|operation| fits(operation)).count()
    }

    pub(crate) fn refused(&self, status: u16) -> usize {
        self.count(|operation| operation.answer == Answer::Refused(status))
    }

    /// Accepted creates.
    pub(crate) fn created(&self) -> usize {
        self.count(|operation| matches!(operation.asked, Asked::Create { .. }) && operation.accepted().is_some())
    }

    /// Accepted reports of success.
    pub(crate) fn completed(&self) -> usize {
        let complete = |operation: &Operation| matches!(operation.asked, Asked::Report { verb: Verb::Complete, .. });
        self.count(|operation| complete(operation) && operation.accepted().is_some())
    }
}

/// An operation under way.
pub(crate) struct Pending<'j> {
    journal: &'j Journal,
    begun: Duration,
    by: &'j str,
    asked: Option<Asked>,
}

impl Pending<'_> {
    pub(crate) fn answered(mut self, answer: Answer) {
        if let Some(asked) = self.asked.take() {
            self.journal.record(self.begun, self.by, asked, answer);
        }
    }
}

impl Drop for Pending<'_> {
    fn drop(&mut self) {
        if let Some(asked) = self.asked.take() {
            self.journal.record(self.begun, self.by, asked, Answer::Missing);
        }
    }
}
