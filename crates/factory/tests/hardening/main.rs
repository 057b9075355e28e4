//! What no caller may do: malformed input on every route with a body, and every route by every kind of caller.
//!
//! The tables are compared with the served OpenAPI document: a route without a row fails.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic where it stands")]

mod corpus;
mod error_rows;
mod examples;
mod malformed;
mod matrix;
mod matrix_rows;
#[path = "../http/support.rs"]
#[allow(dead_code, reason = "shared with the tests of the routes, which need more of it")]
mod support;
