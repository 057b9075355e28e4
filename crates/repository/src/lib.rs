//! The stores: two engines, `postgres` and `sqlite`, behind the same traits with the same promises.
//!
//! Deliberately absent: business rules. What a change contains was decided in the domain; here it
//! is stored whole or not at all.

mod columns;
mod fair_share;
mod ids;
pub mod postgres;
mod rows;
pub mod sqlite;
mod statement;

pub use fair_share::Weights;
