//! Bodies that no route takes, whatever it is for; and values that a field of a given type does not take.

use serde_json::{Map, Value, json};

/// A request body as it goes over the wire.
pub(crate) struct Raw {
    pub(crate) name: String,
    pub(crate) content_type: &'static str,
    pub(crate) body: Vec<u8>,
}

const JSON: &str = "application/json";

fn raw(name: &str, body: impl Into<Vec<u8>>) -> Raw {
    Raw { name: name.to_owned(), content_type: JSON, body: body.into() }
}

/// An object nested `depth` levels, as text.
fn nested(depth: usize) -> String {
    format!("{}1{}", r#"{"a":"#.repeat(depth), "}".repeat(depth))
}

/// Bodies that are wrong for every route.
pub(crate) fn bodies() -> Vec<Raw> {
    let mut all = vec![
        raw("one brace", "{"),
        raw("one bracket", "["),
        raw("a closing brace", "}"),
        raw("two objects", "{}{}"),
        raw("trailing text", "{} x"),
        raw("trailing comma", r#"{"a":1,}"#),
        raw("leading comma", r#"{,"a":1}"#),
        raw("no value", r#"{"a":}"#),
        raw("no colon", r#"{"a" 1}"#),
        raw("bare word", "nonsense"),
        raw("capital TRUE", r#"{"a":TRUE}"#),
        raw("undefined", r#"{"a":undefined}"#),
        raw("single quotes", "{'a':1}"),
        raw("a comment", "{} // nothing"),
        raw("NaN", r#"{"a":NaN}"#),
        raw("Infinity", r#"{"a":Infinity}"#),
        raw("minus Infinity", r#"{"a":-Infinity}"#),
        raw("hexadecimal", r#"{"a":0x10}"#),
        raw("leading zero", r#"{"a":01}"#),
        raw("leading plus", r#"{"a":+1}"#),
        raw("half an exponent", r#"{"a":1e}"#),
        raw("a point too many", r#"{"a":1.2.3}"#),
        raw("double overflow", r#"{"a":1e400}"#),
        raw("integer overflow", r#"{"a":9223372036854775808}"#),
        raw("integer underflow", r#"{"a":-9223372036854775809}"#),
        raw("thirty digits", r#"{"a":123456789012345678901234567890}"#),
        raw("NUL in a text", r#"{"a":"x\u0000y"}"#),
        raw("NUL in a key", r#"{"\u0000":1}"#),
        raw("NUL in depth", r#"{"a":{"b":["x\u0000"]}}"#),
        raw("lone high surrogate", r#"{"a":"\ud800"}"#),
        raw("lone low surrogate", r#"{"a":"\udfff"}"#),
        raw("surrogates reversed", r#"{"a":"\udc00\ud800"}"#),
        raw("lone surrogate in a key", r#"{"\ud800":1}"#),
        raw("bad escape", r#"{"a":"\x41"}"#),
        raw("half an escape", r#"{"a":"\u12"}"#),
        raw("open text", r#"{"a":"x"#),
        raw("raw newline in a text", "{\"a\":\"x\ny\"}"),
        raw("raw NUL byte", &b"{\"a\":\"\0\"}"[..]),
        raw("byte order mark", &b"\xef\xbb\xbf{}x"[..]),
        raw("invalid UTF-8", &b"{\"a\":\"\xff\"}"[..]),
        raw("overlong UTF-8", &b"{\"a\":\"\xc0\x80\"}"[..]),
        raw("surrogate in UTF-8", &b"{\"a\":\"\xed\xa0\x80\"}"[..]),
        raw("UTF-16", &b"\xff\xfe{\0}\0"[..]),
        raw("33 levels", nested(33)),
        raw("200 levels", nested(200)),
        raw("10,000 levels", nested(10_000)),
        raw("10,000 open brackets", "[".repeat(10_000)),
        raw("a text", r#""text""#),
        raw("a number", "7"),
        raw("true", "true"),
        raw("false", "false"),
        raw("an array of numbers", "[1,2]"),
        raw("an unknown field", r#"{"no_such_field":1}"#),
        raw("an empty key", r#"{"":1}"#),
        raw("a field in capitals", r#"{"NAME":"x"}"#),
        raw("too large", format!(r#"{{"a":"{}"}}"#, "x".repeat(1_200_000))),
        raw("blank", "   "),
    ];
    for content_type in [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/xml",
        "nonsense",
        "",
    ] {
        all.push(Raw { name: format!("content type `{content_type}`"), content_type, body: b"{\"a\":1}".to_vec() });
    }
    all
}

/// Values that a field holding `good` must refuse.
fn wrong_values(good: &Value) -> Vec<Value> {
    match good {
        Value::String(_) => vec![json!(5), json!(1.5), json!(true), json!([]), json!({}), json!(["x"]), json!("x\0y")],
        Value::Number(_) => {
            vec![json!("x"), json!("1"), json!(true), json!([]), json!({}), json!(1e300), json!(-1e300), json!(-1)]
        }
        Value::Bool(_) => vec![json!("true"), json!(1), json!(0), json!([]), json!({})],
        Value::Array(_) => vec![json!("x"), json!(5), json!(true), json!({"a": 1}), json!([["\0"]])],
        Value::Object(_) => vec![json!("x"), json!(5), json!(true), json!([1]), json!({"a": "\0"})],
        Value::Null => Vec::new(),
    }
}

/// The good body with one field made wrong: `(field, value, body)`. `free` fields take any JSON.
pub(crate) fn spoiled(good: &Map<String, Value>, free: &[&str]) -> Vec<(String, Value, Value)> {
    let mut all = Vec::new();
    for (field, value) in good.iter().filter(|(field, _)| !free.contains(&field.as_str())) {
        for wrong in wrong_values(value) {
            let mut body = good.clone();
            body.insert(field.clone(), wrong.clone());
            all.push((field.clone(), wrong, Value::Object(body)));
        }
    }
    for extra in ["no_such_field", "Name", "__proto__", "id", "tenant_id", "version", "event_seq", "created_at"] {
        if !good.contains_key(extra) {
            let mut body = good.clone();
            body.insert(extra.to_owned(), json!(1));
            all.push((extra.to_owned(), json!(1), Value::Object(body)));
        }
    }
    all
}
