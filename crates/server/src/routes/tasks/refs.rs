//! How the tasks of one batch name each other before they have ids.

use std::collections::{HashMap, HashSet};

use serde_json::Value;
use task_domain::decide::IdSource;
use task_service::RandomIds;

/// Gives every task of the batch that has a `ref` an id, and writes those ids where others name
/// the refs in `depends_on`. What is wrong stays as it is, for the reading of the task to refuse.
pub(super) fn resolve(items: &mut [Value]) {
    let mut ids: HashMap<String, String> = HashMap::new();
    let mut twice: HashSet<String> = HashSet::new();
    for item in items.iter_mut() {
        let Some(name) = reference(item) else { continue };
        if ids.contains_key(&name) {
            twice.insert(name);
            continue;
        }
        let Some(map) = item.as_object_mut() else { continue };
        let id = match map.get("task_id") {
            Some(Value::String(id)) => id.clone(),
            None | Some(Value::Null) => RandomIds.id().to_string(),
            Some(_) => continue,
        };
        map.insert("task_id".into(), Value::String(id.clone()));
        ids.insert(name, id);
    }
    for item in items {
        // A ref that two tasks have names neither; it stays, and is refused as a field that a task does not have.
        let known = reference(item).is_none_or(|name| !twice.contains(&name) && ids.contains_key(&name));
        let Some(map) = item.as_object_mut() else { continue };
        if known && map.get("ref").is_some_and(Value::is_string) {
            map.remove("ref");
        }
        if let Some(Value::Array(entries)) = map.get_mut("depends_on") {
            for entry in entries {
                let named = entry.as_object().filter(|object| object.len() == 1).and_then(|object| object.get("ref"));
                let id =
                    named.and_then(Value::as_str).filter(|name| !twice.contains(*name)).and_then(|name| ids.get(name));
                if let Some(id) = id {
                    *entry = Value::String(id.clone());
                }
            }
        }
    }
}

/// The name of a task in its batch, 1–64 characters.
fn reference(item: &Value) -> Option<String> {
    let name = item.get("ref")?.as_str()?;
    (1..=64).contains(&name.chars().count()).then(|| name.to_owned())
}
