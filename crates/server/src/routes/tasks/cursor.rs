//! Cursors of task lists: opaque, URL-safe, and good for the order that gave them.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use task_domain::Priority;
use task_protocols::{TaskCursor, TaskSort};

/// The orders by the name that the query gives them.
const SORTS: &[(&str, TaskSort)] = &[
    ("-created_at", TaskSort::Newest),
    ("created_at", TaskSort::Oldest),
    ("due_date", TaskSort::Due),
    ("priority", TaskSort::Priority),
];

pub(crate) fn sort_name(sort: TaskSort) -> &'static str {
    SORTS.iter().find(|(_, known)| *known == sort).map_or("-created_at", |(name, _)| name)
}

pub(crate) fn parse_sort(text: &str) -> Result<TaskSort, String> {
    let names = || SORTS.iter().map(|(name, _)| *name).collect::<Vec<_>>().join(", ");
    let found = SORTS.iter().find(|(name, _)| *name == text).map(|(_, sort)| *sort);
    found.ok_or_else(|| format!("must be one of: {}", names()))
}

#[derive(Serialize, Deserialize)]
struct Wire {
    s: String,
    i: i64,
    d: Option<DateTime<Utc>>,
    p: i64,
}

pub(crate) fn encode(sort: TaskSort, cursor: &TaskCursor) -> String {
    let wire = Wire {
        s: sort_name(sort).to_owned(),
        i: cursor.id,
        d: cursor.due_date,
        p: i64::from(cursor.priority.number()),
    };
    URL_SAFE_NO_PAD.encode(serde_json::to_vec(&wire).unwrap_or_default())
}

/// The cursor and the order it belongs to.
pub(crate) fn decode(text: &str) -> Result<(TaskSort, TaskCursor), String> {
    let wrong = || "is not a cursor of this list; hand in a next_cursor as it was given".to_owned();
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| wrong())?;
    let wire: Wire = serde_json::from_slice(&bytes).map_err(|_| wrong())?;
    let sort = parse_sort(&wire.s).map_err(|_| wrong())?;
    let priority = Priority::from_number(wire.p).ok_or_else(wrong)?;
    Ok((sort, TaskCursor { id: wire.i, due_date: wire.d, priority }))
}
