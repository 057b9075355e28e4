//! Tasks.

pub(crate) mod batch;
pub(crate) mod commands;
pub(crate) mod create;
mod cursor;
pub(crate) mod delete;
pub(crate) mod dto;
pub(crate) mod explain;
pub(crate) mod from_template;
pub(crate) mod get;
mod idempotency;
mod if_match;
pub(crate) mod list;
pub(crate) mod record;
mod refs;
pub(crate) mod track;
pub(crate) mod update;
