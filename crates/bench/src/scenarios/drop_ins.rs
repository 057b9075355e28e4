//! The drop-in APIs beside the canonical one, over the same engine.

use serde_json::{Value, json};

use super::{resting, text, user};
use crate::Result;
use crate::http::{Connection, Who};
use crate::load::{Turn, closed};
use crate::report::Row;
use crate::setup::{Bench, Database};

/// What a drop-in may lose.
const KEPT: f64 = 0.8;

/// One of the APIs: how it creates and reads.
struct Api {
    name: &'static str,
    /// The setting of its port; `None`: the canonical one.
    setting: Option<&'static str>,
    /// Where tasks are made, and below which they are read.
    create: &'static str,
    read: &'static str,
    created: u16,
    id: &'static str,
    body: fn(u64) -> Value,
}

const APIS: [Api; 5] = [
    Api {
        name: "canonical",
        setting: None,
        create: "/api/v1/tasks",
        read: "/api/v1/tasks/",
        created: 201,
        id: "task_id",
        body: resting,
    },
    Api {
        name: "Task Repository",
        setting: Some("TASK_REPOSITORY_PORT"),
        create: "/api/v1/tasks",
        read: "/api/v1/tasks/",
        created: 201,
        id: "task_id",
        body: |n| json!({"task_type": "bench_drop_in", "request": {"content": format!("bench {n}"), "metadata": {}}, "template": {"service_type": "bench"}}),
    },
    Api {
        name: "Task Management",
        setting: Some("TASK_MANAGEMENT_PORT"),
        create: "/tasks/",
        read: "/tasks/",
        created: 200,
        id: "id",
        body: |n| json!({"title": format!("bench {n}")}),
    },
    Api {
        name: "SeedCore",
        setting: Some("SEEDCORE_PORT"),
        create: "/api/v1/tasks",
        read: "/api/v1/tasks/",
        created: 200,
        id: "id",
        body: |n| json!({"type": "bench_drop_in", "params": {"n": n}}),
    },
    Api {
        name: "Task Tracker",
        setting: Some("TASK_TRACKER_PORT"),
        create: "/api/v1/tasks/",
        read: "/api/v1/tasks/",
        created: 201,
        id: "taskId",
        body: |n| json!({"taskType": "bench_drop_in", "params": {"n": n}}),
    },
];

/// Creates and reads of each API, for half the time of a loop each.
pub(super) async fn beside_canonical(bench: &Bench, database: &Database) -> Result<Vec<Row>> {
    let instance = bench.instance(database).await?;
    let mut rows = Vec::new();
    let (mut creates, mut reads) = (None, None);
    for api in &APIS {
        let connect = async || match api.setting {
            None => instance.connections(bench.scale.connections).await,
            Some(setting) => instance.drop_in(setting, bench.scale.connections).await,
        };
        let connections = connect().await?;
        let who = |n: u64| if api.setting.is_none() { user(n % bench.scale.users) } else { Who::Key };
        let create = async |connection: &mut Connection, turn: Turn| {
            let answer = connection.post(api.create, &who(turn.n), &(api.body)(turn.n)).await?;
            answer.expect(&[api.created]).map(|_| 1)
        };
        let created = closed(connections, bench.scale.time / 2, create).await?;
        rows.push(Row::rate(format!("{}: create", api.name), creates.map(|rate: f64| rate * KEPT), "tasks", &created));
        creates.get_or_insert(created.per_second());

        let mut one = connect().await?.pop().ok_or("a connection is missing")?;
        let answer = one.post(api.create, &who(0), &(api.body)(0)).await?.expect(&[api.created])?.json()?;
        let id = match &answer[api.id] {
            Value::Number(number) => number.to_string(),
            other => text(other)?.to_owned(),
        };
        let path = format!("{}{id}", api.read);
        let read = async |connection: &mut Connection, _: Turn| {
            connection.get(&path, &who(0)).await?.expect(&[200]).map(|_| 1)
        };
        let read = closed(connect().await?, bench.scale.time / 2, read).await?;
        rows.push(Row::rate(format!("{}: read", api.name), reads.map(|rate: f64| rate * KEPT), "tasks", &read));
        reads.get_or_insert(read.per_second());
    }
    Ok(rows)
}
