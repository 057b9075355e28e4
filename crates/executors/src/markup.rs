//! Reads HTML as a stream of tokens.
//!
//! Deliberately absent: a tree. Building one takes quadratic time and memory on pages made for it,
//! and nothing here needs one.

use html5gum::emitters::default::DefaultEmitter;
use html5gum::{HtmlString, Token, Tokenizer};

/// Elements that do not part words.
const INLINE: &[&[u8]] = &[
    b"a", b"abbr", b"b", b"bdi", b"bdo", b"cite", b"code", b"del", b"dfn", b"em", b"font", b"i", b"ins", b"kbd",
    b"mark", b"q", b"s", b"small", b"span", b"strong", b"sub", b"sup", b"time", b"u", b"var", b"wbr",
];
const UNSEEN: &[&[u8]] = &[b"script", b"style", b"template", b"noscript", b"iframe"];

/// The tokens of a page or a piece of one; what scripts and styles contain is text.
pub(crate) fn tokens(html: &str) -> impl Iterator<Item = Token> {
    let mut emitter = DefaultEmitter::default();
    emitter.naively_switch_states(true);
    Tokenizer::new_with_emitter(html, emitter).filter_map(Result::ok)
}

pub(crate) fn text(bytes: &HtmlString) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What a reader sees of a piece of HTML, without its markup.
pub(crate) fn plain_text(html: &str) -> String {
    let mut seen = String::new();
    let mut within: Option<HtmlString> = None;
    for token in tokens(html) {
        match token {
            Token::String(piece) if within.is_none() => seen.push_str(&text(&piece)),
            Token::StartTag(tag) => {
                if !INLINE.contains(&tag.name.as_slice()) {
                    seen.push(' ');
                }
                if within.is_none() && UNSEEN.contains(&tag.name.as_slice()) {
                    within = Some(tag.name);
                }
            }
            Token::EndTag(tag) => {
                if !INLINE.contains(&tag.name.as_slice()) {
                    seen.push(' ');
                }
                within = within.filter(|name| *name != tag.name);
            }
            _ => {}
        }
    }
    seen
}
