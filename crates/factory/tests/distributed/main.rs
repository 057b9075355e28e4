//! Several instances of the program on one PostgreSQL and one NATS, through what goes wrong there:
//! killed and frozen instances, a broker that is away, a database that restarts.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on should panic where it stands")]

mod broker_away;
mod conversations;
mod database_restart;
mod inbound;
mod shutdown;
mod support;
mod takeover;
mod track;
mod workers;
