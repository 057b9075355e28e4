//! What outside workers call: claim, keep, report, give back.

pub(crate) mod batch;
pub(crate) mod claim;
pub(crate) mod control;
mod dto;
mod input;
pub(crate) mod lease;
pub(crate) mod overview;
pub(crate) mod report;
pub(crate) mod timeouts;
