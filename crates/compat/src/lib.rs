//! The drop-in APIs: what clients of older task services speak, each on a port of its own.
//!
//! One folder for each API, with its routes, DTOs, mapping and error shapes; `common` holds what
//! they share. Deliberately absent: decisions and storage. A handler reads what the old client
//! sends, calls the use cases that every API calls, and answers in the old service's words.

pub mod common;
pub mod seedcore;
pub mod task_management;
pub mod task_repository;
pub mod task_tracker;

use common::Api;

/// Every drop-in API.
pub const APIS: &[&Api] = &[&task_repository::API, &task_management::API, &seedcore::API, &task_tracker::API];
