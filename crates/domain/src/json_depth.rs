//! How deep a JSON value may be nested: what is stored must be readable again.

use serde_json::Value;

/// Levels of a stored value, the value itself being the first. A reader's parser gives up at 128.
pub const MAX_JSON_DEPTH: usize = 64;

/// Whether `value` has at most `levels` levels.
pub fn is_within_depth(value: &Value, levels: usize) -> bool {
    let Some(below) = levels.checked_sub(1) else { return false };
    match value {
        Value::Array(items) => items.iter().all(|item| is_within_depth(item, below)),
        Value::Object(map) => map.values().all(|item| is_within_depth(item, below)),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_counted_from_the_value_itself() {
        let deep = serde_json::from_str::<Value>(&format!("{}1{}", "[".repeat(9), "]".repeat(9))).unwrap();
        assert!(is_within_depth(&deep, 10) && !is_within_depth(&deep, 9));
        assert!(is_within_depth(&serde_json::json!({}), 1) && !is_within_depth(&serde_json::json!({"a": 1}), 1));
    }
}
