//! Refuses feeds that are made to keep a parser busy.
//!
//! Feed and XML libraries take quadratic time or memory for elements nested very deep and
//! for tags with very many attributes. No honest feed has them.

const MAX_DEPTH: usize = 100;
/// Of one tag, bytes.
const MAX_TAG: usize = 8 * 1024;

/// Why a body is not given to the parser; `None` when it may be.
pub(super) fn refusal(body: &[u8]) -> Option<&'static str> {
    // Encodings where the bytes of a tag may mean something else: UTF-16, UTF-32, ISO-2022-JP.
    if body.iter().any(|byte| matches!(byte, 0 | 0x1b)) {
        return Some("its encoding is not supported; use UTF-8");
    }
    let (mut depth, mut rest) = (0usize, body);
    while let Some(start) = rest.iter().position(|byte| *byte == b'<') {
        rest = &rest[start..];
        let (length, deeper) = match rest {
            [b'<', b'!', b'[', b'C', b'D', b'A', b'T', b'A', b'[', ..] => (through(rest, b"]]>"), 0),
            [b'<', b'!', b'-', b'-', ..] => (through(rest, b"-->"), 0),
            [b'<', b'?', ..] => (through(rest, b"?>"), 0),
            [b'<', b'!', ..] => (through(rest, b">"), 0),
            [b'<', b'/', ..] => (through(rest, b">"), -1),
            _ => {
                let length = tag(rest);
                if length > MAX_TAG {
                    return Some("it has too large a tag");
                }
                (length, isize::from(!rest[..length].ends_with(b"/>")))
            }
        };
        depth = depth.saturating_add_signed(deeper);
        if depth > MAX_DEPTH {
            return Some("it is nested too deep");
        }
        rest = &rest[length..];
    }
    None
}

/// How far it is to the end of what ends so; all of it when it does not end.
fn through(rest: &[u8], end: &[u8]) -> usize {
    rest.windows(end.len()).position(|window| window == end).map_or(rest.len(), |at| at + end.len())
}

/// The length of a start tag; a `>` within quotes does not end it.
fn tag(rest: &[u8]) -> usize {
    let mut quote = None;
    for (at, byte) in rest.iter().enumerate() {
        match (quote, byte) {
            (None, b'>') => return at + 1,
            (None, b'"' | b'\'') => quote = Some(*byte),
            (Some(open), byte) if open == *byte => quote = None,
            _ => {}
        }
    }
    rest.len()
}

#[cfg(test)]
mod tests {
    use super::refusal;

    #[test]
    fn what_looks_like_tags_within_text_does_not_count() {
        let unclosed = "<br>".repeat(200);
        let html = format!("<?xml version='1.0'?><!-- {unclosed} --><a><![CDATA[{unclosed}]]><b c='>'/></a>");
        assert_eq!(refusal(html.as_bytes()), None);
        assert_eq!(refusal("<a>x</a>".repeat(5000).as_bytes()), None);
    }

    #[test]
    fn what_no_honest_feed_has_is_refused() {
        for body in ["<a>".repeat(101), format!("<a {}>", "b='' ".repeat(2000)), "<\0a\0>\0".to_owned()] {
            assert!(refusal(body.as_bytes()).is_some(), "{}", &body[..8]);
        }
    }
}
