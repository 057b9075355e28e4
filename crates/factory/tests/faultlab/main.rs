//! The promises under faults: a journal of everything that clients were answered, a checker that holds it
//! against the store and against what subscribers received, and the checker itself held against parts
//! that are broken on purpose.
//!
//! Every scenario has a short form, and a long one with `FAULTLAB=long` (`make soak`).
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic where it stands")]

mod checker;
mod journal;
mod lab;
mod outcome;
mod scale;
mod scenarios;
mod seeded;
#[path = "../distributed/support.rs"]
#[allow(dead_code, reason = "the tests of `distributed` use the rest")]
mod support;
