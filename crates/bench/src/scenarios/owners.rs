//! What end users do: create, and read pages of their tasks.

use super::{create as create_one, resting, user};
use crate::Result;
use crate::http::Connection;
use crate::load::{Turn, closed, open};
use crate::report::Row;
use crate::setup::{Bench, Database};

/// Rate of the open loop, of what is wanted of the closed one.
const OPEN_SHARE: f64 = 0.5;

/// Creates as fast as answers come, then at half the wanted rate whether or not they come.
pub(super) async fn create(bench: &Bench, database: &Database, engine: &str, least: f64) -> Result<Vec<Row>> {
    let instance = bench.instance(database).await?;
    let (users, connections) = (bench.scale.users, bench.scale.connections);
    let step = async |connection: &mut Connection, turn: Turn| {
        create_one(connection, &user(turn.n % users), &resting(turn.n)).await.map(|_| 1)
    };
    let measured = closed(instance.connections(connections).await?, bench.scale.time, step).await?;
    let name = format!("create, {connections} connections, {users} users, {engine}");
    let first = Row::rate(name, Some(least), "tasks", &measured);
    let rate = (least * OPEN_SHARE).max(1.0);
    let measured = open(instance.connections(connections * 4).await?, bench.scale.time / 2, rate, step).await?;
    let second = Row::rate(format!("… at {rate:.0}/s, whether or not answers come"), None, "tasks", &measured);
    Ok(vec![first, second])
}
