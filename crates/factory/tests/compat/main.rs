//! The drop-in APIs, over real sockets, on both engines: one file for each API.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic where it stands")]

mod across;
mod common;
mod documents;
mod seedcore;
mod seedcore_results;
mod stored_keys;
mod support;
mod task_management;
mod task_repository;
mod task_repository_reports;
mod task_tracker;
mod task_tracker_more;
mod task_tracker_streams;
