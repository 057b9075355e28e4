//! JSON values that say the same.

use serde_json::{Number, Value};

/// Whether two values are equal, numbers by what they stand for: `1e2`, `100.0` and `100` are the
/// same. What was stored may come back in another of these forms.
pub fn same_json(one: &Value, other: &Value) -> bool {
    match (one, other) {
        (Value::Number(one), Value::Number(other)) => same_number(one, other),
        (Value::Array(one), Value::Array(other)) => {
            one.len() == other.len() && one.iter().zip(other).all(|(one, other)| same_json(one, other))
        }
        (Value::Object(one), Value::Object(other)) => {
            one.len() == other.len()
                && one.iter().all(|(key, value)| other.get(key).is_some_and(|other| same_json(value, other)))
        }
        _ => one == other,
    }
}

fn same_number(one: &Number, other: &Number) -> bool {
    match (whole(one), whole(other)) {
        (None, None) => one.as_f64() == other.as_f64(),
        (one, other) => one == other,
    }
}

/// A whole number that fits, exactly.
fn whole(number: &Number) -> Option<i128> {
    let integer = number.as_i64().map(i128::from).or_else(|| number.as_u64().map(i128::from));
    let fits = |float: &f64| float.fract() == 0.0 && float.abs() < 1e30;
    integer.or_else(|| number.as_f64().filter(fits).map(|float| float as i128))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn parsed(text: &str) -> Value {
        serde_json::from_str(text).unwrap()
    }

    #[test]
    fn numbers_are_the_same_by_value_however_deep() {
        for (one, other) in [
            ("1e16", "10000000000000000"),
            ("1.0", "1"),
            ("-0.0", "0"),
            ("1e300", &format!("1{}", "0".repeat(300))),
            ("0.00000012", "1.2e-7"),
            ("18446744073709551615", "18446744073709551615"),
            (r#"{"a":[1e2,{"b":2.50}],"c":null}"#, r#"{"c":null,"a":[100,{"b":2.5}]}"#),
        ] {
            assert!(same_json(&parsed(one), &parsed(other)), "{one} and {other}");
            assert!(same_json(&parsed(other), &parsed(one)), "{other} and {one}");
        }
    }

    #[test]
    fn what_differs_is_not_the_same() {
        for (one, other) in [
            ("1", "2"),
            ("1", "\"1\""),
            ("0", "null"),
            ("0", "false"),
            ("0.5", "0"),
            ("1e300", "1e299"),
            // The nearest float is the same.
            ("9007199254740993", "9007199254740992.0"),
            ("[1]", "[1,1]"),
            (r#"{"a":1}"#, r#"{"a":1,"b":1}"#),
            (r#"{"a":1}"#, r#"{"b":1}"#),
        ] {
            assert!(!same_json(&parsed(one), &parsed(other)), "{one} and {other}");
            assert!(!same_json(&parsed(other), &parsed(one)), "{other} and {one}");
        }
        assert!(same_json(&json!({}), &json!({})));
    }
}
